//! A round of which nothing comes any more, while a few others are further: too few to show that the round is over, and yet the only
//! ones that go on. So it is after many processes have died at once, and some of them have taken over an older model than others had.

use super::Swarm;
use crate::{Time, neighbour::Neighbour};

impl Swarm {
    /// Goes after those who are further, once nothing has come of this peer's round for longer than a pause may last. Where that was a lie
    /// the others have not signed their model.
    pub(super) fn rejoin_when_stalled(&mut self, now: Time) {
        if self.stalled_at().is_some_and(|due| due <= now) {
            let rounds: Vec<u32> = self.open().filter_map(|neighbour| neighbour.ahead).collect();
            self.rejoin_those_in(&rounds);
        }
    }

    /// When [`Self::rejoin_when_stalled`] has to be called at the latest.
    pub(super) fn next_stall(&self) -> Option<Time> {
        self.stalled_at().filter(|&due| due > self.settled_at)
    }

    fn stalled_at(&self) -> Option<Time> {
        let waits = !self.current.is_closed() && self.joining.is_none() && self.goes_on_without();
        let is_signed = !self.origins_ahead.is_empty();
        if !waits || !is_signed || !self.open().any(|neighbour| neighbour.ahead.is_some()) {
            return None;
        }
        let since = self.last_news.max(self.view_changed_at);
        Some(since + self.config.pause_limit + self.config.lost_after)
    }

    fn open(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.iter().filter(|neighbour| neighbour.is_open())
    }
}
