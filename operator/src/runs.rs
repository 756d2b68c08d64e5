//! Which runs there are: every replica knows them all, whether it leads or not, since any of them may sign a certificate.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use fltorrent_coordinator::{hub::RunFacts, identity::RunId};

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The experiment's namespace.
    pub namespace: String,
    /// Name of the experiment.
    pub name: String,
    /// UID of the experiment.
    pub uid: String,
    /// Facts that reports are checked against.
    pub facts: RunFacts,
}

/// The runs that are known.
#[derive(Debug, Default)]
pub struct Runs {
    known: RwLock<HashMap<RunId, Known>>,
}

impl Runs {
    /// The run with this id.
    pub fn get(&self, run: RunId) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&run).cloned()
    }

    /// Takes note of a run. Its attempt never goes back, since news of it may be old.
    pub fn put(&self, run: RunId, mut news: Known) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = known.get(&run) {
            news.facts.attempt = news.facts.attempt.max(earlier.facts.attempt);
        }
        known.insert(run, news);
    }

    /// The UIDs of the experiments that they belong to.
    pub fn uids(&self) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|run| run.uid.clone()).collect()
    }

    /// Forgets a run that is over.
    pub fn remove(&self, run: RunId) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_never_goes_back() {
        let runs = Runs::default();
        let run = RunId::of_experiment("u");
        let known = |attempt| Known {
            namespace: "a".into(),
            name: "x".into(),
            uid: "u".into(),
            facts: RunFacts {
                peers: 2,
                rounds: 3,
                min_peers: 2,
                attempt,
            },
        };
        for (said, kept) in [(0, 0), (2, 2), (1, 2), (3, 3)] {
            runs.put(run, known(said));
            assert_eq!(runs.get(run), Some(known(kept)));
        }
        runs.remove(run);
        assert_eq!(runs.get(run), None);
    }
}
