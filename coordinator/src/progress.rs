//! How far a run is, from the peers' reports. Time, input and output stay outside.
//!
//! Memory: the reports of unfinished rounds (at most peers × rounds, in practice two rounds since peers are never further apart), and one
//! [`RoundSummary`] for each finished round.

mod summary;

use std::collections::BTreeMap;

use crate::report::{ReportError, RoundReport};
pub use summary::{RoundSummary, Spread};

/// Why a report is not counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// A value that cannot be.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A peer that the run does not have.
    #[error("peer: found {found}; the run has {peers} peers, from 0")]
    Peer {
        /// The report's peer.
        found: u32,
        /// Peers of the run.
        peers: u32,
    },
    /// A round that the run does not have.
    #[error("round: found {found}; the run has {rounds} rounds, from 0")]
    Round {
        /// The report's round.
        found: u32,
        /// Rounds of the run.
        rounds: u32,
    },
    /// Figures other than those of the same attempt's earlier report.
    #[error(
        "peer {peer}, attempt {attempt} reported round {round} before, with other figures; the earlier ones are kept"
    )]
    Contradiction {
        /// The report's peer.
        peer: u32,
        /// The report's attempt.
        attempt: u32,
        /// The report's round.
        round: u32,
    },
}

/// What a report brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    New,
    /// It was known, or a later attempt of the peer has reported the round, or the round is finished. A finished round keeps only its
    /// summary, so there nothing is compared.
    Repeated,
}

/// The state of one run.
#[derive(Debug, Clone)]
pub struct Progress {
    rounds: u32,
    /// For each peer, the rounds that it has reported.
    reported: Vec<u32>,
    /// For each peer, the rounds that it has done by its own word: one more than the last that it has reported.
    done: Vec<u32>,
    /// By round, then by peer.
    unfinished: BTreeMap<u32, BTreeMap<u32, RoundReport>>,
    finished: BTreeMap<u32, RoundSummary>,
}

impl Progress {
    /// A run of so many peers and rounds, of which nothing is known yet.
    pub fn new(peers: u32, rounds: u32) -> Self {
        Self {
            rounds,
            reported: vec![0; peers as usize],
            done: vec![0; peers as usize],
            unfinished: BTreeMap::new(),
            finished: BTreeMap::new(),
        }
    }

    /// Takes a report, once for each (peer, attempt, round). When a replaced peer reports a round again, its latest attempt counts.
    ///
    /// # Errors
    /// When the report is not of this run, has a value that cannot be, or contradicts an earlier one of the same key. Nothing changes then.
    pub fn handle_report(&mut self, report: &RoundReport) -> Result<Outcome, ProgressError> {
        report.check()?;
        let &RoundReport {
            peer,
            attempt,
            round,
            ..
        } = report;
        let peers = self.peers();
        let Some(reported) = self.reported.get_mut(peer as usize) else {
            return Err(ProgressError::Peer { found: peer, peers });
        };
        if round >= self.rounds {
            return Err(ProgressError::Round {
                found: round,
                rounds: self.rounds,
            });
        }
        if let Some(done) = self.done.get_mut(peer as usize) {
            *done = (*done).max(round + 1);
        }
        if self.finished.contains_key(&round) {
            return Ok(Outcome::Repeated);
        }
        let reports = self.unfinished.entry(round).or_default();
        match reports.get(&peer) {
            Some(earlier) if earlier.attempt > attempt || earlier == report => {
                return Ok(Outcome::Repeated);
            }
            Some(earlier) if earlier.attempt == attempt => {
                return Err(ProgressError::Contradiction {
                    peer,
                    attempt,
                    round,
                });
            }
            Some(_) => {}
            None => *reported += 1,
        }
        reports.insert(peer, *report);
        if reports.len() == self.reported.len() {
            self.finished
                .insert(round, RoundSummary::of(round, reports));
            self.unfinished.remove(&round);
        }
        Ok(Outcome::New)
    }

    /// Peers of the run.
    pub fn peers(&self) -> u32 {
        u32::try_from(self.reported.len()).unwrap_or(u32::MAX)
    }

