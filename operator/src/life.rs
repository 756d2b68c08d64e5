//! The life of an experiment as a pure state machine: from what is recorded of it and what is seen of its pods follows either the next
//! record or what to create and delete. [`decide`] is called again and again, from any state, and never relies on having been called
//! before.
//!
//! What makes that safe when the operator dies after any request:
//! - A transition is recorded in the status before anything is done for it.
//! - A pod's name says its peer and attempt, and an attempt's pods are created only while its stage is [`Stage::Starting`], when no pod
//!   of an earlier attempt is left. To create one twice is a conflict of names, not a second pod.
//! - All pods of earlier attempts are deleted, whatever became of them.
//!
//! Facts may be old for "is there anything to do?"; what creates, deletes or records has to be decided on fresh ones.

use std::{collections::BTreeMap, time::Duration};

pub use fltorrent_crds::status::Stage;
use jiff::Timestamp;

use crate::backoff;

/// Time to wait for the cause of a failure while all peers that have failed blame another one: kubelets report late, and in any order.
const CAUSE: Duration = Duration::from_secs(15);

/// The recorded state of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The stage.
    pub stage: Stage,
    /// The attempt that its pods belong to, from 0.
    pub attempt: u32,
    /// Restarts because of a failed peer.
    pub restarts: u32,
    /// Rounds of the checkpoint that this attempt resumes from; 0: from scratch.
    pub resume: u32,
    /// True once pods may have been created: from then on what makes the model cannot be changed.
    pub begun: bool,
}

impl Ledger {
    /// True for a final stage.
    pub const fn is_end(&self) -> bool {
        matches!(self.stage, Stage::Complete | Stage::Failed)
    }
}

/// Observed state of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    /// Name of the pod.
    pub name: String,
    /// Index of its peer.
    pub index: u32,
    /// Attempt that it belongs to.
    pub attempt: u32,
    /// True if the operator created it; a pod of the experiment without a seal is only in the way.
    pub sealed: bool,
    /// State of its trainer.
    pub state: PodState,
    /// True if its trainer has ended and another container still runs, which holds the pod's resources.
    pub lingers: bool,
    /// True if it is being deleted.
    pub leaving: bool,
}

/// The state of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// Not started.
    Waiting,
    /// Running.
    Running {
        /// The condition Ready.
        ready: bool,
    },
    /// Ended well.
    Succeeded,
    /// Ended otherwise.
    Failed(Failure),
}

impl PodState {
    /// True if it has ended.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_))
    }
}

/// The failure of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Kubernetes' word for it, for example `OOMKilled` or `Evicted`.
    pub reason: String,
    /// Details.
    pub message: String,
    /// Time of the end by its node's clock, if known.
    pub at: Option<Timestamp>,
    /// Time of the first observation by the operator's clock, if known.
    pub noticed: Option<Timestamp>,
    /// True if the peer itself says that another peer was the cause.
    pub blames: bool,
    /// True if the peer says that members of the run have signed a proof that the run cannot continue, whoever is restarted.
    pub permanent: bool,
}

/// Observed state of an experiment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.restarts`.
    pub budget: u32,
    /// Number of peers.
    pub peers: u32,
    /// Pods of all attempts.
    pub pods: Vec<PodFacts>,
    /// Rounds of the last checkpoint that all peers have on a claim; none when there is none.
    pub checkpoint: Option<u32>,
    /// The models of the peers, if at least two that ended well have different ones. It counts once all pods have succeeded.
    pub disagreement: Option<String>,
}

