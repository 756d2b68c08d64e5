//! Plans are made on a thread of their own, one at a time: what one user wrote may take long and much memory, and neither the lease nor
//! the other experiments wait for it. A fault in one is that experiment's condition.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
};

use fltorrent_crds::Experiment;
use tokio::sync::oneshot;

use crate::validate::{ValidateError, Validated, validate};

type Made = Result<Validated, ValidateError>;

struct Job {
    experiment: Arc<Experiment>,
    answer: oneshot::Sender<Made>,
}

/// Makes plans. The thread ends with it, once the plan that it is at is made; nobody waits for that.
pub struct Planner {
    jobs: mpsc::Sender<Job>,
}

impl Planner {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        Self::with(validate)
    }

    pub(crate) fn with(make: impl Fn(Arc<Experiment>) -> Made + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name("planner".to_owned())
            .spawn(move || work(&queue, make))?;
        Ok(Self { jobs })
    }

    /// Makes a plan; one that nobody waits for any more is not begun.
    ///
    /// # Errors
    /// As [`validate`], and when it panics.
    pub async fn plan(&self, experiment: Arc<Experiment>) -> Made {
        let (answer, answered) = oneshot::channel();
        let gone = || ValidateError::Panicked("its thread is gone".to_owned());
        self.jobs.send(Job { experiment, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn work(queue: &mpsc::Receiver<Job>, make: impl Fn(Arc<Experiment>) -> Made) {
    while let Ok(Job { experiment, answer }) = queue.recv() {
        if answer.is_closed() {
            continue;
        }
        // Nothing of the experiment is kept that a panic could have left half done.
        let made = catch_unwind(AssertUnwindSafe(|| make(experiment)))
            .unwrap_or_else(|panic| Err(ValidateError::Panicked(message(&*panic))));
        // Who asked may have stopped waiting meanwhile.
        let _ = answer.send(made);
    }
}

/// The message of a panic.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use fltorrent_crds::manifest;

    use super::*;

    fn experiment(name: &str) -> Arc<Experiment> {
        let text = format!(
            "{{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {{name: {name}}}, spec: {{groups: [{{name: p, count: 2}}], \
             topology: {{type: mesh}}, model: {{type: mlp, mlp: {{hidden: [8]}}}}, data: {{type: digits}}}}}}"
        );
        let mut experiment = manifest::parse(&text).unwrap();
        experiment.metadata.namespace = Some("team".into());
        experiment.metadata.uid = Some(name.into());
        Arc::new(experiment)
    }

    #[tokio::test]
    async fn a_plan_that_panics_is_its_own_experiments_error() {
        let planner = Planner::with(|experiment| {
            assert!(experiment.metadata.uid.as_deref() != Some("bad"), "no luck");
            validate(experiment)
        })
        .unwrap();
        let failed = planner.plan(experiment("bad")).await.unwrap_err();
        assert_eq!(failed.reason(), "PlanPanicked");
        assert!(failed.to_string().contains("no luck"), "{failed}");
        assert_eq!(planner.plan(experiment("good")).await.unwrap().peers(), 2);
    }

    /// A plan that takes for ever: this runtime, which is of one thread, goes on meanwhile, and what nobody waits for any more is not begun.
    #[tokio::test]
    async fn a_plan_that_takes_long_holds_nobody_up() {
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let released = Mutex::new(released);
        let planner = Planner::with(move |experiment| {
            begin.send(experiment.metadata.uid.clone()).unwrap();
            released.lock().unwrap().recv().unwrap();
            validate(experiment)
        })
        .unwrap();
        let mut slow = std::pin::pin!(planner.plan(experiment("slow")));
        {
            let mut dropped = std::pin::pin!(planner.plan(experiment("deleted")));
            tokio::select! {
                biased;
                _ = &mut slow => panic!("it is made"),
                _ = &mut dropped => panic!("it is made"),
                () = std::future::ready(()) => {}
            }
        }
        release.send(()).unwrap();
        assert!(slow.await.is_ok());
        release.send(()).unwrap();
        assert!(planner.plan(experiment("next")).await.is_ok());
        let all: Vec<_> = begun.try_iter().flatten().collect();
        assert_eq!(all, ["slow", "next"]);
    }
}
