//! `fltorrent peer --in-cluster FOLDER`: a peer in a pod that the operator has made.
//!
//! The folder is the experiment's ConfigMap, the rest is in the environment ([`settings`]). The peer asks the operator for its
//! certificate, loads its data meanwhile, and then runs as one that was started by hand, with its neighbours' names in the cluster's
//! DNS. What happens goes to standard output, and how it ended into the container's termination message.

mod folders;
mod identity;
mod joining;
mod pod_log;
mod settings;
mod watching;

use std::{fs, future::Future, path::Path, process::ExitCode, sync::Arc, time::Duration};

use fltorrent_coordinator::ending::{EndState, Ending};
use fltorrent_peer::{
    checkpoint::Resume,
    churn::{self, LastWord},
    process::{self, LEFT, Membership, ModelOut, NO_USE, Peer, Ready, Watch},
};
use fltorrent_records::report::ModelHash;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::commands::{FAILED, INTERRUPTED, USAGE, run::Signals};
use folders::{FolderError, furnish, usable};
use identity::{Applying, IdentityError};
use joining::JoinError;
use pod_log::PodLog;
use settings::Settings;
use watching::Watching;

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
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Join(JoinError),
    #[error("the peer could not be set up")]
    System(#[from] std::io::Error),
    #[error("stopped by {0}")]
    Stopped(&'static str),
    #[error("{0}")]
    Left(String),
    #[error("{0}")]
    Superseded(String),
    /// The run is over or cannot go on.
    #[error("{0}")]
    Final(String),
    #[error("{0}")]
    Failed(String),
}

impl PodError {
    /// What the ending says, and the exit code.
    const fn outcome(&self) -> (EndState, u8) {
        match self {
            Self::Settings(_) => (EndState::Failed, USAGE),
            Self::Stopped(_) => (EndState::Stopped, INTERRUPTED),
            Self::Left(_) => (EndState::Left, LEFT),
            Self::Superseded(_) | Self::Identity(IdentityError::Replaced { .. }) => (EndState::Superseded, NO_USE),
            Self::Final(_) => (EndState::Failed, NO_USE),
            Self::Folder(_) | Self::Identity(_) | Self::Join(_) | Self::System(_) | Self::Failed(_) => {
                (EndState::Failed, FAILED)
            }
        }
    }
}

impl From<JoinError> for PodError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Over(_) => Self::Final(error.to_string()),
            JoinError::Replaced(_) => Self::Superseded(error.to_string()),
            error => Self::Join(error),
        }
    }
}

/// Runs the peer that the folder and the environment describe.
pub(super) fn main(folder: &Path) -> ExitCode {
    let mut ending = Ending::new(EndState::Failed, VERSION);
    let result = process::log_to_stdout()
        .map_err(|error| PodError::Settings(format!("{error:#}")))
        .and_then(|()| run(folder, &mut ending));
    let (state, code) = match &result {
        Ok(()) if ending.rounds < ending.rounds_planned => (EndState::Converged, 0),
        Ok(()) => (EndState::Completed, 0),
        Err(error) => error.outcome(),
    };
    ending.state = state;
    ending.is_final = matches!(result, Err(PodError::Final(_)));
    if matches!(state, EndState::Failed | EndState::Left | EndState::Superseded) {
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
    leave(&ending);
    ExitCode::from(code)
}

/// Writes how a peer ended where its container leaves it.
fn leave(ending: &Ending) {
    let message = ending.to_message();
    tracing::info!(state = ?ending.state, rounds = ending.rounds, "the peer ends: {message}");
    let path = settings::termination_log(&|name| std::env::var_os(name));
    if let Err(error) = fs::write(&path, &message) {
        tracing::warn!(path = %path.display(), %error, "the termination message could not be written");
    }
}

/// A crash that the manifest asks for is none to the operator: it puts no other pod in this one's place.
fn last_word(ending: &Ending) -> LastWord {
    let gone = Ending {
        state: EndState::Left,
        ..ending.clone()
    };
    Box::new(move |round| {
        leave(&Ending {
            rounds: round,
            error: Some(churn::reason(round)),
            ..gone.clone()
        });
    })
}

fn run(folder: &Path, ending: &mut Ending) -> Result<(), PodError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(drive(folder, ending));
    // Data that is still being loaded keeps nobody.
    runtime.shutdown_background();
    result
}

