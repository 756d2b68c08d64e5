//! `fltorrent peer --in-cluster FOLDER`: a peer in a pod that the operator has made.
//!
//! The folder is the experiment's ConfigMap, the rest is in the environment ([`settings`]). The peer asks the operator for its
//! certificate, loads its data meanwhile, and then runs as one that was started by hand, with its neighbours' names in the cluster's
//! DNS. What happens goes to standard output, and how it ended into the container's termination message.

mod identity;
mod pod_log;
mod settings;

use std::{
    fs,
    future::Future,
    io::ErrorKind,
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use fltorrent_coordinator::ending::{EndState, Ending};
use fltorrent_crds::{Plan, plan::OnPeerLoss};
use fltorrent_peer::{
    checkpoint::{self, Folder, Resume},
    driver::RunError,
    news::News,
    process::{self, Membership, ModelOut, Peer, Places, Ready, Watch},
};
use fltorrent_records::report::ModelHash;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::commands::{FAILED, INTERRUPTED, USAGE, run::Signals};
use identity::{Applying, IdentityError};
use pod_log::PodLog;
use settings::Settings;

/// Time between two words on neighbours that are not there.
const NEWS: Duration = Duration::from_secs(30);
/// News that wait to be told.
const QUEUE: usize = 1024;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a peer in a pod is not complete.
#[derive(Debug, Error)]
enum PodError {
    #[error("{0}")]
    Settings(String),
    #[error(
        "{folder}: cannot be used; mount an emptyDir or a claim at the state folder that the peer's user (65532) may write"
    )]
    Folder { folder: String, source: std::io::Error },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the peer could not be set up")]
    System(#[from] std::io::Error),
    #[error("stopped by {0}")]
    Stopped(&'static str),
    #[error("{0}")]
    Failed(String),
}

/// Runs the peer that the folder and the environment describe.
pub(super) fn main(folder: &Path) -> ExitCode {
    let variable = |name: &str| std::env::var_os(name);
    let mut ending = Ending::new(EndState::Failed, VERSION);
    let result = process::log_to_stdout()
        .map_err(|error| PodError::Settings(format!("{error:#}")))
        .and_then(|()| run(folder, &mut ending));
    let code = match &result {
        Ok(()) => ExitCode::SUCCESS,
        Err(PodError::Settings(_)) => ExitCode::from(USAGE),
        Err(PodError::Stopped(_)) => ExitCode::from(INTERRUPTED),
        Err(_) => ExitCode::from(FAILED),
    };
    ending.state = match &result {
        Ok(()) if ending.rounds < ending.rounds_planned => EndState::Converged,
        Ok(()) => EndState::Completed,
        Err(PodError::Stopped(_)) => EndState::Stopped,
        Err(_) => EndState::Failed,
    };
    if ending.state == EndState::Failed {
        // Those of an earlier round would pass for the result.
        (ending.model_hash, ending.accuracy, ending.loss) = (None, None, None);
    }
    if let Err(error) = &result {
        let error = crate::chain(error);
        for line in error.lines() {
            tracing::error!("{line}");
        }
        ending.error = Some(error);
    }
    let message = ending.to_message();
    tracing::info!(state = ?ending.state, rounds = ending.rounds, "the peer ends: {message}");
    let path = settings::termination_log(&variable);
    if let Err(error) = fs::write(&path, &message) {
        tracing::warn!(path = %path.display(), %error, "the termination message could not be written");
    }
    code
}

fn run(folder: &Path, ending: &mut Ending) -> Result<(), PodError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(drive(folder, ending));
    // Data that is still being loaded keeps nobody.
    runtime.shutdown_background();
    result
}

/// The operator restarts all pods when it loses one, so that an attempt ends with the first loss.
fn in_an_attempt(plan: &Plan) -> Plan {
    Plan {
        on_peer_loss: OnPeerLoss::Fail,
        ..plan.clone()
    }
}

