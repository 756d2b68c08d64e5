//! The election on a thread with a runtime and connections of its own: whatever the rest of the process does, the lease is renewed.

use std::{future::Future, io, thread, time::Duration};

use kube::Client;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{oneshot, watch},
    time::timeout,
};

use super::driver;

/// Longest time that giving the lease up may take; it ends by itself soon after.
const RELEASE: Duration = Duration::from_secs(5);

/// A running election. To drop it is to give the lease up, without waiting for that.
#[derive(Debug)]
pub struct Keeper {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<(), kube::Error>>,
}

impl Keeper {
    /// Starts the thread. `connect` is called on it, since a client's connections live where it is made.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub fn start<F>(connect: impl FnOnce() -> F + Send + 'static, candidate: Candidate) -> io::Result<Self>
    where
        F: Future<Output = Result<Client, kube::Error>>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Self::on(runtime, connect, candidate)
    }

    fn on<F>(runtime: Runtime, connect: impl FnOnce() -> F + Send + 'static, candidate: Candidate) -> io::Result<Self>
    where
        F: Future<Output = Result<Client, kube::Error>>,
    {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("lease".to_owned()).spawn(move || {
            let kept = runtime.block_on(async {
                candidate.keep(connect().await?, stopped).await;
                Ok(())
            });
            // Who started it may be gone.
            let _ = end.send(kept);
        })?;
        Ok(Self { stop, ended })
    }

    /// Waits until the lease is lost after it was won.
    ///
    /// # Errors
    /// When there is no cluster to talk to.
    pub async fn lost(&mut self) -> Result<(), kube::Error> {
        (&mut self.ended).await.unwrap_or(Ok(()))
    }

    /// Gives the lease up, so that another replica need not wait for its end.
    pub async fn stop(self) {
        // A thread that is gone has nothing to give up.
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}

/// A replica in the election.
#[derive(Debug)]
pub struct Candidate {
    /// The namespace of the lease.
    pub namespace: String,
    /// Holder identity: the pod's name.
    pub replica: String,
    /// Becomes true when the lease is ours.
    pub leads: watch::Sender<bool>,
}

impl Candidate {
    async fn keep(self, client: Client, stopped: oneshot::Receiver<()>) {
        let replica = self.replica.clone();
        tokio::select! {
            () = driver::run(client.clone(), &self.namespace, replica, &self.leads) => {}
            _ = stopped => {
                let released = driver::release(client, &self.namespace, &self.replica);
                if timeout(RELEASE, released).await.is_err() {
                    tracing::info!("the lease was not released in time; it will expire");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::{Arc, Condvar, Mutex, mpsc},
    };

    use fltorrent_crds::manifest;
    use hyper::{Method, StatusCode};
    use serde_json::Value;

    use super::*;
    use crate::{planner::Planner, test_api, validate::validate};

    /// The Lease of an API server, and how often it was written.
    #[derive(Default)]
    struct Leases {
        state: Mutex<(Option<Value>, u32)>,
        written: Condvar,
    }

    impl Leases {
        fn client(self: Arc<Self>) -> Client {
            test_api::client(move |asked| {
                let mut state = self.state.lock().unwrap();
                let (lease, writes) = &mut *state;
                if asked.method != Method::GET {
                    *writes += 1;
                    let mut body = asked.body;
                    body["metadata"]["resourceVersion"] = writes.to_string().into();
                    *lease = Some(body);
                    self.written.notify_all();
                }
                let answer = lease.clone().map(|lease| (StatusCode::OK, lease));
                ready(answer.or_else(|| test_api::refusal(StatusCode::NOT_FOUND, "NotFound")))
            })
        }

        fn wait_for(&self, writes: u32) {
            let state = self.state.lock().unwrap();
            drop(self.written.wait_while(state, |(_, done)| *done < writes).unwrap());
        }

        fn holder(&self) -> Value {
            let state = self.state.lock().unwrap();
            state.0.as_ref().unwrap()["spec"]["holderIdentity"].clone()
        }
    }

    /// A plan that blocks the planner while the only thread of the process's other runtime computes as well: by the election's clock, which
    /// jumps from one try to the next, the lease's duration is over several times, and it was renewed all the while.
    #[test]
    fn whatever_is_computed_no_lease_is_lost() {
        let leases = Arc::new(Leases::default());
        let (leads, led) = watch::channel(false);
        let paused = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let server = Arc::clone(&leases);
        let connect = move || ready(Ok(server.client()));
        let candidate = Candidate {
            namespace: "home".into(),
            replica: "a".into(),
            leads,
        };
        let mut keeper = Keeper::on(paused, connect, candidate).unwrap();

        let (release, released) = mpsc::channel::<()>();
        let planner = Planner::with(move |experiment| {
            released.recv().unwrap();
            validate(experiment)
        })
        .unwrap();
        let text = "{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {name: x}, spec: {groups: \
             [{name: p, count: 2}], topology: {type: mesh}, model: {type: mlp, mlp: {hidden: [8]}}, data: {type: digits}}}";
        let mut experiment = manifest::parse(text).unwrap();
        experiment.metadata.namespace = Some("a".into());
        experiment.metadata.uid = Some("u".into());
        let rest = Builder::new_current_thread().build().unwrap();
        rest.block_on(async {
            let plan = planner.plan(Arc::new(experiment));
            let computes = async {
                let renewals = super::super::DURATION.as_secs() / super::super::RETRY.as_secs();
                leases.wait_for(u32::try_from(4 * renewals).unwrap());
                assert!(*led.borrow());
                release.send(()).unwrap();
            };
            let (made, ()) = futures_util::future::join(plan, computes).await;
            assert_eq!(made.unwrap().peers(), 2);
            assert_eq!(leases.holder(), "a");
            tokio::select! {
                biased;
                _ = keeper.lost() => panic!("the lease is lost"),
                () = ready(()) => {}
            }
            keeper.stop().await;
            assert_eq!(leases.holder(), Value::Null);
        });
    }
}