async fn drive(folder: &Path, ending: &mut Ending) -> Result<(), PodError> {
    // First of all: a container's first process that does not listen to signals cannot be ended by them.
    let mut signals = Signals::new()?;
    let variable = |name: &str| std::env::var_os(name);
    let settings = Settings::read(folder, &variable).map_err(PodError::Settings)?;
    let (plan, index) = (&settings.plan, settings.index);
    introduce(&settings, ending);
    let neighbours = plan.peers[index as usize].neighbours.clone();
    let places = furnish(&settings)?;
    let checkpoints = places.checkpoints.clone();
    // What an earlier attempt left counts, should this one end before it has any of its own.
    ending.checkpoints = usable(&checkpoints, index, plan);
    let (news_in, news) = mpsc::channel(QUEUE);
    let (stop_in, stop) = oneshot::channel();
    let peer = Peer {
        index,
        incarnation: settings.incarnation,
        plan: plan.clone(),
        places,
        model_out: Some(ModelOut::OfFirst(settings.output.join(folders::MODEL))),
        resume: settings.resume,
        // Nobody has looked at the data before; one word on it is enough.
        warns: index == 0 && settings.incarnation == 0,
        listen: settings.listen,
        metrics: Some(settings.metrics),
        watch: Some(Watch {
            wait: settings.wait,
            news: news_in,
            stop,
            last_word: Some(last_word(ending)),
        }),
    };
    let applying = Applying::new(&settings)?;
    let setting_up = async {
        let prepared = async { peer.bind().map_err(failed)?.load().await.map_err(failed) };
        let certified = async { Ok(applying.first().await?) };
        tokio::try_join!(prepared, certified)
    };
    let (ready, credentials) = unless_stopped(&mut signals, setting_up).await??;
    resumed(&ready, ending);
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
    let joined = async {
        tokio::select! {
            joined = joining::wait(&settings, ready.first_round, &current) => Ok::<_, PodError>(joined?),
            Some(Ok(replaced)) = renewing.join_next() => Err(replaced.into()),
        }
    };
    unless_stopped(&mut signals, joined).await??;
    let membership = Membership {
        run: settings.run,
        attempt: settings.attempt,
        incarnation: settings.incarnation,
        authority: settings.authority.clone(),
        addresses: settings.addresses.clone(),
        coordinator: Some(settings.coordinator.clone()),
        credentials: current,
    };
    let watching = Watching {
        signals: &mut signals,
        renewing,
        news,
        log: PodLog::new(&neighbours, plan.training.rounds),
        ending,
    };
    let result = watching.run(ready, membership, stop_in).await;
    ending.checkpoints = usable(&checkpoints, index, plan);
    result
}

/// Says in log and ending who this is.
fn introduce(settings: &Settings, ending: &mut Ending) {
    let plan = &settings.plan;
    ending.peer = Some(settings.index);
    ending.attempt = Some(settings.attempt);
    ending.incarnation = Some(settings.incarnation);
    ending.rounds_planned = plan.training.rounds;
    if let Some(Resume::After(rounds)) = settings.resume {
        ending.rounds = rounds;
    }
    tracing::info!(
        experiment = %plan.name,
        peer = settings.index,
        of = plan.peers.len(),
        attempt = settings.attempt,
        incarnation = settings.incarnation,
        run = %settings.run,
        plan = %plan.hash_text(),
        version = VERSION,
        "a peer of an experiment in a cluster"
    );
}

/// What a peer has before its first round: that of its checkpoint, if there is one.
fn resumed(ready: &Ready, ending: &mut Ending) {
    ending.rounds = ready.first_round;
    if let Some((model, evaluation)) = ready.resumed {
        let share = |sum: f64| (evaluation.total > 0).then(|| sum / f64::from(evaluation.total));
        ending.model_hash = Some(ModelHash::from_bytes(model));
        ending.accuracy = share(evaluation.correct.into());
        ending.loss = share(evaluation.loss_sum).filter(|loss| loss.is_finite());
    }
}

async fn unless_stopped<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, PodError> {
    tokio::select! {
        done = work => Ok(done),
        signal = signals.next() => Err(PodError::Stopped(signal)),
    }
}

/// The peer's error with its causes.
fn failed(error: impl std::fmt::Display) -> PodError {
    PodError::Failed(format!("{error:#}"))
}
