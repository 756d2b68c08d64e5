//! Peers that end before the run: whether the others may go on, and what is told of it.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::{PeerFailure, Results, rounds_of};

/// Failures that are told where too few peers are left.
const TOLD: usize = 4;

/// A peer that ended before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerLoss {
    /// The peer.
    pub peer: u32,
    /// Rounds that it had finished.
    pub rounds: u32,
    /// Why it ended, as far as is known.
    pub reason: String,
    /// Path of its log.
    #[serde(skip)]
    pub log: PathBuf,
    /// Peers that have not ended so.
    #[serde(skip)]
    pub left: usize,
    /// Peers without which the run does not go on.
    #[serde(skip)]
    pub needed: usize,
}

impl PeerLoss {
    pub(super) fn of(failure: &PeerFailure, results: &Results, rounds: u32, left: usize, needed: usize) -> Self {
        Self {
            peer: failure.index,
            rounds: rounds_of(results, failure.index, rounds),
            reason: failure.reason.clone(),
            log: failure.log.clone(),
            left,
            needed,
        }
    }

    /// In a few words, without what the others do.
    pub fn short(&self) -> String {
        format!("{}, after {} finished rounds", self.reason, self.rounds)
    }
}

impl fmt::Display for PeerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, needed, log) = (self.left, self.needed, self.log.display());
        write!(f, "{}: ", self.short())?;
        match left >= needed {
            true => write!(f, "the run goes on with the {left} peers that are left")?,
            false => write!(f, "{left} peers are left, and {needed} are needed (liveness.minPeers)")?,
        }
        write!(f, "; its log: {log}")
    }
}

/// Too few peers came to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFewLeft {
    /// What became of the first that was lost.
    pub first: PeerFailure,
    /// Why the others ended, in order.
    pub others: Vec<String>,
    /// Peers that came to the end.
    pub ended: usize,
    /// Peers that there were.
    pub peers: usize,
    /// Peers that have to come to the end.
    pub needed: usize,
}

impl fmt::Display for TooFewLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for other in self.others.iter().take(TOLD) {
            write!(f, "\n  then {other}")?;
        }
        if self.others.len() > TOLD {
            write!(f, "\n  then {} more", self.others.len() - TOLD)?;
        }
        let Self {
            ended, peers, needed, ..
        } = self;
        write!(
            f,
            "\n  {ended} of {peers} peers came to the end, and {needed} are needed (liveness.minPeers)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(index: u32) -> PeerFailure {
        PeerFailure {
            index,
            reason: format!("peer {index} failed"),
            last_lines: Vec::new(),
            log: format!("peer-{index}.log").into(),
        }
    }

    #[test]
    fn a_loss_says_whether_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let said = |left| PeerLoss::of(&failure(3), &results, 9, left, 5).to_string();
        assert_eq!(
            said(7),
            "peer 3 failed, after 0 finished rounds: the run goes on with the 7 peers that are left; its log: peer-3.log"
        );
        assert!(said(4).contains("4 peers are left, and 5 are needed (liveness.minPeers)"));
    }

    #[test]
    fn where_too_few_are_left_the_first_failure_comes_first_and_others_are_bounded() {
        let few = TooFewLeft {
            first: failure(7),
            others: (0..6).map(|peer| format!("peer {peer} failed")).collect(),
            ended: 1,
            peers: 8,
            needed: 5,
        };
        assert_eq!(
            few.to_string(),
            "peer 7 failed\n  its log: peer-7.log\n  then peer 0 failed\n  then peer 1 failed\n  then peer 2 failed\n  \
             then peer 3 failed\n  then 2 more\n  1 of 8 peers came to the end, and 5 are needed (liveness.minPeers)"
        );
    }
}
