//! Early stop: when a run ends before its last round, decided by every peer for itself and by all alike.
//!
//! The metainfo of round r carries its origin's evaluation of the model that round r − 1 made. A peer that has completed
//! round r holds the metainfos of all origins, so all peers sum the same integers and come to the same decision without
//! asking anybody: either round r is the last one, or the run goes on. The final model is that of round r, one round
//! younger than the one whose accuracy decided.

use std::fmt;

use crate::{
    metainfo::EvaluationCounts,
    wire::{DecodeError, Reader, Writer},
};

/// When to stop; a rule that is none does not apply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StopRules {
    /// Share of the test samples, 0..=1, at which the run ends.
    pub target_accuracy: Option<f64>,
    /// Rounds in a row without a better accuracy after which the run ends, ≥ 1.
    pub patience: Option<u32>,
    /// A better accuracy is one that passes the best so far by more than this.
    pub min_delta: f64,
}

/// The record of the rules so far; it goes into a checkpoint, so that a resumed run decides as if it had never stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StopRecord {
    /// The best accuracy so far.
    pub best: Option<f64>,
    /// Rounds in a row that were not better.
    pub stale: u32,
}

impl StopRecord {
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.u8(u8::from(self.best.is_some()));
        out.u64(self.best.unwrap_or(0.0).to_bits());
        out.u32(self.stale);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (has_best, best) = (input.u8()?, f64::from_bits(input.u64()?));
        let best = match (has_best, best.to_bits()) {
            (0, 0) => None,
            (1, _) if (0.0..=1.0).contains(&best) => Some(best),
            _ => return Err(DecodeError::Evaluation),
        };
        let stale = input.u32()?;
        Ok(Self { best, stale })
    }
}

/// The rules and their record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStop {
    /// When to stop.
    pub rules: StopRules,
    /// The record so far.
    pub record: StopRecord,
}

/// Why a run ended before its last round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Convergence {
    /// The target was met.
    Target {
        /// The round, from 0, whose model met it.
        round: u32,
        /// That model's accuracy.
        accuracy: f64,
    },
    /// The accuracy has stayed where it was.
    Plateau {
        /// The last round, from 0, whose model was not better.
        round: u32,
        /// The best accuracy.
        best: f64,
        /// Rounds in a row that were not better.
        stale: u32,
    },
}

impl fmt::Display for Convergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target { round, accuracy } => write!(
                f,
                "the target was met: accuracy {accuracy:.4} after round {}",
                u64::from(*round) + 1
            ),
            Self::Plateau { round, best, stale } => write!(
                f,
                "a plateau: no better accuracy than {best:.4} in the {stale} rounds up to round {}",
                u64::from(*round) + 1
            ),
        }
    }
}

impl EarlyStop {
    /// Takes the counts of all peers on the model that `round` made; says why the run ends, if it does.
    ///
    /// The sums are of integers and the comparisons of IEEE doubles, so that all peers come to the same result. Without
    /// any test sample nothing is decided.
    pub fn add_round(&mut self, round: u32, counts: impl Iterator<Item = EvaluationCounts>) -> Option<Convergence> {
        let (correct, total) = counts.fold((0_u64, 0_u64), |(correct, total), counts| {
            (correct + u64::from(counts.correct), total + u64::from(counts.total))
        });
        if total == 0 {
            return None;
        }
        let accuracy = correct as f64 / total as f64;
        let Self { rules, record } = self;
        let best = match record.best {
            Some(best) if accuracy <= best + rules.min_delta => {
                record.stale = record.stale.saturating_add(1);
                best
            }
            _ => {
                record.stale = 0;
                accuracy
            }
        };
        record.best = Some(best);
        if rules.target_accuracy.is_some_and(|target| accuracy >= target) {
            return Some(Convergence::Target { round, accuracy });
        }
        rules
            .patience
            .is_some_and(|patience| record.stale >= patience)
            .then_some(Convergence::Plateau {
                round,
                best,
                stale: record.stale,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(target_accuracy: Option<f64>, patience: Option<u32>, min_delta: f64) -> EarlyStop {
        EarlyStop {
            rules: StopRules {
                target_accuracy,
                patience,
                min_delta,
            },
            record: StopRecord::default(),
        }
    }

    /// Feeds accuracies in hundredths, split over two peers, until one of them ends the run.
    fn feed(stop: &mut EarlyStop, hundredths: &[u32]) -> Option<Convergence> {
        (0..).zip(hundredths).find_map(|(round, &correct)| {
            let part = |correct| EvaluationCounts {
                correct,
                total: 50,
                loss_sum: 0.0,
            };
            let halves = [correct / 2, correct - correct / 2];
            stop.add_round(round, halves.into_iter().map(part))
        })
    }

    #[test]
    fn the_target_is_met_by_the_sum_of_all_peers() {
        let end = feed(&mut stop(Some(0.9), None, 0.0), &[50, 89, 90, 95]);
        let met = Convergence::Target {
            round: 2,
            accuracy: 0.9,
        };
        assert_eq!(end, Some(met));
        assert_eq!(met.to_string(), "the target was met: accuracy 0.9000 after round 3");
        assert_eq!(feed(&mut stop(Some(0.9), None, 0.0), &[50, 89, 50]), None);
    }

    #[test]
    fn a_plateau_is_so_many_rounds_in_a_row_without_a_gain_above_the_least() {
        let end = feed(&mut stop(None, Some(2), 0.0), &[50, 60, 60, 61, 60, 61, 90]);
        let plateau = Convergence::Plateau {
            round: 5,
            best: 0.61,
            stale: 2,
        };
        assert_eq!(end, Some(plateau));
        assert!(plateau.to_string().contains("0.6100"), "{plateau}");
        // Small steps are no gain, and do not move the mark that they are measured by.
        let end = feed(&mut stop(None, Some(3), 0.05), &[50, 52, 54, 56, 57, 58, 59]);
        assert!(
            matches!(end, Some(Convergence::Plateau { round: 6, best, .. }) if best == 0.56),
            "{end:?}"
        );
    }

    #[test]
    fn the_record_goes_on_where_it_was_kept() {
        let mut whole = stop(None, Some(3), 0.0);
        let mut first = whole;
        assert_eq!(feed(&mut first, &[70, 60]), None);
        let mut second = EarlyStop {
            record: first.record,
            ..stop(None, Some(3), 0.0)
        };
        let resumed = [65, 66].map(|correct| feed(&mut second, &[correct]));
        assert_eq!(resumed[0], None);
        assert!(resumed[1].is_some());
        assert!(feed(&mut whole, &[70, 60, 65, 66]).is_some());
        assert_eq!(whole.record, second.record);
    }

    #[test]
    fn without_a_test_sample_nothing_is_decided() {
        let mut stop = stop(Some(0.0), Some(1), 0.0);
        assert_eq!(stop.add_round(0, [EvaluationCounts::default(); 3].into_iter()), None);
        assert_eq!(stop.record, StopRecord::default());
    }
}
