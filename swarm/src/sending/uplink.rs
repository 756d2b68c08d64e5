//! The uplink of a host, as all connections that send over it see it: of a rate that the manifest declares, or that the host's own queue shows.
//!
//! Where connections share it by turns, they send no faster together than it carries, so that nothing waits in a queue where its order cannot be changed
//! any more: pieces wait for their turn, messages and acknowledgements do not.

use std::time::Duration;

use super::observed::{HostQueue, Observed};
use crate::Time;

/// How long what waits at the uplink may take there: timers are late by a millisecond or two, and it must not run dry meanwhile.
const SLACK: Duration = Duration::from_millis(5);
/// The same in packets on slow links.
const PACKETS: f64 = 2.0;
/// Share of that at which more is sent.
const AGAIN: f64 = 0.5;
/// Share of the headroom up to which a connection may exceed its share of the link.
const ROOM: f64 = 0.25;
/// How often it is looked at what an uplink carries, so that others hear of it.
pub const MEASURED: Duration = Duration::from_millis(100);
/// The while of which a share was idle.
const IDLE_MEMORY: Duration = Duration::from_millis(100);
/// How long pieces wait for less in the host's queue before anything is known of its rate.
const PAUSE: Duration = Duration::from_millis(2);
/// What was given a turn so long ago and was not sent was dropped: a stream was reset.
const DROPPED: Duration = Duration::from_millis(200);
/// A window's surplus where nobody knows what the queue holds.
const HEADROOM: Duration = Duration::from_millis(25);

/// How connections share an uplink.
#[derive(Debug)]
enum Sharing {
    /// Each may have a share of what the link carries in a round trip on its way.
    Windows,
    /// By turns, at the declared rate.
    Turns,
    /// By turns, at the rate that the host's queue shows.
    Observed(Box<Observed>),
}

/// What all connections of a host have sent, and what its uplink has carried since.
#[derive(Debug)]
pub struct Uplink {
    sharing: Sharing,
    /// Bytes a second; without a bound until it was measured.
    rate: f64,
    /// A window's surplus over a round trip: half the time that the queue holds.
    headroom: Duration,
    /// Bytes of a full packet with all headers, and of those that the transport does not count.
    packet: f64,
    headers: f64,
    /// Connections that have anything in flight.
    active: u32,
    /// Share of the last while for which it had nothing to carry.
    idle: f64,
    /// Bytes that waited at the link at that time.
    backlog: f64,
    at: Time,
    /// Bytes of pieces that were given a turn and have not been seen on their way, and when they were.
    given: f64,
    given_at: Time,
    /// Pieces have had to wait since the host's queue was looked at.
    has_paused: bool,
}

impl Uplink {
    /// One of a declared rate, above zero, whose connections share it by windows; `rate` in bytes a second, `queue` in bytes.
    pub fn new(rate: f64, queue: f64, headers: u32) -> Self {
        let headroom = Duration::try_from_secs_f64(queue / rate / 2.0).unwrap_or(Duration::MAX);
        Self::of(Sharing::Windows, rate, headroom, (0.0, headers))
    }

    /// The same, shared by turns; `packet` is the size of a full packet without `headers` of IP and UDP, bytes.
    #[must_use]
    pub fn by_turns(self, packet: u32) -> Self {
        let sharing = Sharing::Turns;
        let packet = f64::from(packet) + self.headers;
        Self {
            sharing,
            packet,
            ..self
        }
    }

    /// One whose rate nobody declares, shared by turns as far as the host's queue shows it.
    pub fn observed(packet: u32, headers: u32) -> Self {
        let observed = Box::new(Observed::new(f64::from(packet + headers)));
        Self::of(
            Sharing::Observed(observed),
            f64::INFINITY,
            HEADROOM,
            (packet.into(), headers),
        )
    }

    fn of(sharing: Sharing, rate: f64, headroom: Duration, (packet, headers): (f64, u32)) -> Self {
        Self {
            sharing,
            rate,
            headroom,
            packet: packet + f64::from(headers),
            headers: headers.into(),
            active: 0,
            idle: 0.0,
            backlog: 0.0,
            at: Time::ZERO,
            given: 0.0,
            given_at: Time::ZERO,
            has_paused: false,
        }
    }

    /// Bytes a second that it carries, as far as that is known.
    pub fn rate(&self) -> Option<f64> {
        self.rate.is_finite().then_some(self.rate)
    }

    /// Bytes a second that it was measured to carry for this process, where nobody declares that.
    pub fn measured(&self) -> Option<f64> {
        match &self.sharing {
            Sharing::Observed(observed) => observed.measured(),
            Sharing::Windows | Sharing::Turns => None,
        }
    }

