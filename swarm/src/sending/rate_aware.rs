//! Congestion control for a link whose rate is known: the manifest declares it, so there is nothing to search for.
//!
//! Loss-based controllers take every loss for congestion. With the share p of packets lost at random, a window of theirs
//! carries at most about 1.22·MSS ÷ (RTT·√p) (M. Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance
//! Algorithm", ACM CCR 27(3), 1997): 1.4 Mbit/s at 100 ms and 1 %, whatever the link. Here the window is what the link carries
//! in a round trip, with a little more so that a queue of some packets hides gaps:
//!
//! `window = share · rate · (least RTT + headroom)`, headroom = half the time that the link's queue holds
//!
//! All connections share the link. Each may have an equal share of that in flight, of those that have anything in flight; and
//! beyond it, up to its ceiling, whatever fits before a quarter of the headroom is full: what has been sent at once and what the
//! rate has carried since say how much waits at the link. So the link is never idle while there is something to send, however
//! late acknowledgements are, and connections that are busy come to equal shares. A quarter, because what one connection takes
//! beyond its share comes to its receiver in one go, where others send too.
//!
//! A receiver's link may be narrower, or others may send there too, and nobody tells. So a connection has a ceiling. It goes down to
//! 0.85 of what was in flight, and not below an equal share, when every packet of a round trip took longer than the least and the whole queue together (the
//! receiver's queue is half full); below it when more than 15 % of a round trip's bytes were lost, and to half in persistent congestion;
//! it rises by a tenth of the link in each round trip without that. Isolated losses change nothing, nor do moments in which a busy
//! machine lets the process wait.

use std::{collections::VecDeque, time::Duration};

use super::uplink::Uplink;
use crate::Time;

/// Round trip that is assumed before one was measured.
const FIRST_RTT: Duration = Duration::from_millis(50);
/// Packets that a connection may have in flight in any case: fewer cannot tell a loss by the packets after it.
const LEAST_PACKETS: u64 = 4;
/// A round trip is too long when it is so many headrooms longer than the least.
const LONGER: u32 = 2;
/// Share of lost bytes from which a connection gives way.
const MANY_LOST: f64 = 0.15;
/// The ceiling in parts of what was in flight, after a round trip that was too long or lost too much.
const LESS: f64 = 0.85;
/// The increase of the ceiling after one that was neither, in windows with the whole link.
const MORE: f64 = 0.1;
/// Least ceiling.
const LEAST: f64 = 0.1;
/// Highest ceiling, in windows with the whole link.
const MOST: f64 = 2.0;
/// Packets of a window beside what the link carries in a round trip, where connections share it by turns: as many as are acknowledged together, twice, since
/// the word of the first ones is on its way while the others are sent, and two.
const PACED_PACKETS: f64 = 2.0 * super::ACKNOWLEDGED_TOGETHER as f64 + 2.0;
/// The most of a share where round trips are long, in such windows.
const MOST_TURNS: f64 = 2.0;
/// Of what nobody used lately each connection may take so many times as much: whoever has something to send has it soon, and whoever takes too much is not
/// there for long.
const OF_IDLE: f64 = 6.0;
/// What may be idle because timers are late.
const UNUSED: f64 = 0.1;
/// The time that a least round trip is remembered for, in halves: routes change.
const MEMORY: Duration = Duration::from_secs(30);

/// The controller of one connection.
#[derive(Debug)]
pub struct RateAware {
    mtu: u64,
    in_flight: u64,
    /// Whether it has been counted among those that have anything in flight.
    is_active: bool,
    /// The least round trips of this and of the last half of the memory.
    least: VecDeque<(Time, Duration)>,
    smoothed: Duration,
    /// The most that may be in flight, in windows with the whole link.
    ceiling: f64,
    /// The most that was in flight since the epoch.
    peak: u64,
    epoch: Time,
    acked: u64,
    lost: u64,
    /// The shortest round trip since the epoch.
    shortest: Option<Duration>,
}

impl RateAware {
    /// A connection with nothing in flight; `mtu` is the size of a full packet, bytes.
    pub fn new(now: Time, mtu: u64) -> Self {
        Self {
            mtu,
            in_flight: 0,
            is_active: false,
            least: VecDeque::new(),
            smoothed: FIRST_RTT,
            ceiling: MOST,
            peak: 0,
            epoch: now,
            acked: 0,
            lost: 0,
            shortest: None,
        }
    }

    /// The same connection over a path on which nothing is in flight yet.
    #[must_use]
    pub fn on_new_path(&self) -> Self {
        Self {
            least: self.least.clone(),
            smoothed: self.smoothed,
            ..Self::new(self.epoch, self.mtu)
        }
    }

