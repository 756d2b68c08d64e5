//! The lease on this peer's own training, which every sign of progress renews: a peer whose training hangs says so, and nobody
//! waits for its update. Others cannot tell a training that hangs from one that is slow; the peer itself can.

use std::time::Duration;

use super::{Swarm, lengths::Lengths};
use crate::{Time, rules::Deadline};

/// A timer that comes later than this part of a lease was looked at by nobody: the process stood still.
const LATE: u32 = 4;

/// The lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    /// The last sign of progress, or the beginning of the round.
    renewed: Time,
    /// When half of it had passed, or the process went on that had stood still as a whole: half of it is left then.
    doubted: Option<Time>,
    is_over: bool,
    /// The longest time between two signs in this round, and in the ones before.
    longest: Duration,
    lengths: Lengths,
}

impl Lease {
    fn renew(&mut self, now: Time) {
        self.longest = self.longest.max(now.saturating_sub(self.renewed));
        (self.renewed, self.doubted, self.is_over) = (now, None, false);
    }

    /// Another round begins, whose training does not go on from that of the last one.
    pub(super) fn begin(&mut self, now: Time) {
        (self.renewed, self.doubted) = (now, None);
        self.longest = Duration::ZERO;
    }

    /// The round's update is there.
    pub(super) fn end(&mut self, now: Time) {
        self.renew(now);
        let longest = std::mem::take(&mut self.longest);
        self.lengths.learn(longest);
    }
}

impl Swarm {
    /// This peer's training makes progress.
    pub fn progressed(&mut self, now: Time) {
        let was_over = self.lease.is_over;
        self.lease.renew(now);
        if was_over {
            self.settle(now);
        }
    }

    /// Whether this peer has said that its training makes no progress.
    pub fn training_hangs(&self) -> bool {
        self.lease.is_over
    }

    fn lease_length(&self) -> Option<Duration> {
        match self.config.progress_lease {
            Deadline::None => None,
            Deadline::After(length) => Some(length),
            Deadline::Auto => self.lease.lengths.longest(),
        }
    }

    /// When [`Self::look_at_lease`] has to be called at the latest.
    pub(super) fn next_lease(&self) -> Option<Time> {
        let has_trained = self.current.is_closed() || self.current.metainfo(self.config.me()).is_some();
        let is_counted = self.goes_on_without() && self.joining.is_none() && self.gives();
        if !is_counted || has_trained || self.unpublished.is_some() || self.lease.is_over {
            return None;
        }
        let half = self.lease_length()? / 2;
        Some(self.lease.doubted.unwrap_or(self.lease.renewed) + half)
    }

    /// Gives up on this peer's training once the lease is over. Where nobody else has come further nobody waits, and it goes on.
    pub(super) fn look_at_lease(&mut self, now: Time) {
        let Some(due) = self.next_lease().filter(|due| *due <= now) else {
            return;
        };
        let late = self.lease_length().map_or(Duration::ZERO, |length| length / LATE);
        let stood_still = now - due >= late;
        self.lease.is_over = self.lease.doubted.is_some() && !stood_still && self.current.whole() > 0;
        self.lease.doubted = Some(now);
    }
}
