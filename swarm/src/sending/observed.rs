//! The rate of an uplink that nobody declares, from the host's own queue.
//!
//! Where the host itself is what is slow (its network card, or a qdisc of tc(8) on its interface), packets wait in its own queue, and the kernel tells how many
//! bytes do, and how many have left. While some wait, what leaves is what the link carries. What came in and was not sent by this process is
//! others' traffic; they get what they use, up to half of the link, and half of it where they have packets waiting all the time.

use std::time::Duration;

use crate::Time;

/// What has left is counted over so long, and over so many packets.
const INTERVAL: Duration = Duration::from_millis(40);
const PACKETS: f64 = 24.0;
/// The weight of the newest interval.
const WEIGHT: f64 = 0.3;
/// Intervals after which a rate is told to others, and the least weight of one more: a token bucket lets packets go in bursts.
const SURE: u32 = 6;
const LEAST_WEIGHT: f64 = 0.1;
/// Others' share of what came in from which they count.
const OTHERS: f64 = 0.1;
/// The share of the link that they leave at least.
const LEFT: f64 = 0.5;
/// Packets of theirs that wait, on average, where they want more than they have.
const PRESSED: f64 = 4.0;
/// Where pieces had to pause, nothing waits, and nearly all has left that the link is known to carry, it carries more: so much for each interval that
/// shows that.
const MORE: f64 = 1.03;
const NEARLY: f64 = 0.97;
/// Bytes that are sent between two looks before anything is known of the rate: twice as many each time that nothing is left waiting, up to a most.
const FIRST: f64 = 16.0 * 1024.0;
const MOST: f64 = 64.0 * 1024.0 * 1024.0;
/// How often the queue is looked at once the rate is known.
const LOOKS: Duration = Duration::from_millis(5);
/// After so long without an observation nothing is known of what happened meanwhile.
const FORGOTTEN: Duration = Duration::from_millis(500);

/// A host's queue at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostQueue {
    /// Bytes that wait.
    pub waits: u64,
    /// Bytes that have ever left.
    pub left: u64,
}

/// What has left the queue in the looks that count for it.
#[derive(Debug, Default)]
struct Left {
    time: Duration,
    bytes: f64,
}

impl Left {
    fn add(&mut self, time: Duration, bytes: u64) {
        self.time += time;
        self.bytes += bytes as f64;
    }

    /// Bytes a second, once it was long enough and enough; it begins anew then.
    fn take_rate(&mut self, packet: f64) -> Option<f64> {
        let is_enough = self.time >= INTERVAL && self.bytes >= PACKETS * packet;
        is_enough.then(|| {
            let Self { time, bytes } = std::mem::take(self);
            bytes / time.as_secs_f64()
        })
    }
}

/// What was seen of a host's queue.
#[derive(Debug)]
pub(super) struct Observed {
    packet: f64,
    last: Option<(Time, HostQueue)>,
    /// Bytes that this process has sent since.
    sent: f64,
    /// Bytes that may be sent until the next look, while nothing is known.
    budget: f64,
    /// With something waiting at both ends.
    busy: Left,
    /// With nothing waiting at the end although pieces had to pause.
    paced: Left,
    /// Bytes that came in, and those of others.
    came: f64,
    others: f64,
    /// Bytes a second, once known.
    carried: Option<f64>,
    /// The mean of what was seen, with nothing added where the link seems to carry more, and how many times it was.
    seen: f64,
    times: u32,
    /// Others' share of what came in, and bytes of theirs that wait, on average.
    share: f64,
    theirs: f64,
}

impl Observed {
    /// `packet` is the size of a full packet with all headers, bytes.
    pub(super) fn new(packet: f64) -> Self {
        Self {
            packet,
            last: None,
            budget: FIRST,
            sent: 0.0,
            busy: Left::default(),
            paced: Left::default(),
            came: 0.0,
            others: 0.0,
            carried: None,
            seen: 0.0,
            times: 0,
            share: 0.0,
            theirs: 0.0,
        }
    }

    /// Bytes a second that this process may send, once the link has been seen busy.
    pub(super) fn rate(&self) -> Option<f64> {
        self.carried.map(|carried| carried * self.own_share())
    }

    /// The same as others may hear it, once that was seen often enough.
    pub(super) fn measured(&self) -> Option<f64> {
        (self.times >= SURE).then(|| self.seen * self.own_share())
    }

    fn own_share(&self) -> f64 {
        match self.is_alone() {
            true => 1.0,
            false if self.theirs > PRESSED * self.packet => LEFT,
            false => 1.0 - self.share.min(1.0 - LEFT),
        }
    }

    /// Whether all that waits is this process's.
    pub(super) fn is_alone(&self) -> bool {
        self.share <= OTHERS
    }

    /// Whether it is time to look again; `given` bytes are as good as sent.
    pub(super) fn must_look(&self, now: Time, given: f64) -> bool {
        match (self.last, self.carried) {
            (None, _) => true,
            (Some((at, _)), Some(_)) => now.saturating_sub(at) >= LOOKS,
            (Some((_, queue)), None) => queue.waits as f64 + self.sent + given >= self.budget,
        }
    }

    /// Whether pieces have to wait for the next look; only while nothing is known of the rate.
    pub(super) fn has_room(&self, given: f64) -> bool {
        let waits = self.last.map_or(0, |(_, queue)| queue.waits);
        self.last.is_none() || waits as f64 + self.sent + given < self.budget
    }

    pub(super) fn on_sent(&mut self, bytes: f64) {
        self.sent += bytes;
    }