    /// Rounds of the run.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The figures of a round that all peers have reported.
    pub fn round_summary(&self, round: u32) -> Option<&RoundSummary> {
        self.finished.get(&round)
    }

    /// The figures of all such rounds, in order.
    pub fn summaries(&self) -> impl Iterator<Item = &RoundSummary> {
        self.finished.values()
    }

    /// Rounds that all peers have reported.
    pub fn rounds_finished(&self) -> usize {
        self.finished.len()
    }

    /// Rounds that a peer has reported; none for a peer that the run does not have.
    pub fn rounds_reported(&self, peer: u32) -> Option<u32> {
        self.reported.get(peer as usize).copied()
    }

    /// Rounds that all peers have done. Peers report their rounds in order, so this holds for a coordinator too that began in mid-run
    /// and has seen no report of the first ones.
    pub fn rounds_done(&self) -> u32 {
        self.done.iter().copied().min().unwrap_or(0)
    }

    /// Peers that have reported all rounds.
    pub fn peers_finished(&self) -> usize {
        self.reported
            .iter()
            .filter(|&&rounds| rounds == self.rounds)
            .count()
    }

    /// Whether all peers have reported all rounds.
    pub fn is_finished(&self) -> bool {
        self.peers_finished() == self.reported.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_round_is_summed_up_when_all_have_reported() {
        let mut progress = Progress::new(3, 2);
        for peer in [2, 0] {
            assert_eq!(
                progress.handle_report(&sample(peer, 0, 1)).unwrap(),
                Outcome::New
            );
            assert_eq!(
                progress.handle_report(&sample(peer, 0, 1)).unwrap(),
                Outcome::Repeated
            );
        }
        assert_eq!(progress.round_summary(1), None);
        assert_eq!(
            progress.handle_report(&sample(1, 0, 1)).unwrap(),
            Outcome::New
        );
        let summary = progress.round_summary(1).unwrap();
        assert_eq!((summary.round, summary.peers, summary.samples), (1, 3, 303));
        assert_eq!((summary.accuracy, summary.loss), (Some(0.9), Some(0.5)));
        assert_eq!((summary.chunks_held, summary.chunks_total), (240, 240));
        assert_eq!(
            (
                summary.bytes_sent,
                summary.bytes_received,
                summary.bytes_wasted
            ),
            (3000, 6000, 9)
        );
        assert_eq!(
            summary.train_seconds,
            Spread {
                mean: 11.0,
                max: 12.0
            }
        );
        assert_eq!(
            summary.exchange_seconds,
            Spread {
                mean: 5.5,
                max: 6.0
            }
        );
        assert!(summary.models_agree);
        assert_eq!(progress.unfinished.len(), 0);
        assert_eq!(
            (
                progress.rounds_finished(),
                progress.peers_finished(),
                progress.is_finished()
            ),
            (1, 0, false)
        );
        for peer in 0..3 {
            assert_eq!(
                progress.handle_report(&sample(peer, 0, 1)).unwrap(),
                Outcome::Repeated
            );
            assert_eq!(
                progress.handle_report(&sample(peer, 0, 0)).unwrap(),
                Outcome::New
            );
            assert_eq!(
                (progress.rounds_reported(peer), progress.peers_finished()),
                (Some(2), peer as usize + 1)
            );
        }
        assert!(progress.is_finished());
        assert_eq!(
            progress
                .summaries()
                .map(|summary| summary.round)
                .collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn wrong_reports_change_nothing() {
        let mut progress = Progress::new(3, 2);
        progress.handle_report(&sample(1, 0, 0)).unwrap();
        let mut contradiction = sample(1, 0, 0);
        contradiction.evaluation.correct -= 1;
        let mut impossible = sample(0, 0, 0);
        impossible.chunks_held = 81;
        let error = |progress: &mut Progress, report: &RoundReport| {
            progress.handle_report(report).unwrap_err().to_string()
        };
        assert_eq!(
            error(&mut progress, &sample(3, 0, 0)),
            "peer: found 3; the run has 3 peers, from 0"
        );
        assert_eq!(
            error(&mut progress, &sample(0, 0, 2)),
            "round: found 2; the run has 2 rounds, from 0"
        );
        assert!(
            error(&mut progress, &contradiction)
                .starts_with("peer 1, attempt 0 reported round 0 before")
        );
        assert!(error(&mut progress, &impossible).contains("chunksHeld"));
        assert_eq!(
            progress.unfinished[&0],
            BTreeMap::from([(1, sample(1, 0, 0))])
        );
        assert_eq!(progress.reported, [0, 1, 0]);
    }

    #[test]
    fn the_latest_attempt_counts() {
        let mut progress = Progress::new(2, 1);
        let replaced = RoundReport {
            bytes_sent: 7,
            ..sample(0, 1, 0)
        };
        assert_eq!(
            progress.handle_report(&sample(0, 0, 0)).unwrap(),
            Outcome::New
        );
        assert_eq!(progress.handle_report(&replaced).unwrap(), Outcome::New);
        assert_eq!(
            progress.handle_report(&sample(0, 0, 0)).unwrap(),
            Outcome::Repeated
        );
        assert_eq!(progress.rounds_reported(0), Some(1));
        progress.handle_report(&sample(1, 0, 0)).unwrap();
        assert_eq!(progress.round_summary(0).unwrap().bytes_sent, 1007);
    }

    #[test]
    fn a_coordinator_that_began_in_mid_run_knows_how_far_it_is() {
        let mut progress = Progress::new(2, 9);
        progress.handle_report(&sample(0, 0, 6)).unwrap();
        assert_eq!(progress.rounds_done(), 0);
        progress.handle_report(&sample(1, 0, 5)).unwrap();
        assert_eq!((progress.rounds_done(), progress.rounds_finished()), (6, 0));
        progress.handle_report(&sample(1, 0, 6)).unwrap();
        assert_eq!((progress.rounds_done(), progress.rounds_finished()), (7, 1));
        // A late report of an earlier round changes nothing of it.
        progress.handle_report(&sample(1, 0, 2)).unwrap();
        assert_eq!(progress.rounds_done(), 7);
    }

    #[test]
    fn peers_without_test_samples_and_models_that_differ_are_told() {
        let mut progress = Progress::new(2, 2);
        for peer in 0..2 {
            let mut report = sample(peer, 0, 0);
            report.evaluation = crate::report::EvaluationFigures {
                correct: 0,
                total: 0,
                loss_sum: Some(0.0),
                seconds: 0.0,
            };
            report.model_hash =
                crate::report::ModelHash::from_bytes([u8::try_from(peer).unwrap(); 32]);
            progress.handle_report(&report).unwrap();
            let mut report = sample(peer, 0, 1);
            report.evaluation.loss_sum = (peer == 0).then_some(1.0);
            progress.handle_report(&report).unwrap();
        }
        let none = progress.round_summary(0).unwrap();
        assert_eq!(
            (none.accuracy, none.loss, none.models_agree),
            (None, None, false)
        );
        let diverged = progress.round_summary(1).unwrap();
        assert_eq!(
            (diverged.accuracy, diverged.loss, diverged.models_agree),
            (Some(0.9), None, true)
        );
    }

    proptest! {
        /// Whatever the order and however often a report comes, the figures are the same.
        #[test]
        fn order_and_repetition_do_not_matter(
            order in Just((0..4_u32).flat_map(|peer| (0..5_u32).flat_map(move |round| [(peer, round); 2])).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let mut progress = Progress::new(4, 5);
            let mut new = 0;
            for (peer, round) in order {
                new += u32::from(progress.handle_report(&sample(peer, 0, round)).unwrap() == Outcome::New);
            }
            let mut in_order = Progress::new(4, 5);
            for round in 0..5 {
                for peer in 0..4 {
                    in_order.handle_report(&sample(peer, 0, round)).unwrap();
                }
            }
            prop_assert_eq!(new, 20);
            prop_assert!(progress.is_finished() && progress.unfinished.is_empty());
            prop_assert!(progress.summaries().eq(in_order.summaries()));
        }
    }
}
