//! The reports of a round that is not finished.

use std::collections::BTreeMap;

use crate::report::{ReportedEnd, RoundReport};

/// Reports by peer, and what they say of the round's end: that is asked at each report, of thousands of peers maybe.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished {
    reports: BTreeMap<u32, RoundReport>,
    ends: BTreeMap<ReportedEnd, usize>,
}

impl Unfinished {
    pub(super) fn insert(&mut self, report: RoundReport) {
        self.remove(report.peer);
        *self.ends.entry(report.end).or_default() += 1;
        self.reports.insert(report.peer, report);
    }

    pub(super) fn remove(&mut self, peer: u32) {
        let Some(report) = self.reports.remove(&peer) else {
            return;
        };
        if let Some(count) = self.ends.get_mut(&report.end) {
            *count -= 1;
            if *count == 0 {
                self.ends.remove(&report.end);
            }
        }
    }

    pub(super) const fn reports(&self) -> &BTreeMap<u32, RoundReport> {
        &self.reports
    }

    /// How the round ended, as more than half of the reports say: a single one is not believed.
    pub(super) fn end(&self) -> ReportedEnd {
        let all = self.reports.len();
        let most = self.ends.iter().find(|(_, count)| 2 * **count > all);
        most.map(|(end, _)| *end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample, survival::Cause};

    #[test]
    fn more_than_half_say_how_a_round_ended() {
        let quorum = ReportedEnd {
            cause: Cause::Quorum,
            ..ReportedEnd::default()
        };
        let mut round = Unfinished::default();
        for (peer, end, agreed) in [
            (0, quorum, quorum),
            (1, ReportedEnd::default(), ReportedEnd::default()),
            (2, quorum, quorum),
            // It says something else now.
            (1, quorum, quorum),
        ] {
            round.insert(RoundReport {
                end,
                ..sample(peer, 0, 0)
            });
            assert_eq!(round.end(), agreed);
        }
        assert_eq!((round.reports().len(), round.ends.len()), (3, 1));
        for peer in 0..4 {
            round.remove(peer);
        }
        assert_eq!((round.reports().len(), round.ends.len()), (0, 0));
    }
}