    #[cfg(test)]
    pub(super) fn now(&self) -> Time {
        self.at
    }

    pub(super) fn headroom(&self) -> Duration {
        self.headroom
    }

    /// Whether nobody declares its rate.
    pub fn is_observed(&self) -> bool {
        matches!(self.sharing, Sharing::Observed(_))
    }

    pub(crate) fn is_by_turns(&self) -> bool {
        !matches!(self.sharing, Sharing::Windows)
    }

    /// Connections that have anything in flight, beside one of which it is known whether it has.
    pub(super) fn others(&self, is_active: bool) -> u32 {
        self.active - u32::from(is_active)
    }

    /// Whether a connection has anything in flight, and whether it had.
    pub(super) fn set_active(&mut self, had: bool, has: bool) {
        self.active = self.active + u32::from(has) - u32::from(had);
    }

    /// Share of the last while for which it had nothing to carry.
    pub(super) fn idle(&self) -> f64 {
        self.idle
    }

    /// Bytes that connections may send beyond their shares.
    pub(super) fn room(&self) -> f64 {
        (ROOM * self.rate * self.headroom.as_secs_f64() - self.backlog).max(0.0)
    }

    /// A connection has sent so many bytes, headers not counted in. Where it is shared by turns, turns and datagrams say so.
    pub(super) fn sent_by_one(&mut self, now: Time, bytes: u64) {
        if !self.is_by_turns() {
            self.carry(now);
            self.backlog += bytes as f64 + self.headers;
        }
    }

    /// A piece has been given so many bytes' turn, headers counted in.
    pub fn give(&mut self, now: Time, bytes: f64) {
        self.carry(now);
        self.backlog += bytes;
        self.given += bytes;
        self.given_at = now;
    }

    /// A datagram of so many bytes was sent, headers counted in.
    pub fn on_datagram(&mut self, now: Time, bytes: f64) {
        if let Sharing::Observed(observed) = &mut self.sharing {
            observed.on_sent(bytes);
        }
        let unknown = (bytes - self.given).max(0.0);
        self.given = (self.given - bytes).max(0.0);
        self.carry(now);
        self.backlog += unknown;
    }

    /// Whether the host's queue has to be looked at before a piece gets its turn.
    pub fn must_look(&self, now: Time) -> bool {
        matches!(&self.sharing, Sharing::Observed(observed) if observed.must_look(now, self.given))
    }

    /// What the kernel tells of the host's queue, where no rate is declared. Where it never tells anything, nothing waits for its turn.
    pub fn observe(&mut self, now: Time, queue: HostQueue) {
        self.carry(now);
        if let Sharing::Observed(observed) = &mut self.sharing {
            let own = self.backlog - self.given;
            observed.observe(now, queue, own, std::mem::take(&mut self.has_paused));
            self.rate = observed.rate().unwrap_or(f64::INFINITY);
            if observed.is_alone() {
                self.backlog = queue.waits as f64 + self.given;
            }
        }
    }

    /// The host's queue cannot be seen any more: what was known of it holds no longer.
    pub fn lose_sight(&mut self) {
        if let Sharing::Observed(observed) = &mut self.sharing {
            **observed = Observed::new(self.packet);
            (self.rate, self.backlog) = (f64::INFINITY, 0.0);
        }
    }

    /// How long what is not urgent has to wait; none where it may go.
    pub fn wait(&mut self, now: Time) -> Option<Duration> {
        self.carry(now);
        if let Sharing::Observed(observed) = &self.sharing
            && self.rate().is_none()
        {
            return (!observed.has_room(self.given)).then_some(PAUSE);
        }
        let slack = (self.rate * SLACK.as_secs_f64()).max(PACKETS * self.packet);
        let over = self.backlog - slack;
        self.has_paused |= over > 0.0;
        let until = self.backlog - AGAIN * slack;
        (over > 0.0).then(|| Duration::from_secs_f64(until / self.rate))
    }

