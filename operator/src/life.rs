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

mod attempt;
mod facts;
mod ledger;
mod losses;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

pub use fltorrent_crds::status::Stage;
use jiff::Timestamp;

use attempt::{after_failure, failed};
pub use facts::{Facts, Failure, PodFacts, PodState, absent, current, to_join};
pub use ledger::{Ledger, Replaced, ReplacedState};
pub use losses::Loss;

/// Time after which a pod is not waited for that should have gone: its node does not answer. It cannot join a later attempt.
const GONE: Duration = Duration::from_secs(30);

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
    /// Peers are replaced, and the others go on.
    Replacing {
        /// The peers, and how each was lost.
        losses: Vec<Loss>,
    },
    /// The pods that replace others have been created.
    Replaced {
        /// Their peers.
        peers: Vec<u32>,
    },
    /// Peers that were replaced have finished a round again.
    Back {
        /// The peers.
        peers: Vec<u32>,
    },
    /// Peers are lost for good, and the others go on without them.
    Lost {
        /// The peers, and how each was lost.
        losses: Vec<Loss>,
    },
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
pub fn decide(ledger: &Ledger, facts: &Facts, now: Timestamp) -> Decision {
    if let Some(ledger) = recovered(ledger, facts) {
        let transition = Transition::Recovered;
        return Decision::Record { ledger, transition };
    }
    match ledger.stage {
        Stage::Complete | Stage::Failed => rest(ledger, facts),
        Stage::Suspended if facts.suspend => Decision::delete(names(facts, |_| true)),
        Stage::Suspended => record(ledger, Stage::Draining, Transition::Resumed),
        Stage::Draining if facts.suspend => record(ledger, Stage::Suspended, Transition::Suspended),
        Stage::Draining => drain(ledger, facts, now),
        Stage::Starting | Stage::Running => go_on(ledger, facts, now),
    }
}

/// Where the status was lost or set back: what the pods that are there say of it. What those of a later attempt began with is not known; those
/// that fail tell.
fn recovered(ledger: &Ledger, facts: &Facts) -> Option<Ledger> {
    let sealed = facts.pods.iter().filter(|pod| pod.sealed);
    let attempt = sealed.clone().map(|pod| pod.attempt).max()?;
    if attempt < ledger.attempt || ledger.is_end() && attempt == ledger.attempt {
        return None;
    }
    let mut next = ledger.in_attempt(attempt);
    for pod in sealed.filter(|pod| pod.attempt == attempt && pod.index < facts.peers) {
        if pod.incarnation > next.incarnation(pod.index) {
            let peer = next.replaced.entry(pod.index).or_default();
            peer.incarnation = pod.incarnation;
            peer.state = ReplacedState::Replaced;
            peer.row = peer.row.max(1);
        }
    }
    (next != *ledger).then_some(Ledger { begun: true, ..next })
}

/// What follows when the namespace's quota has room for some pods of an attempt and not for all. Two experiments that each hold a half
/// would wait for each other for ever, so all pods of the attempt go, and the next one makes them when there is room. It costs no restart
/// and begins where this one would have; with nothing to go on from it is as if it had not begun, and its manifest can be changed. That
/// holds too where not one pod had room. None: nothing changes by it. Once all pods were there, one that is replaced waits for room alone.
pub fn give_back(ledger: &Ledger, facts: &Facts) -> Option<Decision> {
    if ledger.stage != Stage::Starting {
        return None;
    }
    let holds = facts.pods.iter().any(|pod| pod.attempt == ledger.attempt);
    let attempt = ledger.attempt.checked_add(u32::from(holds))?;
    let next = Ledger {
        begun: ledger.begun && (ledger.resume > 0 || ledger.restarts > 0),
        ..ledger.in_attempt(attempt)
    };
    let transition = Transition::GaveBack;
    (next != *ledger).then_some(Decision::Record {
        ledger: next,
        transition,
    })
}

fn record(ledger: &Ledger, stage: Stage, transition: Transition) -> Decision {
    Decision::Record {
        ledger: ledger.in_stage(stage),
        transition,
    }
}

fn names(facts: &Facts, which: impl Fn(&PodFacts) -> bool) -> Vec<String> {
    facts
        .pods
        .iter()
        .filter(|pod| !pod.is_leaving() && which(pod))
        .map(|pod| pod.name.clone())
        .collect()
}

/// A pod that nobody needs, and that has to go before others of its peer come.
const fn is_leftover(ledger: &Ledger, pod: &PodFacts) -> bool {
    pod.attempt < ledger.attempt || !pod.sealed
}

/// A pod of this attempt that nobody needs and nobody waits for: another one has its place, or its peer is lost.
fn is_spare(ledger: &Ledger, pod: &PodFacts) -> bool {
    pod.attempt == ledger.attempt
        && (pod.incarnation < ledger.incarnation(pod.index) || ledger.is_lost(pod.index) && !pod.state.has_ended())
}

/// Deletes leftovers; none: none is left. What should be gone for long is on a node that does not answer, and nobody waits for it.
fn clear(ledger: &Ledger, facts: &Facts, now: Timestamp) -> Option<Decision> {
    let leftovers = || facts.pods.iter().filter(|pod| is_leftover(ledger, pod));
    let waits = leftovers().filter_map(|pod| match pod.leaving {
        None => Some(GONE),
        Some(until) => {
            let over = Duration::try_from(now.duration_since(until)).unwrap_or_default();
            GONE.checked_sub(over).filter(|rest| !rest.is_zero())
        }
    });
    let again = waits.max()?;
    Some(Decision::Act {
        delete: names(facts, |pod| is_leftover(ledger, pod) || is_spare(ledger, pod)),
        end: Vec::new(),
        create: Vec::new(),
        again: Some(again),
    })
}