/// A transition of an experiment, published once.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    /// The first pods are about to be made.
    Begins,
    /// Pods that were made of an attempt are given back, since the namespace has no room for all of them.
    GaveBack,
    /// All pods of the attempt have been created.
    Started,
    /// All peers have finished.
    Completed,
    /// All peers have finished, and not all with the same model.
    ModelsDiffer {
        /// The models and their peers.
        message: String,
    },
    /// The user suspended it.
    Suspended,
    /// The user resumed it.
    Resumed,
    /// A peer failed, and all are started again.
    Restarting {
        /// The peer.
        index: u32,
        /// The failure.
        failure: Failure,
    },
    /// A peer failed, and there are no restarts left.
    GaveUp {
        /// The peer.
        index: u32,
        /// The failure.
        failure: Failure,
    },
    /// The next attempt resumes from a checkpoint.
    ResumedFromCheckpoint {
        /// Rounds that are done.
        rounds: u32,
    },
    /// The next attempt starts from scratch, since there is no common checkpoint.
    RestartedFromScratch,
    /// Pods of a later attempt were found than was recorded.
    Recovered,
}

/// The next action.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Record this before anything else, and decide again.
    Record {
        /// The new record.
        ledger: Ledger,
        /// The event.
        transition: Transition,
    },
    /// Make it so; nothing to do when all are empty.
    Act {
        /// Pods to delete, by name.
        delete: Vec<String>,
        /// Pods to end without deleting them, by name: their logs stay.
        end: Vec<String>,
        /// Peers whose pods are to be created, in order.
        create: Vec<u32>,
        /// When to decide again if nothing changes.
        again: Option<Duration>,
    },
}

impl Decision {
    /// True if it changes nothing.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Act { delete, end, create, .. } if delete.is_empty() && end.is_empty() && create.is_empty())
    }

    /// Nothing is done for a while.
    pub const fn wait(again: Duration) -> Self {
        Self::Act {
            delete: Vec::new(),
            end: Vec::new(),
            create: Vec::new(),
            again: Some(again),
        }
    }

    const fn delete(delete: Vec<String>) -> Self {
        Self::Act {
            delete,
            end: Vec::new(),
            create: Vec::new(),
            again: None,
        }
    }
}

/// The next step from what is recorded and known at a time.
pub fn decide(ledger: Ledger, facts: &Facts, now: Timestamp) -> Decision {
    let sealed = facts.pods.iter().filter(|pod| pod.sealed);
    let latest = sealed.map(|pod| pod.attempt).max();
    if let Some(attempt) = latest.filter(|&attempt| attempt > ledger.attempt) {
        // The status was lost or set back. What the later pods began with is not known; those that fail tell.
        let ledger = Ledger {
            attempt,
            begun: true,
            ..ledger
        };
        let transition = Transition::Recovered;
        return Decision::Record { ledger, transition };
    }
    match ledger.stage {
        Stage::Complete | Stage::Failed => rest(ledger, facts),
        Stage::Suspended if facts.suspend => Decision::delete(names(facts, |_| true)),
        Stage::Suspended => record(ledger, Stage::Draining, Transition::Resumed),
        Stage::Draining if facts.suspend => record(ledger, Stage::Suspended, Transition::Suspended),
        Stage::Draining => drain(ledger, facts),
        Stage::Starting | Stage::Running => go_on(ledger, facts, now),
    }
}

/// What follows when the namespace's quota has room for some pods of an attempt and not for all. Two experiments that each hold a half
/// would wait for each other for ever, so all pods of the attempt go, and the next one makes them when there is room. It costs no restart
/// and begins where this one would have; with nothing to go on from it is as if it had not begun, and its manifest can be changed. That
/// holds too where not one pod had room. None: nothing changes by it.
pub fn give_back(ledger: Ledger, facts: &Facts) -> Option<Decision> {
    if ledger.stage != Stage::Starting {
        return None;
    }
    let holds = facts.pods.iter().any(|pod| pod.attempt == ledger.attempt);
    let next = Ledger {
        attempt: ledger.attempt.checked_add(u32::from(holds))?,
        begun: ledger.begun && (ledger.resume > 0 || ledger.restarts > 0),
        ..ledger
    };
    let transition = Transition::GaveBack;
    (next != ledger).then_some(Decision::Record {
        ledger: next,
        transition,
    })
}

