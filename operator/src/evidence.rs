//! What peers say at their end, kept from when it was seen: a pod that is deleted takes its termination message along.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use fltorrent_coordinator::ending::Ending;
use fltorrent_crds::experiment::kubernetes::KeptStorageType;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::life::Ledger;
use crate::observe;
use crate::validate::Validated;

/// The endings of an attempt, by peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endings {
    attempt: u32,
    by_peer: BTreeMap<u32, Ending>,
}

/// What was seen, by the experiment's UID.
#[derive(Debug, Default)]
pub struct Evidence {
    seen: Mutex<HashMap<String, Endings>>,
}

impl Evidence {
    /// Takes note of how a pod ended, if it has.
    pub fn see(&self, pod: &Pod) {
        let owners = pod.owner_references();
        let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) else {
            return;
        };
        let Some(facts) = observe::facts(pod, &owner.uid) else {
            return;
        };
        let Some(ending) = observe::terminated(pod).and_then(observe::ending) else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let endings = seen.entry(owner.uid.clone()).or_default();
        if facts.attempt > endings.attempt {
            *endings = Endings {
                attempt: facts.attempt,
                ..Endings::default()
            };
        }
        if facts.attempt == endings.attempt {
            endings.by_peer.insert(facts.index, ending);
        }
    }

    /// The endings of the latest attempt of which one is known.
    pub fn of(&self, experiment: &str) -> Endings {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(experiment).cloned().unwrap_or_default()
    }

    /// Forgets an experiment.
    pub fn forget(&self, experiment: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(experiment);
    }
}

impl Endings {
    /// The endings, if they are of this attempt.
    pub fn of_attempt(&self, attempt: u32) -> Option<&BTreeMap<u32, Ending>> {
        (self.attempt == attempt).then_some(&self.by_peer)
    }

    /// The round after which the next attempt can go on: the newest of which all peers have a checkpoint, as far as they say. `done` is how
    /// many rounds all peers had finished, which has to do where none of them said anything. None: there is no such round, or nothing that
    /// outlives a pod.
    pub fn checkpoint(&self, validated: &Validated, ledger: Ledger, done: u32) -> Option<u32> {
        let every = validated.plan.checkpoint_every?.max(1);
        let storage = &validated.experiment.spec.kubernetes.storage;
        if storage.checkpoints.kind == KeptStorageType::EmptyDir {
            return None;
        }
        // A peer that could not even read its checkpoints names none, so an empty list says nothing of them.
        let mut lists = self
            .by_peer
            .values()
            .map(|ending| ending.checkpoints.iter().copied().collect::<BTreeSet<_>>());
        let silent = self
            .by_peer
            .values()
            .any(|ending| ending.checkpoints.is_empty());
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

#[cfg(test)]
mod tests;
