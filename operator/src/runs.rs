//! Which runs there are: every replica knows them all, whether it leads or not, since any of them may sign a certificate.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use fltorrent_coordinator::{hub::RunFacts, identity::RunId};
use jiff::Timestamp;

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
    /// When the peers that begin the attempt were all there.
    pub began: Option<Timestamp>,
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

    /// Takes note of a run. Its attempt never goes back, since news of it may be old, and one that has begun has not begun later.
    pub fn put(&self, run: RunId, mut news: Known) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = known.get(&run).filter(|it| it.facts.attempt >= news.facts.attempt) {
            let is_old = earlier.facts.attempt > news.facts.attempt;
            news.began = earlier.began.or_else(|| news.began.filter(|_| !is_old));
            news.facts.attempt = earlier.facts.attempt;
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
        let known = |attempt, began: Option<i64>| Known {
            began: began.map(|second| Timestamp::from_second(second).unwrap()),
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
        for (said, kept) in [
            ((0, None), (0, None)),
            ((0, Some(5)), (0, Some(5))),
            // It was not there for a moment.
            ((0, Some(9)), (0, Some(5))),
            ((2, None), (2, None)),
            ((1, Some(7)), (2, None)),
            ((2, Some(12)), (2, Some(12))),
            ((2, None), (2, Some(12))),
            ((3, None), (3, None)),
        ] {
            runs.put(run, known(said.0, said.1));
            assert_eq!(runs.get(run), Some(known(kept.0, kept.1)));
        }
        runs.remove(run);
        assert_eq!(runs.get(run), None);
    }
}
