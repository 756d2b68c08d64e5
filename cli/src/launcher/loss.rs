//! Peers that end before the run: whether the others may go on, and what is told of it.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::{PeerFailure, Results, rounds_of};
use crate::counts::{are, counted};

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
        let rounds = counted(self.rounds as usize, "finished round");
        format!("{}, after {rounds}", self.reason)
    }
}

impl fmt::Display for PeerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, needed) = (self.left, self.needed);
        // Whether the run goes on is more than this tells: they may have lost each other, or be at their end.
        write!(
            f,
            "{}: {} {} left, and {needed} {} needed (liveness.minPeers); its log: {}",
            self.short(),
            counted(left, "peer"),
            are(left),
            are(needed),
            self.log.display()
        )
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
            "\n  {ended} of {peers} peers came to the end, and {needed} {} needed (liveness.minPeers)",
            are(*needed)
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
    fn a_loss_says_how_many_are_left_and_needed() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let said = |left, needed| PeerLoss::of(&failure(3), &results, 9, left, needed).to_string();
        assert_eq!(
            said(7, 5),
            "peer 3 failed, after 0 finished rounds: 7 peers are left, and 5 are needed (liveness.minPeers); its log: peer-3.log"
        );
        assert!(said(1, 1).contains(": 1 peer is left, and 1 is needed (liveness.minPeers)"));
        let loss = PeerLoss {
            rounds: 1,
            ..PeerLoss::of(&failure(3), &results, 9, 7, 5)
        };
        assert_eq!(loss.short(), "peer 3 failed, after 1 finished round");
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
