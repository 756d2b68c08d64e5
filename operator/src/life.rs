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

use std::collections::BTreeMap;
use std::time::Duration;

pub use fltorrent_crds::status::Stage;
use jiff::Timestamp;

use crate::backoff;

/// How long the cause of a failure is waited for, while all peers that have failed blame another one: kubelets tell late, and in any order.
const CAUSE: Duration = Duration::from_secs(15);

/// What is kept of an experiment between two decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Where it is.
    pub stage: Stage,
    /// The attempt that its pods belong to, from 0.
    pub attempt: u32,
    /// How often its peers were restarted because one had failed.
    pub restarts: u32,
    /// Rounds of the checkpoint that this attempt goes on from; 0: from the start.
    pub resume: u32,
    /// Whether pods may have been made: from then on what makes the model cannot be changed.
    pub begun: bool,
}

impl Ledger {
    /// Whether it has come to its end.
    pub const fn is_end(&self) -> bool {
        matches!(self.stage, Stage::Complete | Stage::Failed)
    }
}

/// What is seen of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Its peer.
    pub index: u32,
    /// Its attempt.
    pub attempt: u32,
    /// Whether the operator has made it; one that says that it is of the experiment and is not sealed is nothing but in the way.
    pub sealed: bool,
    /// How it is.
    pub state: PodState,
    /// Whether its peer has ended and something beside it goes on, which holds what the pod was given.
    pub lingers: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
}

/// How a pod is.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// It has not begun.
    Waiting,
    /// It runs; ready or not.
    Running {
        /// Whether it says that it is ready.
        ready: bool,
    },
    /// It ended well.
    Succeeded,
    /// It ended otherwise.
    Failed(Failure),
}

impl PodState {
    /// Whether it has ended.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_))
    }
}

/// How a pod failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Kubernetes' word for it, for example `OOMKilled` or `Evicted`.
    pub reason: String,
    /// What more is known.
    pub message: String,
    /// When it ended by its node's clock, if that is known.
    pub at: Option<Timestamp>,
    /// When it was seen first by the operator's clock, if that is known.
    pub noticed: Option<Timestamp>,
    /// Whether it says itself that another peer was the cause.
    pub blames: bool,
    /// Whether it says itself that members of the run have signed what proves that the run cannot go on, whoever is started again.
    pub hopeless: bool,
}

/// What is known of an experiment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whether the user wants it to stand still.
    pub suspend: bool,
    /// How often its peers may be restarted.
    pub budget: u32,
    /// Its peers.
    pub peers: u32,
    /// Its pods, of all attempts.
    pub pods: Vec<PodFacts>,
    /// Rounds of the last checkpoint that all peers have on a claim; none when there is none.
    pub checkpoint: Option<u32>,
    /// What the peers' models are, when at least two that ended well have different ones. It counts once all pods have succeeded.
    pub disagreement: Option<String>,
}

/// A step in an experiment's story, told once.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
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
        /// Who has which.
        message: String,
    },
    /// The user suspended it.
    Suspended,
    /// The user let it go on.
    Resumed,
    /// A peer failed, and all are started again.
    Restarting {
        /// The peer.
        index: u32,
        /// How it failed.
        failure: Failure,
    },
    /// A peer failed, and there are no restarts left.
    GaveUp {
        /// The peer.
        index: u32,
        /// How it failed.
        failure: Failure,
    },
    /// The next attempt goes on from a checkpoint.
    ResumedFromCheckpoint {
        /// Rounds that are done.
        rounds: u32,
    },
    /// The next attempt begins anew, since there is no common checkpoint.
    RestartedFromScratch,
    /// Pods of a later attempt were found than was recorded.
    Recovered,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Record this before anything else, and decide again.
    Record {
        /// The new record.
        ledger: Ledger,
        /// What happened.
        turn: Turn,
    },
    /// Make it so; nothing to do when all are empty.
    Act {
        /// Pods to delete, by name.
        delete: Vec<String>,
        /// Pods to end without deleting them, by name: their logs stay.
        end: Vec<String>,
        /// Peers whose pods are to be created, in order.
        create: Vec<u32>,
        /// When to decide again even if nothing changes.
        again: Option<Duration>,
    },
}

impl Decision {
    /// Whether anything changes by it.
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
        let turn = Turn::Recovered;
        return Decision::Record { ledger, turn };
    }
    match ledger.stage {
        Stage::Complete | Stage::Failed => rest(ledger, facts),
        Stage::Suspended if facts.suspend => Decision::delete(names(facts, |_| true)),
        Stage::Suspended => record(ledger, Stage::Draining, Turn::Resumed),
        Stage::Draining if facts.suspend => record(ledger, Stage::Suspended, Turn::Suspended),
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
    let turn = Turn::GaveBack;
    (next != ledger).then_some(Decision::Record { ledger: next, turn })
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

const fn record(ledger: Ledger, stage: Stage, turn: Turn) -> Decision {
    Decision::Record {
        ledger: Ledger { stage, ..ledger },
        turn,
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
    let turn = match resume {
        0 => Turn::RestartedFromScratch,
        rounds => Turn::ResumedFromCheckpoint { rounds },
    };
    record(Ledger { resume, ..ledger }, Stage::Starting, turn)
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
            Some(message) => record(ledger, Stage::Failed, Turn::ModelsDiffer { message }),
            None => record(ledger, Stage::Complete, Turn::Completed),
        };
    }
    if facts.suspend {
        let begun = ledger.stage == Stage::Running || !pods.is_empty();
        let attempt = ledger.attempt.saturating_add(u32::from(begun));
        return record(Ledger { attempt, ..ledger }, Stage::Suspended, Turn::Suspended);
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
        return record(ledger, Stage::Running, Turn::Started);
    }
    if !recorded {
        let ledger = Ledger { begun: true, ..ledger };
        let turn = Turn::Begins;
        return Decision::Record { ledger, turn };
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
            (!failure.hopeless, *blames, at.is_none(), *at, *index)
        });
    let first = first.map(|(index, failure)| (index, failure.clone()));
    match first {
        Some((
            _,
            Failure {
                blames: true,
                hopeless: false,
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
        return Some((pod.index, gone("its pod is being deleted, by somebody or by its node")));
    }
    if ledger.stage != Stage::Running {
        return None;
    }
    (0..facts.peers)
        .find(|index| !pods.contains_key(index))
        .map(|index| {
            let strange = facts.pods.iter().any(|pod| {
                !pod.sealed && (pod.index, pod.attempt) == (index, ledger.attempt)
            });
            let message = match strange {
                true => {
                    "its pod is not one that this operator sealed: was the Secret fltorrent-operator-root replaced, or the pod?"
                }
                false => "its pod is gone: somebody or its node deleted it",
            };
            (index, gone(message))
        })
}

fn after_failure(ledger: Ledger, budget: u32, index: u32, failure: Failure, now: Timestamp) -> Decision {
    let next = ledger.attempt.checked_add(1);
    let next = next.filter(|_| ledger.restarts < budget && !failure.hopeless);
    let pause = next.map_or(Duration::ZERO, |_| backoff::RESTART.after(ledger.restarts));
    // Whoever is blamed may be about to say what happened: a proof, of which a restart would not rid them.
    let wait = match failure.blames && !failure.hopeless {
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
        return record(ledger, Stage::Failed, Turn::GaveUp { index, failure });
    };
    Decision::Record {
        ledger: Ledger {
            stage: Stage::Draining,
            attempt,
            restarts: ledger.restarts + 1,
            ..ledger
        },
        turn: Turn::Restarting { index, failure },
    }
}

#[cfg(test)]
mod tests;
