//! What peers say at their end, kept from when it was seen: a pod that is deleted takes its termination message along. Only pods that the
//! operator has made are heard.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use fltorrent_coordinator::{
    ending::{EndState, Ending},
    secret::RootSecret,
};
use fltorrent_crds::experiment::kubernetes::KeptStorageType;
use fltorrent_records::report::ModelHash;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::{
    life::{Ledger, PodState},
    pod_facts, seal,
    validate::Validated,
};

/// Different models that are named.
const GROUPS: usize = 4;
/// Peers of one model that are named.
const NAMED: usize = 8;

/// The endings of an attempt, by peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endings {
    attempt: u32,
    by_peer: BTreeMap<u32, Ending>,
    /// Which pod of a peer that was of, and when its end was seen first.
    noticed: BTreeMap<u32, Noticed>,
}

/// An end that was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Noticed {
    incarnation: u32,
    at: Timestamp,
    well: bool,
}

/// Endings of peers, by the experiment's UID.
#[derive(Debug)]
pub struct EndingStore {
    root: RootSecret,
    seen: Mutex<HashMap<String, Endings>>,
}

impl EndingStore {
    /// Believes pods that are sealed by this secret.
    pub fn new(root: RootSecret) -> Self {
        Self {
            root,
            seen: Mutex::default(),
        }
    }

    /// Takes note of how a pod ended, if it has and the operator made it.
    pub fn see(&self, pod: &Pod, now: Timestamp) {
        let Some(claim) = seal::claim(&pod.metadata) else {
            return;
        };
        let facts = pod_facts::facts(pod, claim.experiment, &self.root);
        let Some(facts) = facts.filter(|facts| facts.sealed) else {
            return;
        };
        let ending = pod_facts::terminated(pod).and_then(pod_facts::ending);
        let well = facts.state == PodState::Succeeded;
        let has_ended = facts.state.has_ended();
        if ending.is_none() && !has_ended {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let endings = seen.entry(claim.experiment.to_owned()).or_default();
        if facts.attempt > endings.attempt {
            *endings = Endings {
                attempt: facts.attempt,
                ..Endings::default()
            };
        }
        let noticed = endings.noticed.get(&facts.index);
        let is_older = noticed.is_some_and(|before| facts.incarnation < before.incarnation);
        if facts.attempt == endings.attempt && !is_older {
            let is_known = noticed.is_some_and(|before| (before.incarnation, before.well) == (facts.incarnation, well));
            if has_ended && !is_known {
                let noticed = Noticed {
                    incarnation: facts.incarnation,
                    at: now,
                    well,
                };
                endings.noticed.insert(facts.index, noticed);
            }
            if let Some(ending) = ending {
                endings.by_peer.insert(facts.index, ending);
            }
        }
    }

    /// The endings of the latest attempt of which one is known.
    pub fn of(&self, experiment: &str) -> Endings {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(experiment).cloned().unwrap_or_default()
    }

    /// True once a peer has ended well in an attempt.
    pub fn is_over(&self, experiment: &str, attempt: u32) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_attempt = seen.get(experiment).filter(|endings| endings.attempt == attempt);
        of_attempt.is_some_and(|endings| endings.noticed.values().any(|known| known.well))
    }

    /// Forgets an experiment.
    pub fn forget(&self, experiment: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(experiment);
    }

    /// Forgets all experiments but those that are still there.
    pub fn retain(&self, there: impl Fn(&str) -> bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|experiment, _| there(experiment));
    }
}

impl Endings {
    /// The endings, if they are of this attempt.
    pub fn of_attempt(&self, attempt: u32) -> Option<&BTreeMap<u32, Ending>> {
        (self.attempt == attempt).then_some(&self.by_peer)
    }

    /// When the end of a peer's pod in an attempt was seen first, by the operator's own clock.
    pub fn noticed(&self, attempt: u32, index: u32, incarnation: u32) -> Option<Timestamp> {
        let known = self.noticed.get(&index).filter(|_| self.attempt == attempt);
        known
            .filter(|known| known.incarnation == incarnation)
            .map(|known| known.at)
    }

    /// Peers that ended well in an attempt, and when that was seen.
    pub fn finished(&self, attempt: u32) -> BTreeMap<u32, Timestamp> {
        let known = self
            .noticed
            .iter()
            .filter(|(_, known)| known.well && self.attempt == attempt);
        known.map(|(index, known)| (*index, known.at)).collect()
    }

    /// The models of the peers that have ended well, when they are not the same: in words, who has which. One that left no ending, or names
    /// no model, says nothing for the others.
    pub fn disagreement(&self, attempt: u32, peers: u32) -> Option<String> {
        let endings = self.of_attempt(attempt)?;
        let mut holders: BTreeMap<ModelHash, Vec<u32>> = BTreeMap::new();
        for (&index, ending) in endings.range(..peers) {
            let has_ended = matches!(ending.state, EndState::Completed | EndState::Converged);
            if let Some(model) = ending.model_hash.filter(|_| has_ended) {
                holders.entry(model).or_default().push(index);
            }
        }
        (holders.len() > 1).then(|| differ(&holders))
    }

    /// The round after which the next attempt can resume: the newest of which all peers have a checkpoint, as far as they say. `done` is how
    /// many rounds all peers had finished, which has to do where none of them said anything. None: there is no such round, or nothing that
    /// outlives a pod.
    pub fn checkpoint(&self, validated: &Validated, ledger: &Ledger, done: u32) -> Option<u32> {
        let every = validated.plan.checkpoint_every?.max(1);
        let storage = &validated.experiment.spec.kubernetes.storage;
        if storage.checkpoints.kind == KeptStorageType::EmptyDir {
            return None;
        }
        // A peer that could not even read its checkpoints names none, so an empty list says nothing of them. One that is of more rounds than
        // the peer has finished is of an earlier experiment of the name, which left it on the claim.
        let own = |ending: &Ending| {
            let own = ending.checkpoints.iter().copied();
            own.filter(|&rounds| rounds <= ending.rounds).collect::<BTreeSet<_>>()
        };
        let mut lists = self.by_peer.values().map(own);
        let silent = self.by_peer.values().any(|ending| own(ending).is_empty());
        let common = lists
            .by_ref()
            .filter(|list| !list.is_empty())
            .reduce(|common, list| &common & &list);
        let round = match common {
            Some(common) => common.last().copied()?,
            None => done / every * every,
        };
        // The last attempt began there, and a peer could not: it has no such checkpoint.
        let tried = ledger.resume == round && silent;
        (round > 0 && !tried).then_some(round)
    }
}

/// Which peers have which model, in words: the model of most peers first.
fn differ(holders: &BTreeMap<ModelHash, Vec<u32>>) -> String {
    let mut groups: Vec<_> = holders.iter().collect();
    groups.sort_by_key(|(_, peers)| (std::cmp::Reverse(peers.len()), *peers));
    let more = groups.len().saturating_sub(GROUPS);
    let mut told: Vec<String> = groups
        .into_iter()
        .take(GROUPS)
        .map(|(model, peers)| {
            let named: Vec<_> = peers.iter().take(NAMED).map(u32::to_string).collect();
            let others = peers.len() - named.len();
            let others = match others {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            format!("{model} at peer {}{others}", named.join(", "))
        })
        .collect();
    if more > 0 {
        told.push(format!("{more} more models"));
    }
    format!(
        "the peers ended with different models: {}; none of them is the result",
        told.join("; ")
    )
}

#[cfg(test)]
mod tests;