/// After the end what has ended stays, for its logs, and what goes on is ended: a pod in which its peer has ended, and a sidecar has not, by
/// its deadline, so that its logs stay too. A peer that was seen to end well only after it was replaced has another pod, which is of no use.
fn rest(ledger: &Ledger, facts: &Facts) -> Decision {
    let runs = |pod: &PodFacts| !pod.state.has_ended();
    Decision::Act {
        delete: names(facts, |pod| {
            // Of a first pod the kubelet may not have said yet that it has ended.
            let is_late = pod.incarnation > 0 && facts.finished.contains(&pod.index);
            let is_over = ledger.stage == Stage::Failed || !pod.sealed || is_late;
            pod.attempt < ledger.attempt || (is_over && runs(pod)) || is_spare(ledger, pod)
        }),
        end: names(facts, |pod| pod.sealed && pod.attempt == ledger.attempt && pod.lingers),
        create: Vec::new(),
        again: None,
    }
}

fn drain(ledger: &Ledger, facts: &Facts, now: Timestamp) -> Decision {
    if let Some(decision) = clear(ledger, facts, now) {
        return decision;
    }
    let resume = facts.checkpoint.unwrap_or(0);
    let transition = match resume {
        0 => Transition::RestartedFromScratch,
        rounds => Transition::ResumedFromCheckpoint { rounds },
    };
    let ledger = Ledger {
        resume,
        ..ledger.clone()
    };
    record(&ledger, Stage::Starting, transition)
}

fn go_on(ledger: &Ledger, facts: &Facts, now: Timestamp) -> Decision {
    let pods = current(ledger, facts);
    let recorded = ledger.begun;
    // Pods that are there were made, whatever a status says that was lost.
    let ledger = &Ledger {
        begun: recorded || !pods.is_empty(),
        ..ledger.clone()
    };
    if has_completed(ledger, facts, &pods) {
        // It would be so again, with the same peers: nothing is started anew.
        return match facts.disagreement.clone() {
            Some(message) => record(ledger, Stage::Failed, Transition::ModelsDiffer { message }),
            None => record(ledger, Stage::Complete, Transition::Completed),
        };
    }
    if facts.suspend {
        let begun = ledger.stage == Stage::Running || !pods.is_empty();
        let attempt = ledger.attempt.saturating_add(u32::from(begun));
        return record(&ledger.in_attempt(attempt), Stage::Suspended, Transition::Suspended);
    }
    let again = match after_losses(ledger, facts, &pods, now) {
        Continue(again) => again,
        Break(decision) => return decision,
    };
    make(ledger, facts, &pods, recorded, again, now)
}

/// All that are not lost have ended well, and they are enough.
fn has_completed(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> bool {
    let lost = ledger.lost();
    let has_ended = |index: &u32| {
        let succeeded = pods.get(index).is_some_and(|pod| pod.state == PodState::Succeeded);
        !ledger.is_lost(*index) && (succeeded || facts.finished.contains(index))
    };
    let ended = (0..facts.peers).filter(has_ended).count();
    let is_enough = lost == 0 || facts.peers.saturating_sub(lost) >= facts.min_peers;
    is_enough && ended + lost as usize == facts.peers as usize
}

fn after_losses(
    ledger: &Ledger,
    facts: &Facts,
    pods: &BTreeMap<u32, &PodFacts>,
    now: Timestamp,
) -> ControlFlow<Decision, Option<Duration>> {
    if facts.goes_on {
        return losses::decide(ledger, facts, pods, now);
    }
    match failed(ledger, facts, pods) {
        Some(told) => Break(after_failure(ledger, facts.budget, told, true, now)),
        None => Continue(None),
    }
}

/// Makes the pods that are missing, and deletes those that nobody needs.
fn make(
    ledger: &Ledger,
    facts: &Facts,
    pods: &BTreeMap<u32, &PodFacts>,
    recorded: bool,
    again: Option<Duration>,
    now: Timestamp,
) -> Decision {
    let starts = ledger.stage == Stage::Starting;
    if starts && let Some(decision) = clear(ledger, facts, now) {
        // Pods that were given back or not sealed, or the status was set back: they have to go first.
        return decision;
    }
    // One that is not ours has its name until it is gone.
    let taken = facts
        .pods
        .iter()
        .filter(|pod| !pod.sealed && pod.attempt == ledger.attempt);
    let taken: BTreeSet<(u32, u32)> = taken.map(|pod| (pod.index, pod.incarnation)).collect();
    let is_missing = |index: &u32| {
        let is_to_come = (starts || ledger.is_due(*index)) && !ledger.is_lost(*index);
        let is_there = pods.contains_key(index) || facts.finished.contains(index);
        is_to_come && !is_there && !taken.contains(&(*index, ledger.incarnation(*index)))
    };
    let create: Vec<u32> = (0..facts.peers).filter(is_missing).collect();
    if create.is_empty() && starts {
        return record(ledger, Stage::Running, Transition::Started);
    }
    if !recorded && !create.is_empty() {
        let transition = Transition::Begins;
        return Decision::Record {
            ledger: Ledger {
                begun: true,
                ..ledger.clone()
            },
            transition,
        };
    }
    Decision::Act {
        delete: names(facts, |pod| is_leftover(ledger, pod) || is_spare(ledger, pod)),
        // What a lost peer leaves behind takes nobody's room; its log stays.
        end: names(facts, |pod| pod.sealed && ledger.is_lost(pod.index) && pod.lingers),
        create,
        again,
    }
}

#[cfg(test)]
mod tests;