    /// Lets the link carry what it can until now.
    pub(super) fn carry(&mut self, now: Time) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        if now.saturating_sub(self.given_at) > DROPPED {
            self.given = 0.0;
        }
        if self.rate.is_finite() && passed > 0.0 {
            let idle = (1.0 - self.backlog / (self.rate * passed)).max(0.0);
            self.idle += (idle - self.idle) * (passed / IDLE_MEMORY.as_secs_f64()).min(1.0);
            self.backlog = (self.backlog - passed * self.rate).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PACKET: f64 = 1500.0;

    #[test]
    fn little_waits_and_the_rate_is_kept() {
        // 1 Mbit/s, 10 Mbit/s, 1 Gbit/s.
        for (rate, slack) in [(125e3, 3000.0), (1.25e6, 6250.0), (125e6, 625e3)] {
            let mut uplink = Uplink::new(rate, 1e6, 28).by_turns(1472);
            let (mut now, mut sent) = (Time::ZERO, 0.0);
            while now < Duration::from_secs(10) {
                match uplink.wait(now) {
                    // A timer that is late.
                    Some(pause) => now += pause + 2 * MS,
                    None => {
                        uplink.give(now, PACKET);
                        uplink.on_datagram(now, PACKET);
                        sent += PACKET;
                        assert!(uplink.backlog <= slack + PACKET);
                    }
                }
            }
            let share: f64 = sent / (10.0 * rate);
            assert!((share - 1.0).abs() < 0.01, "{rate}: {share}");
            // What was not used is gone.
            now += Duration::from_secs(100);
            let mut at_once = 0.0;
            while uplink.wait(now).is_none() {
                uplink.give(now, PACKET);
                at_once += PACKET;
            }
            assert!(at_once <= slack + PACKET);
        }
    }

    #[test]
    fn what_was_given_a_turn_counts_once() {
        let mut uplink = Uplink::new(1.25e6, 1e6, 28).by_turns(1472);
        uplink.give(Time::ZERO, 4.0 * PACKET);
        for _ in 0..4 {
            uplink.on_datagram(Time::ZERO, PACKET);
        }
        assert_eq!(uplink.backlog, 4.0 * PACKET);
        uplink.on_datagram(Time::ZERO, 100.0);
        assert_eq!(uplink.backlog, 4.0 * PACKET + 100.0);
    }

    /// A host's queue, first in, first out, that others send to as well.
    struct Host {
        rate: f64,
        at: Time,
        waits: f64,
        left: f64,
    }

    impl Host {
        fn pass(&mut self, now: Time) {
            let carried = (now - self.at).as_secs_f64() * self.rate;
            self.left += carried.min(self.waits);
            self.waits = (self.waits - carried).max(0.0);
            self.at = now;
        }

        fn queue(&self) -> HostQueue {
            HostQueue {
                waits: self.waits as u64,
                left: self.left as u64,
            }
        }
    }

    /// Sends for ten seconds, and others fill what they are left of the queue's 50 ms; the share of the link, and the most that waited in the second half.
    fn run(rate: f64, others: bool) -> (f64, f64) {
        let mut uplink = Uplink::observed(1458, 42);
        let mut host = Host {
            rate,
            at: Time::ZERO,
            waits: 0.0,
            left: 0.0,
        };
        let (mut now, mut sent, mut most) = (Time::ZERO, 0.0, 0.0_f64);
        while now < Duration::from_secs(10) {
            host.pass(now);
            if others {
                host.waits = host.waits.max(0.05 * rate);
            }
            if uplink.must_look(now) {
                uplink.observe(now, host.queue());
            }
            if let Some(pause) = uplink.wait(now) {
                now += pause + MS;
                continue;
            }
            uplink.give(now, PACKET);
            uplink.on_datagram(now, PACKET);
            host.waits += PACKET;
            if now > Duration::from_secs(5) {
                sent += PACKET;
                most = most.max(host.waits);
            }
        }
        (sent / (5.0 * rate), most)
    }

    #[test]
    fn a_link_of_a_rate_that_nobody_declares_is_filled_and_its_queue_is_not() {
        for rate in [125e3, 1.25e6, 12.5e6] {
            let (share, most) = run(rate, false);
            assert!((0.98..1.01).contains(&share), "{rate}: {share}");
            let slack = (rate * SLACK.as_secs_f64()).max(PACKETS * PACKET);
            assert!(most <= 1.5 * slack + 2.0 * PACKET, "{rate}: {most}");
        }
    }

    #[test]
    fn others_in_the_same_queue_have_half_of_the_link() {
        let (share, _) = run(1.25e6, true);
        assert!((0.4..0.6).contains(&share), "{share}");
    }

    #[test]
    fn what_nobody_looks_at_bounds_nothing() {
        let mut uplink = Uplink::observed(1458, 42);
        uplink.observe(
            Time::ZERO,
            HostQueue {
                waits: 1 << 20,
                left: 0,
            },
        );
        assert!(uplink.wait(Time::ZERO).is_some(), "enough waits already");
        uplink.lose_sight();
        for _ in 0..1000 {
            assert_eq!(uplink.wait(Time::ZERO), None);
            uplink.give(Time::ZERO, PACKET);
        }
        assert_eq!(uplink.rate(), None);
    }
}