async fn drive(folder: &Path, ending: &mut Ending) -> Result<(), PodError> {
    // First of all: a container's first process that does not listen to signals cannot be ended by them.
    let mut signals = Signals::new()?;
    let variable = |name: &str| std::env::var_os(name);
    let settings = Settings::read(folder, &variable).map_err(PodError::Settings)?;
    let (plan, index) = (&in_an_attempt(&settings.plan), settings.index);
    ending.peer = Some(index);
    ending.attempt = Some(settings.attempt);
    ending.rounds_planned = plan.training.rounds;
    let neighbours = plan.peers[index as usize].neighbours.clone();
    tracing::info!(
        experiment = %plan.name,
        peer = index,
        of = plan.peers.len(),
        attempt = settings.attempt,
        run = %settings.run,
        plan = %settings.plan.hash_text(),
        version = VERSION,
        "a peer of an experiment in a cluster"
    );
    let places = places(&settings)?;
    let checkpoints = places.checkpoints.clone();
    // What an earlier attempt left counts, should this one end before it has any of its own.
    ending.checkpoints = usable(&checkpoints, index, plan);
    if let Some(Resume::After(rounds)) = settings.resume {
        ending.rounds = rounds;
    }
    let (news_in, mut news) = mpsc::channel(QUEUE);
    let (stop_in, stop) = oneshot::channel();
    let peer = Peer {
        index,
        incarnation: 0,
        plan: plan.clone(),
        places,
        model_out: (index == 0).then(|| ModelOut::Own(settings.output.join("model.safetensors"))),
        resume: settings.resume,
        // Nobody has looked at the data before; one word on it is enough.
        warns: index == 0,
        listen: settings.listen,
        metrics: Some(settings.metrics),
        watch: Some(Watch {
            wait: settings.wait,
            news: news_in,
            stop,
        }),
    };
    let applying = Applying::new(&settings)?;
    let setting_up = async {
        let prepared = async { peer.bind().map_err(failed)?.load().await.map_err(failed) };
        let certified = async { Ok(applying.first().await?) };
        tokio::try_join!(prepared, certified)
    };
    let (ready, credentials) = unless_stopped(&mut signals, setting_up).await??;
    ending.rounds = ready.first_round;
    if let Some((model, evaluation)) = ready.resumed {
        let share = |sum: f64| (evaluation.total > 0).then(|| sum / f64::from(evaluation.total));
        ending.model_hash = Some(ModelHash::from_bytes(model));
        ending.accuracy = share(evaluation.correct.into());
        ending.loss = share(evaluation.loss_sum).filter(|loss| loss.is_finite());
    }
    tracing::info!(
        neighbours = neighbours.len(),
        listens = %ready.address,
        from_round = ready.first_round,
        "ready: certificate, sockets and data loaded"
    );
    let (current_in, current) = watch::channel(Arc::new(credentials));
    // Ends with this function.
    let mut renewing = JoinSet::new();
    renewing.spawn(applying.renew(current_in));
    let membership = Membership {
        run: settings.run,
        attempt: settings.attempt,
        incarnation: 0,
        authority: settings.authority.clone(),
        addresses: settings.addresses.clone(),
        coordinator: Some(settings.coordinator.clone()),
        credentials: current,
    };
    let log = PodLog::new(&neighbours, plan.training.rounds);
    let result = watch_over(ready, membership, &mut signals, stop_in, &mut news, log, ending).await;
    ending.checkpoints = usable(&checkpoints, index, plan);
    result
}