    /// What the kernel tells, where `own` bytes of this process should wait; `has_paused` where pieces had to since the last look.
    pub(super) fn observe(&mut self, now: Time, queue: HostQueue, own: f64, has_paused: bool) {
        let sent = std::mem::take(&mut self.sent);
        self.theirs += WEIGHT * ((queue.waits as f64 - own).max(0.0) - self.theirs);
        let least = self.packet as u64;
        let had = self.last.is_some_and(|(_, before)| before.waits >= least) || sent >= self.budget / 2.0;
        if had && queue.waits < least {
            self.budget = (2.0 * self.budget).min(MOST);
        }
        let Some((at, before)) = self.last.replace((now, queue)) else {
            return;
        };
        let passed = now.saturating_sub(at);
        // Counters begin anew with another qdisc.
        let Some(left) = queue.left.checked_sub(before.left).filter(|_| passed < FORGOTTEN) else {
            return;
        };
        let came = (left + queue.waits).saturating_sub(before.waits) as f64;
        self.came += came;
        self.others += (came - sent).max(0.0);
        if before.waits >= least && queue.waits >= least {
            self.busy.add(passed, left);
        }
        if has_paused && queue.waits < least {
            self.paced.add(passed, left);
        }
        if let Some(rate) = self.paced.take_rate(self.packet) {
            self.carried = self.carried.map(|carried| match rate >= NEARLY * carried {
                true => carried * MORE,
                false => carried,
            });
        }
        if self.came >= 2.0 * PACKETS * self.packet {
            self.share += WEIGHT * (self.others / self.came - self.share);
            (self.came, self.others) = (0.0, 0.0);
        }
        if let Some(rate) = self.busy.take_rate(self.packet) {
            let known = self.carried.unwrap_or(rate);
            self.carried = Some(known + WEIGHT * (rate - known));
            self.times = self.times.saturating_add(1);
            self.seen += (1.0 / f64::from(self.times)).max(LEAST_WEIGHT) * (rate - self.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PACKET: f64 = 1500.0;

    /// Looks every five milliseconds for so long at a link that carries so many bytes a millisecond, with so many waiting; `own` of what came in is this
    /// process's.
    fn look(it: &mut Observed, from: (Time, u64), time: Duration, (rate, waits): (u64, u64), own: f64) -> (Time, u64) {
        let (mut now, mut left) = from;
        while now < from.0 + time {
            now += 5 * MS;
            left += 5 * rate;
            it.on_sent(own * 5.0 * rate as f64);
            it.observe(now, HostQueue { waits, left }, own * waits as f64, true);
        }
        (now, left)
    }

    fn is_near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    }

    #[test]
    fn what_leaves_while_something_waits_is_the_rate() {
        let mut it = Observed::new(PACKET);
        let begun = look(&mut it, (Time::ZERO, 0), 100 * MS, (1250, 0), 1.0);
        assert_eq!(it.rate(), None, "nothing waits, so it may carry more");
        let busy = look(&mut it, begun, 1000 * MS, (1250, 5000), 1.0);
        is_near(it.rate(), 1.25e6);
        let slower = look(&mut it, busy, 1000 * MS, (500, 5000), 1.0);
        is_near(it.rate(), 5e5);
        look(&mut it, slower, 1000 * MS, (2500, 5000), 1.0);
        is_near(it.rate(), 2.5e6);
        // Another queue counts from zero.
        it.observe(slower.0 + 2000 * MS, HostQueue { waits: 0, left: 7 }, 0.0, false);
        is_near(it.rate(), 2.5e6);
    }

    #[test]
    fn a_link_that_leaves_nothing_waiting_carries_more_than_was_known() {
        let mut it = Observed::new(PACKET);
        let busy = look(&mut it, (Time::ZERO, 0), 1000 * MS, (1250, 5000), 1.0);
        look(&mut it, busy, 1000 * MS, (2500, 0), 1.0);
        assert!(it.rate().unwrap() > 2e6);
    }

    #[test]
    fn what_pauses_for_another_reason_proves_nothing() {
        let mut it = Observed::new(PACKET);
        let busy = look(&mut it, (Time::ZERO, 0), 1000 * MS, (1250, 5000), 1.0);
        // Something else holds back what was given its turn.
        look(&mut it, busy, 5000 * MS, (600, 0), 1.0);
        is_near(it.rate(), 1.25e6);
    }

    #[test]
    fn more_is_sent_between_two_looks_as_long_as_little_waits() {
        let mut it = Observed::new(PACKET);
        let mut now = Time::ZERO;
        it.observe(now, HostQueue { waits: 0, left: 0 }, 0.0, false);
        let mut sent = 0.0;
        for _ in 0..8 {
            let before = sent;
            while it.has_room(0.0) {
                it.on_sent(PACKET);
                sent += PACKET;
            }
            assert!(sent - before >= FIRST && it.must_look(now, 0.0));
            now += MS;
            let left = sent as u64;
            it.observe(now, HostQueue { waits: 0, left }, 0.0, true);
        }
        assert!(it.budget > 100.0 * FIRST);
        it.on_sent(it.budget);
        let left = sent as u64;
        it.observe(now + MS, HostQueue { waits: 1 << 30, left }, 0.0, true);
        assert!(!it.has_room(0.0));
    }

    #[test]
    fn others_keep_what_they_use_up_to_half_of_the_link() {
        // Bytes that wait, this process's share, and what it may send of the link.
        for (waits, own, expected) in [
            (5000, 1.0, 1.0),
            (5000, 0.95, 1.0),
            (5000, 0.7, 0.7),
            (5000, 0.2, 0.5),
            (50_000, 0.7, 0.5),
        ] {
            let mut it = Observed::new(PACKET);
            look(&mut it, (Time::ZERO, 0), 5000 * MS, (1250, waits), own);
            is_near(it.rate(), expected * 1.25e6);
            assert_eq!(it.is_alone(), expected == 1.0);
        }
    }
}