/// Pods of the current attempt by peer.
pub fn current(ledger: Ledger, facts: &Facts) -> BTreeMap<u32, &PodFacts> {
    facts
        .pods
        .iter()
        .filter(|pod| pod.sealed && pod.attempt == ledger.attempt && pod.index < facts.peers)
        .map(|pod| (pod.index, pod))
        .collect()
}

const fn record(ledger: Ledger, stage: Stage, transition: Transition) -> Decision {
    Decision::Record {
        ledger: Ledger { stage, ..ledger },
        transition,
    }
}

fn names(facts: &Facts, which: impl Fn(&PodFacts) -> bool) -> Vec<String> {
    facts
        .pods
        .iter()
        .filter(|pod| !pod.leaving && which(pod))
        .map(|pod| pod.name.clone())
        .collect()
}

fn leftovers(ledger: Ledger, facts: &Facts) -> Vec<String> {
    names(facts, |pod| is_leftover(ledger, pod))
}

const fn is_leftover(ledger: Ledger, pod: &PodFacts) -> bool {
    pod.attempt < ledger.attempt || !pod.sealed
}

/// After the end what has ended stays, for its logs, and what goes on is ended: a pod in which its peer has ended, and a sidecar has not, by
/// its deadline, so that its logs stay too.
fn rest(ledger: Ledger, facts: &Facts) -> Decision {
    let runs = |pod: &PodFacts| !pod.state.has_ended();
    Decision::Act {
        delete: names(facts, |pod| {
            let is_over = ledger.stage == Stage::Failed || !pod.sealed;
            pod.attempt < ledger.attempt || (is_over && runs(pod))
        }),
        end: names(facts, |pod| pod.sealed && pod.attempt == ledger.attempt && pod.lingers),
        create: Vec::new(),
        again: None,
    }
}

fn drain(ledger: Ledger, facts: &Facts) -> Decision {
    if facts.pods.iter().any(|pod| is_leftover(ledger, pod)) {
        return Decision::delete(leftovers(ledger, facts));
    }
    let resume = facts.checkpoint.unwrap_or(0);
    let transition = match resume {
        0 => Transition::RestartedFromScratch,
        rounds => Transition::ResumedFromCheckpoint { rounds },
    };
    record(Ledger { resume, ..ledger }, Stage::Starting, transition)
}

fn go_on(ledger: Ledger, facts: &Facts, now: Timestamp) -> Decision {
    let pods = current(ledger, facts);
    let recorded = ledger.begun;
    // Pods that are there were made, whatever a status says that was lost.
    let ledger = Ledger {
        begun: recorded || !pods.is_empty(),
        ..ledger
    };
    let all = usize::try_from(facts.peers).unwrap_or(usize::MAX);
    let succeeded = |pod: &&&PodFacts| pod.state == PodState::Succeeded;
    if pods.values().filter(succeeded).count() == all {
        // It would be so again, with the same peers: nothing is started anew.
        return match facts.disagreement.clone() {
            Some(message) => record(ledger, Stage::Failed, Transition::ModelsDiffer { message }),
            None => record(ledger, Stage::Complete, Transition::Completed),
        };
    }
    if facts.suspend {
        let begun = ledger.stage == Stage::Running || !pods.is_empty();
        let attempt = ledger.attempt.saturating_add(u32::from(begun));
        return record(Ledger { attempt, ..ledger }, Stage::Suspended, Transition::Suspended);
    }
    if let Some((index, failure)) = failed(ledger, facts, &pods) {
        return after_failure(ledger, facts.budget, index, failure, now);
    }
    if ledger.stage == Stage::Running {
        return Decision::delete(leftovers(ledger, facts));
    }
    if facts.pods.iter().any(|pod| is_leftover(ledger, pod)) {
        // Pods that were given back or not sealed, or the status was set back: they have to go first.
        return Decision::delete(leftovers(ledger, facts));
    }
    let create: Vec<u32> = (0..facts.peers).filter(|index| !pods.contains_key(index)).collect();
    if create.is_empty() {
        return record(ledger, Stage::Running, Transition::Started);
    }
    if !recorded {
        let ledger = Ledger { begun: true, ..ledger };
        let transition = Transition::Begins;
        return Decision::Record { ledger, transition };
    }
    Decision::Act {
        delete: Vec::new(),
        end: Vec::new(),
        create,
        again: None,
    }
}

