//! When the updates of a round came, and which of them was waited for.

use crate::Time;

/// Where the time went that an update was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundPhase {
    /// Until its metainfo came: its peer was still training.
    Training,
    /// From then until its chunks were here.
    Exchange,
}

/// By origin: when its metainfo was here, and when its whole update was.
#[derive(Debug)]
pub(crate) struct Arrivals {
    metainfos: Vec<Option<Time>>,
    whole: Vec<Option<Time>>,
}

/// An update that came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) origin: u32,
    metainfo: Time,
    whole: Time,
}

impl Arrivals {
    pub(super) fn new(peers: u32) -> Self {
        let never = vec![None; peers as usize];
        Self {
            metainfos: never.clone(),
            whole: never,
        }
    }

    pub(super) fn metainfo(&mut self, now: Time, origin: u32) {
        self.metainfos[origin as usize].get_or_insert(now);
    }

    pub(super) fn whole(&mut self, now: Time, origin: u32) {
        self.whole[origin as usize] = Some(now);
    }

    /// When the last update was here that came as a whole.
    pub(crate) fn last_whole(&self) -> Option<Time> {
        self.whole.iter().flatten().max().copied()
    }

    /// Of these origins the one whose update was here last; one that is not here as a whole is waited for until `now`. None where that is
    /// `me`, also together with others.
    pub(crate) fn last(&self, now: Time, me: u32, origins: impl Iterator<Item = u32>) -> Option<Last> {
        let arrived = origins.filter_map(|origin| {
            let metainfo = *self.metainfos.get(origin as usize)?;
            let whole = self.whole[origin as usize].unwrap_or(now);
            Some(Last {
                origin,
                metainfo: metainfo?,
                whole,
            })
        });
        let last = arrived.max_by_key(|it| (it.whole, it.origin == me, it.metainfo))?;
        (last.origin != me).then_some(last)
    }
}

impl Last {
    /// The phase that took more of the wait that began then.
    pub(crate) fn phase_since(&self, began: Time) -> RoundPhase {
        let training = self.metainfo.saturating_sub(began);
        let exchange = self.whole.saturating_sub(self.metainfo.max(began));
        match training > exchange {
            true => RoundPhase::Training,
            false => RoundPhase::Exchange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    /// Updates whose metainfos and last chunks came at these seconds; peer 0 is this one.
    fn last(now: u64, updates: &[(u64, Option<u64>)]) -> Option<Last> {
        let mut arrivals = Arrivals::new(updates.len() as u32);
        for (origin, &(metainfo, whole)) in (0..).zip(updates) {
            arrivals.metainfo(at(metainfo), origin);
            if let Some(whole) = whole {
                arrivals.whole(at(whole), origin);
            }
        }
        arrivals.last(at(now), 0, 0..updates.len() as u32)
    }

    #[test]
    fn who_came_last_was_waited_for() {
        // It trained for longest.
        let late = last(12, &[(1, Some(1)), (2, Some(3)), (10, Some(12))]).unwrap();
        assert_eq!((late.origin, late.phase_since(at(1))), (2, RoundPhase::Training));
        // It was announced early, and its chunks took their time.
        let slow = last(12, &[(1, Some(1)), (2, Some(12)), (10, Some(11))]).unwrap();
        assert_eq!((slow.origin, slow.phase_since(at(1))), (1, RoundPhase::Exchange));
        // What came before this peer was ready took nothing of its wait.
        let early = last(12, &[(9, Some(9)), (8, Some(10))]).unwrap();
        assert_eq!((early.origin, early.phase_since(at(9))), (1, RoundPhase::Exchange));
    }

    #[test]
    fn who_came_last_itself_waited_for_nobody() {
        assert_eq!(last(9, &[(9, Some(9)), (2, Some(3)), (8, Some(9))]), None);
        assert_eq!(last(9, &[(9, Some(9))]), None);
        assert_eq!(Arrivals::new(3).last(at(5), 0, 0..3), None, "nothing has come");
    }

    #[test]
    fn an_update_that_is_not_whole_was_waited_for_to_the_end() {
        let cut = last(20, &[(1, Some(1)), (2, None), (10, Some(12))]).unwrap();
        assert_eq!((cut.origin, cut.phase_since(at(1))), (1, RoundPhase::Exchange));
        // Others than those in the model do not count.
        let mut arrivals = Arrivals::new(3);
        for (origin, seconds) in [(0, 1), (1, 3), (2, 7)] {
            arrivals.metainfo(at(seconds), origin);
            arrivals.whole(at(seconds), origin);
        }
        assert_eq!(arrivals.last_whole(), Some(at(7)));
        let found = arrivals.last(at(9), 0, [0, 1].into_iter());
        assert_eq!(found.map(|it| it.origin), Some(1));
    }
}