/// Lets a peer run, tells what happens, and stops it when the pod is deleted.
async fn watch_over(
    ready: Ready,
    membership: Membership,
    signals: &mut Signals,
    stop: oneshot::Sender<&'static str>,
    news: &mut mpsc::Receiver<News>,
    mut log: PodLog,
    ending: &mut Ending,
) -> Result<(), PodError> {
    let mut ticks = interval_at(Instant::now() + NEWS, NEWS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stop, mut stopped) = (Some(stop), None);
    let mut running = pin!(ready.run(membership));
    let result = loop {
        tokio::select! {
            // Rounds that are told come before the end.
            biased;
            Some(news) = news.recv() => {
                if let News::Round(report) = &news {
                    ending.finished(report);
                }
                log.tell(&news);
            }
            signal = signals.next() => match stop.take() {
                Some(stop) => {
                    tracing::info!(signal, "terminating; notifying the neighbours");
                    stopped = Some(signal);
                    stop.send("the deletion of its pod (SIGTERM)").ok();
                }
                // Whoever asks twice does not want to wait.
                None => return Err(PodError::Stopped(signal)),
            },
            _ = ticks.tick() => log.remind(),
            result = &mut running => break result,
        }
    };
    while let Ok(news) = news.try_recv() {
        if let News::Round(report) = &news {
            ending.finished(report);
        }
        log.tell(&news);
    }
    match (result, stopped) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(signal)) => Err(PodError::Stopped(signal)),
        (Err(error), None) => {
            let cause = error.downcast_ref::<RunError>();
            let blamed = cause.and_then(RunError::blames);
            if let Some(verdict) = cause.and_then(RunError::verdict) {
                ending.convict(verdict);
            }
            ending.blames = blamed.filter(|&peer| ending.peer != Some(peer));
            Err(failed(error))
        }
    }
}

async fn unless_stopped<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, PodError> {
    tokio::select! {
        done = work => Ok(done),
        signal = signals.next() => Err(PodError::Stopped(signal)),
    }
}

/// Finished rounds of a peer's newest checkpoints that the next attempt can resume from, the newest first.
fn usable(folder: &Folder, index: u32, plan: &Plan) -> Vec<u32> {
    let mut rounds = checkpoint::whole(folder, index, plan);
    rounds.truncate(2);
    rounds
}

/// The peer's folders, made as far as they are not there.
fn places(settings: &Settings) -> Result<Places, PodError> {
    let scratch = Folder::at(&settings.scratch);
    for folder in [&settings.records, &settings.checkpoints, &scratch] {
        folder.make().map_err(|source| PodError::Folder {
            folder: folder.path().display().to_string(),
            source,
        })?;
    }
    let places = Places {
        records: settings.records.path(),
        checkpoints: settings.checkpoints.clone(),
        scratch: settings.scratch.clone(),
    };
    if settings.resume.is_none() {
        forget(&places, &settings.output, settings.index)?;
    }
    Ok(places)
}

/// Removes what is on a claim of a time that counts no more: an earlier attempt's figures, checkpoints and models, or those of an experiment
/// that had the name before. A checkpoint that stays would be told at the end, and the next attempt would go on from it; a model that stays
/// would be taken for that of this experiment, however it ends.
fn forget(places: &Places, output: &Path, index: u32) -> Result<(), PodError> {
    let failed = |path: PathBuf| {
        let folder = path.display().to_string();
        move |source| PodError::Folder { folder, source }
    };
    checkpoint::remove_all(&places.checkpoints, index).map_err(failed(places.checkpoints.path()))?;
    let record = |extension| places.records.join(format!("peer-{index}.{extension}"));
    let mut files = vec![record("jsonl"), record("safetensors")];
    if index == 0 {
        files.push(output.join("model.safetensors"));
    }
    for file in files {
        match fs::remove_file(&file).map_err(|source| (source.kind(), source)) {
            // A folder is no model; that it is in the way is told once one is written.
            Ok(()) | Err((ErrorKind::NotFound | ErrorKind::IsADirectory, _)) => {}
            Err((_, source)) => return Err(failed(file)(source)),
        }
    }
    Ok(())
}

/// The peer's error with its causes.
fn failed(error: impl std::fmt::Display) -> PodError {
    PodError::Failed(format!("{error:#}"))
}