/// The failure that ends the attempt: of the peers that failed, one with a proof that it is for good, else the first that blames no other;
/// else a pod that has gone; else the first that blames another.
fn failed(ledger: Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> Option<(u32, Failure)> {
    let first = pods
        .iter()
        .filter_map(|(index, pod)| match &pod.state {
            PodState::Failed(failure) => Some((*index, failure)),
            _ => None,
        })
        .min_by_key(|(index, failure)| {
            let Failure { blames, at, .. } = failure;
            (!failure.permanent, *blames, at.is_none(), *at, *index)
        });
    let first = first.map(|(index, failure)| (index, failure.clone()));
    match first {
        Some((
            _,
            Failure {
                blames: true,
                permanent: false,
                ..
            },
        ))
        | None => {}
        told => return told,
    }
    gone(ledger, facts, pods).or(first)
}

/// A pod that is not there any more, or not for long.
fn gone(ledger: Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> Option<(u32, Failure)> {
    let gone = |message: &str| Failure {
        reason: "PodDeleted".to_owned(),
        message: message.to_owned(),
        ..Failure::default()
    };
    // A pod that leaves in its own time after it has ended is no loss.
    let leaving = pods.values().find(|pod| pod.leaving && !pod.state.has_ended());
    if let Some(pod) = leaving {
        return Some((pod.index, gone("its pod is being deleted, by a user or its node")));
    }
    if ledger.stage != Stage::Running {
        return None;
    }
    (0..facts.peers).find(|index| !pods.contains_key(index)).map(|index| {
        let strange = facts
            .pods
            .iter()
            .any(|pod| !pod.sealed && (pod.index, pod.attempt) == (index, ledger.attempt));
        let message = match strange {
            true => {
                "its pod has no valid seal of this operator: the Secret fltorrent-operator-root or the pod was replaced"
            }
            false => "its pod was deleted, by a user or its node",
        };
        (index, gone(message))
    })
}

fn after_failure(ledger: Ledger, budget: u32, index: u32, failure: Failure, now: Timestamp) -> Decision {
    let next = ledger.attempt.checked_add(1);
    let next = next.filter(|_| ledger.restarts < budget && !failure.permanent);
    let pause = next.map_or(Duration::ZERO, |_| backoff::RESTART.after(ledger.restarts));
    // Whoever is blamed may be about to say what happened: a proof, of which a restart would not rid them.
    let wait = match failure.blames && !failure.permanent {
        true => pause.max(CAUSE),
        false => pause,
    };
    // By the operator's own clock, since that of a node may be an hour ahead or behind. A time that is ahead even so holds nothing up.
    let since = failure.noticed.or(failure.at);
    let waited = since.map_or(wait, |since| {
        Duration::try_from(now.duration_since(since)).unwrap_or(wait)
    });
    if let Some(rest) = wait.checked_sub(waited).filter(|rest| !rest.is_zero()) {
        return Decision::wait(rest);
    }
    let Some(attempt) = next else {
        return record(ledger, Stage::Failed, Transition::GaveUp { index, failure });
    };
    Decision::Record {
        ledger: Ledger {
            stage: Stage::Draining,
            attempt,
            restarts: ledger.restarts + 1,
            ..ledger
        },
        transition: Transition::Restarting { index, failure },
    }
}

#[cfg(test)]
mod tests;
