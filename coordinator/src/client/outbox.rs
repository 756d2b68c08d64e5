//! Reports on their way, oldest first.

use std::collections::VecDeque;

use fltorrent_records::report::{MAX_REPORTS, RoundReport};

/// Reports that wait at most, 4 MB: a coordinator that is away for four hours misses none of a run with a round a second. When one more
/// comes, the oldest is dropped; a later round's report still tells that the earlier rounds are done.
pub const MAX_WAITING: usize = 16 * 1024;

/// A queue whose reports leave only when they are acknowledged or refused.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<RoundReport>,
    /// After a list was refused its reports go one by one, so that only the culprit is dropped.
    singly: bool,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a report; gives the one that had to make room.
    pub(super) fn push(&mut self, report: RoundReport) -> Option<RoundReport> {
        self.waiting.push_back(report);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    pub(super) fn batch(&self) -> Vec<RoundReport> {
        let limit = if self.singly { 1 } else { MAX_REPORTS };
        self.waiting.iter().take(limit).copied().collect()
    }

    pub(super) fn acknowledged(&mut self, batch: &[RoundReport]) {
        // While a batch is under way the queue may lose reports at its front, so they are found by what they are.
        self.waiting.retain(|report| !batch.contains(report));
        self.singly &= !self.waiting.is_empty();
    }

    /// Gives the report that is dropped; none when they are first to be sent one by one.
    pub(super) fn refused(&mut self, batch: &[RoundReport]) -> Option<RoundReport> {
        match batch {
            [culprit] => {
                self.acknowledged(batch);
                Some(*culprit)
            }
            _ => {
                self.singly = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::report::sample;

    use super::*;

    fn rounds(outbox: &Outbox) -> Vec<u32> {
        outbox.batch().iter().map(|report| report.round).collect()
    }

    #[test]
    fn the_newest_are_kept_and_leave_when_acknowledged() {
        let mut outbox = Outbox::default();
        for round in 0..MAX_WAITING as u32 {
            assert_eq!(outbox.push(sample(0, 0, round)), None);
        }
        let under_way = outbox.batch();
        assert_eq!(under_way.len(), MAX_REPORTS);
        assert_eq!(outbox.push(sample(0, 0, MAX_WAITING as u32)), Some(sample(0, 0, 0)));
        assert_eq!(outbox.len(), MAX_WAITING);
        outbox.acknowledged(&under_way);
        assert_eq!(rounds(&outbox)[0], 64);
        assert_eq!(outbox.len(), MAX_WAITING - 63);
    }

    #[test]
    fn only_the_culprit_of_a_refused_list_is_dropped() {
        let mut outbox = Outbox::default();
        for round in 0..3 {
            outbox.push(sample(0, 0, round));
        }
        assert_eq!(outbox.refused(&outbox.batch()), None);
        assert_eq!(rounds(&outbox), [0]);
        outbox.acknowledged(&outbox.batch());
        assert_eq!(rounds(&outbox), [1]);
        assert_eq!(outbox.refused(&outbox.batch()), Some(sample(0, 0, 1)));
        outbox.acknowledged(&outbox.batch());
        for round in 3..5 {
            outbox.push(sample(0, 0, round));
        }
        assert_eq!(rounds(&outbox), [3, 4]);
    }
}