    /// The size of a full packet has changed, bytes.
    pub fn set_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
    }

    /// So many bytes of packets were sent, headers of IP and UDP not counted in.
    pub fn on_sent(&mut self, link: &mut Uplink, now: Time, bytes: u64) {
        link.sent_by_one(now, bytes);
        self.in_flight += bytes;
        self.peak = self.peak.max(self.in_flight);
        self.tell(link);
    }

    /// So many bytes have been acknowledged, `rtt` after they were sent; `smoothed` is the mean of round trips.
    pub fn on_ack(&mut self, link: &mut Uplink, now: Time, bytes: u64, rtt: Duration, smoothed: Duration) {
        self.learn(now, rtt);
        link.carry(now);
        self.shortest = Some(self.shortest.map_or(rtt, |shortest| shortest.min(rtt)));
        self.smoothed = smoothed;
        self.acked += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.assess(link, now);
        self.tell(link);
    }

    /// So many bytes have not come; `is_persistent` when nothing has for long (RFC 9002, 7.6).
    pub fn on_loss(&mut self, link: &mut Uplink, now: Time, bytes: u64, is_persistent: bool) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.lost += bytes;
        if is_persistent {
            self.ceiling = (self.ceiling.min(1.0) / 2.0).max(LEAST);
            self.begin(now);
        }
        self.tell(link);
    }

    /// Bytes in flight, as the transport counts them.
    pub fn set_in_flight(&mut self, link: &mut Uplink, bytes: u64) {
        self.in_flight = bytes;
        self.tell(link);
    }

    /// Bytes that may be in flight.
    pub fn window(&self, link: &Uplink) -> u64 {
        if link.is_by_turns() {
            let turns = self.turns(link);
            let least = self.equal_turns(link, turns).max(self.floor() as f64);
            return (self.ceiling.min(1.0) * turns).max(least) as u64;
        }
        let full = self.full(link);
        let more = self.in_flight as f64 + link.room();
        let window = (self.share(link) * full).max(more).min(self.ceiling * full);
        (window as u64).max(self.floor())
    }

    /// The window where the link says who sends when, bytes.
    fn turns(&self, link: &Uplink) -> f64 {
        let carried = |rate: f64| rate * self.least_rtt().as_secs_f64() + PACED_PACKETS * self.mtu as f64;
        link.rate().map_or(f64::MAX, carried)
    }

    /// What is left to a connection there however long round trips are, bytes: an equal share of what the link carries in one as it is now, and what others
    /// leave of it. They are long where acknowledgements wait for what others send to this host, too, and sending less shortens none of those. One that has the
    /// link to itself could fill any queue with that. Losses leave less.
    fn equal_turns(&self, link: &Uplink, turns: f64) -> f64 {
        let share = self.share(link);
        let carried = link.rate().unwrap_or(0.0) * self.smoothed.as_secs_f64();
        let most = if share < 1.0 { MOST_TURNS * turns } else { turns };
        // Long round trips alone never bring the ceiling below a share.
        let left = (self.ceiling / share).min(1.0);
        let share = (share + OF_IDLE * (link.idle() - UNUSED).max(0.0)).min(1.0);
        left * (share * carried + self.floor() as f64).min(most)
    }

    fn least_rtt(&self) -> Duration {
        let known = self.least.iter().map(|(_, rtt)| *rtt).min();
        known.unwrap_or(FIRST_RTT)
    }

    fn learn(&mut self, now: Time, rtt: Duration) {
        match self.least.back_mut() {
            Some((since, least)) if now.saturating_sub(*since) < MEMORY / 2 => {
                *least = rtt.min(*least);
            }
            _ => self.least.push_back((now, rtt)),
        }
        if self.least.len() > 2 {
            self.least.pop_front();
        }
    }

    /// The window with the whole link and without congestion, bytes.
    fn full(&self, link: &Uplink) -> f64 {
        let span = self.least_rtt().saturating_add(link.headroom());
        let carried = link.rate().unwrap_or(0.0) * span.as_secs_f64();
        carried.max(self.floor() as f64)
    }

    fn floor(&self) -> u64 {
        LEAST_PACKETS * self.mtu
    }

    /// Tells the other connections whether this one uses the link.
    fn tell(&mut self, link: &mut Uplink) {
        let is_active = self.in_flight > 0;
        link.set_active(std::mem::replace(&mut self.is_active, is_active), is_active);
    }

    /// An equal share of the link, of those that have anything in flight.
    fn share(&self, link: &Uplink) -> f64 {
        1.0 / (f64::from(link.others(self.is_active)) + 1.0)
    }

    fn begin(&mut self, now: Time) {
        (self.epoch, self.peak) = (now, self.in_flight);
        (self.acked, self.lost, self.shortest) = (0, 0, None);
    }

    /// Once in a round trip, decides whether the way is congested.
    fn assess(&mut self, link: &Uplink, now: Time) {
        if now.saturating_sub(self.epoch) < self.smoothed {
            return;
        }
        let all = self.acked + self.lost;
        // A loss among a few packets says nothing about a share.
        let is_lossy = self.lost > 4 * self.mtu && self.lost as f64 > MANY_LOST * all as f64;
        let long = self.least_rtt() + link.headroom() * LONGER;
        let is_long = self.shortest.is_some_and(|shortest| shortest > long);
        let used = self.peak as f64 / self.full(link);
        self.ceiling = if is_lossy {
            (self.ceiling.min(used) * LESS).max(LEAST)
        } else if is_long {
            // Whoever has no more than its share is not the one to give way.
            (self.ceiling.min(used) * LESS).max(self.share(link))
        } else {
            (self.ceiling + MORE).min(MOST)
        };
        self.begin(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MTU: u64 = 1452;

    /// 20 Mbit/s with a queue of 100 ms.
    fn link() -> Uplink {
        Uplink::new(2_500_000.0, 250_000.0, 0)
    }

    /// A connection whose packets take `rtt`; now is some round trips after its start.
    fn settled(link: &mut Uplink, rtt: Duration) -> (RateAware, Time) {
        let mut now = link.now() + rtt;
        let mut it = RateAware::new(now, MTU);
        for _ in 0..4 {
            now = pass(&mut it, link, now, (10, 0), rtt);
        }
        (it, now)
    }

    /// A round trip in which so many packets come through, and so many are lost.
    fn pass(it: &mut RateAware, link: &mut Uplink, sent: Time, (packets, lost): (u64, u64), rtt: Duration) -> Time {
        let now = sent + rtt;
        it.on_sent(link, sent, (packets + lost) * MTU);
        if lost > 0 {
            it.on_loss(link, now, lost * MTU, false);
        }
        for _ in 0..packets {
            it.on_ack(link, now, MTU, rtt, rtt);
        }
        it.set_in_flight(link, 0);
        now
    }

    #[test]
    fn the_window_is_what_the_link_carries_in_a_round_trip_and_a_little_more() {
        for (rtt, expected) in [
            (10, 2_500.0 * (10.0 + 50.0)),
            (100, 2_500.0 * (100.0 + 50.0)),
            (400, 2_500.0 * (400.0 + 50.0)),
        ] {
            let mut link = link();
            let (it, _) = settled(&mut link, MS * rtt);
            let window = it.window(&link) as f64;
            assert!((window / expected - 1.0).abs() < 0.001, "{rtt}: {window}");
        }
    }

    #[test]
    fn isolated_losses_change_nothing_and_many_do_for_a_while() {
        let mut link = link();
        let rtt = 100 * MS;
        let (mut it, mut now) = settled(&mut link, rtt);
        let before = it.window(&link);
        for _ in 0..50 {
            now = pass(&mut it, &mut link, now, (95, 5), rtt);
        }
        assert_eq!(it.window(&link), before);
        now = pass(&mut it, &mut link, now, (80, 20), rtt);
        now = pass(&mut it, &mut link, now, (80, 20), rtt);
        assert!(it.window(&link) < before * 8 / 10);
        for _ in 0..10 {
            now = pass(&mut it, &mut link, now, (95, 5), rtt);
        }
        assert_eq!(it.window(&link), before);
    }

    #[test]
    fn long_round_trips_make_it_give_way_to_its_share() {
        let mut link = link();
        let (mut it, mut now) = settled(&mut link, 50 * MS);
        let (mut other, since) = settled(&mut link, 50 * MS);
        let whole = other.window(&link);
        other.on_sent(&mut link, since, 1);
        // All that is in flight is this connection's.
        for _ in 0..10 {
            now = pass(&mut it, &mut link, now, (150, 0), 151 * MS);
        }
        it.on_sent(&mut link, now, whole);
        let window = it.window(&link);
        assert!(window.abs_diff(whole / 2) <= 1, "{window}");
    }

    #[test]
    fn a_share_of_turns_grows_with_the_round_trip_unless_it_is_all() {
        let mut link = link().by_turns(MTU as u32);
        let (mut it, mut now) = settled(&mut link, MS);
        let turns = 2_500_000.0 * 0.001 + PACED_PACKETS * MTU as f64;
        assert_eq!(it.window(&link), turns as u64);
        // Three others have the link as well, and all round trips take far longer than the least.
        link.set_active(false, true);
        link.set_active(false, true);
        link.set_active(false, true);
        for (rtt, expected) in [
            (40 * MS, 2_500_000.0 * 0.04 / 4.0 + 4.0 * MTU as f64),
            (400 * MS, MOST_TURNS * turns),
        ] {
            for _ in 0..40 {
                now = pass(&mut it, &mut link, now, (10, 0), rtt);
            }
            let window = it.window(&link);
            assert!(
                window as f64 >= expected.min(MOST_TURNS * turns) - 1.0,
                "{window} {expected}"
            );
            assert!(window as f64 <= MOST_TURNS * turns, "{window} {expected}");
        }
        // Alone it has no more than without that.
        for _ in 0..3 {
            link.set_active(true, false);
        }
        now = pass(&mut it, &mut link, now, (10, 0), 400 * MS);
        assert_eq!(it.window(&link), turns as u64);
        // Losses leave less, whatever round trips are.
        for _ in 0..10 {
            now = pass(&mut it, &mut link, now, (10, 10), 400 * MS);
        }
        assert!(it.window(&link) < turns as u64 / 2, "{}", it.window(&link));
    }

    #[test]
    fn what_the_others_leave_of_a_link_is_taken() {
        let mut link = link().by_turns(MTU as u32);
        let (mut it, mut now) = settled(&mut link, MS);
        for _ in 0..3 {
            link.set_active(false, true);
        }
        let (rtt, carried) = (40 * MS, 2_500_000.0 * 0.04);
        let equal = carried / 4.0 + LEAST_PACKETS as f64 * MTU as f64;
        let most = MOST_TURNS * (2_500_000.0 * 0.001 + PACED_PACKETS * MTU as f64);
        for (used, expected) in [(1.0, equal), (0.5, most), (1.0, equal)] {
            for _ in 0..40 {
                link.give(now, used * carried);
                now = pass(&mut it, &mut link, now, (10, 0), rtt);
            }
            let window = it.window(&link) as f64;
            assert!((window - expected).abs() < 2.0, "{used}: {window} {expected}");
        }
    }

    #[test]
    fn persistent_congestion_halves() {
        let mut link = link();
        let (mut it, now) = settled(&mut link, 100 * MS);
        let before = it.window(&link);
        it.on_loss(&mut link, now, 1000, true);
        assert_eq!(it.window(&link), before / 2);
    }

    #[test]
    fn connections_share_what_the_link_carries_and_leave_what_they_do_not_need() {
        let mut link = link();
        let mut all: Vec<_> = (0..4).map(|_| settled(&mut link, 100 * MS)).collect();
        let whole = all[0].0.window(&link);
        assert_eq!(all[3].0.window(&link), whole);
        // One after the other fills its window.
        for (it, now) in &mut all {
            let window = it.window(&link);
            it.on_sent(&mut link, *now, window);
        }
        // What is in flight may go on, nobody gets more, and everybody at least an equal share.
        assert_eq!(link.others(false), 4);
        for (it, _) in &all {
            let window = it.window(&link);
            assert!(window + 1 >= whole / 4, "{window}");
            assert!(window <= it.in_flight + 1, "{window}");
        }
        // What one that ends leaves is free again.
        for (it, _) in &mut all {
            it.set_in_flight(&mut link, 0);
        }
        assert_eq!(link.others(false), 0);
    }

    #[test]
    fn an_idle_link_is_used_however_late_acknowledgements_are() {
        let mut link = link();
        let (mut it, mut now) = settled(&mut link, 100 * MS);
        let whole = it.window(&link);
        it.on_sent(&mut link, now, whole);
        assert!(it.window(&link) <= it.in_flight, "the link is full");
        // All of it has left, and nothing has come back.
        now += 200 * MS;
        it.on_ack(&mut link, now, 1, 100 * MS, 100 * MS);
        let room = 2_500 * 50 / 4;
        assert!(it.window(&link).abs_diff(it.in_flight + room) <= 1);
        for _ in 0..20 {
            it.on_sent(&mut link, now, room);
            now += 200 * MS;
            it.on_ack(&mut link, now, 1, 100 * MS, 100 * MS);
        }
        assert_eq!(it.window(&link), 2 * whole);
    }

    #[test]
    fn a_longer_way_is_found_after_a_while() {
        let mut link = link();
        let (mut it, mut now) = settled(&mut link, 10 * MS);
        for _ in 0..400 {
            now = pass(&mut it, &mut link, now, (10, 0), 100 * MS);
        }
        assert_eq!(it.least_rtt(), 100 * MS);
    }
}
