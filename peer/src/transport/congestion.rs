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
//! beyond it, up to its ceiling, whatever fits before the headroom is full: what has been sent at once and what the rate has
//! carried since say how much waits at the link. So the link is never idle while there is something to send, however late
//! acknowledgements are, and connections that are busy come to equal shares.
//!
//! A receiver's link may be narrower, or others may send there too, and nobody tells. So a connection has a ceiling. It goes down to
//! 0.85 of what was in flight, and not below an equal share, when every packet of a round trip took longer than the least and the whole queue together (the
//! receiver's queue is half full); below it when more than 15 % of a round trip's bytes were lost, and to half in persistent congestion;
//! it rises by a tenth of the link in each round trip without that. Isolated losses change nothing, nor do moments in which a busy
//! machine lets the process wait.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use fltorrent_crds::plan::RatePlan;
use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

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
/// What is added to the ceiling after one that was neither, in windows with the whole link.
const MORE: f64 = 0.1;
/// Least ceiling.
const LEAST: f64 = 0.1;
/// Highest ceiling, in windows with the whole link.
const MOST: f64 = 2.0;
/// What IP and UDP add to a packet, bytes.
const HEADERS: f64 = 28.0;
/// The time that a least round trip is remembered for, in halves: routes change.
const MEMORY: Duration = Duration::from_secs(30);

/// Makes controllers that share one link.
#[derive(Debug)]
pub(super) struct RateAwareConfig {
    /// Bytes a second.
    rate: f64,
    /// What the window has beyond a round trip: half the time that the queue holds.
    headroom: Duration,
    /// Connections that have anything in flight.
    active: AtomicU32,
    backlog: Mutex<Backlog>,
}

/// What waits at the link.
#[derive(Clone, Copy, Debug)]
struct Backlog {
    at: Option<Instant>,
    bytes: f64,
}

impl RateAwareConfig {
    pub(super) fn new(link: RatePlan) -> Self {
        Self {
            rate: link.bytes(),
            headroom: Duration::from_secs_f64(link.queue as f64 / link.bytes() / 2.0),
            active: AtomicU32::new(0),
            backlog: Mutex::new(Backlog {
                at: None,
                bytes: 0.0,
            }),
        }
    }

    /// Lets the link carry what it can until now, and adds what is sent.
    fn add(&self, now: Instant, bytes: f64) {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        let since = backlog.at.unwrap_or(now);
        let carried = now.saturating_duration_since(since).as_secs_f64() * self.rate;
        backlog.bytes = (backlog.bytes - carried).max(0.0) + bytes;
        backlog.at = Some(now.max(since));
    }

    /// Bytes that may be sent before the headroom is full.
    fn room(&self) -> f64 {
        let backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        (self.rate * self.headroom.as_secs_f64() - backlog.bytes).max(0.0)
    }
}

impl ControllerFactory for RateAwareConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(RateAware::new(self, now, current_mtu))
    }
}

/// The controller of one connection.
#[derive(Debug)]
struct RateAware {
    link: Arc<RateAwareConfig>,
    mtu: u64,
    in_flight: u64,
    /// Whether it has been counted among those that have anything in flight.
    is_active: bool,
    /// The least round trips of this and of the last half of the memory.
    least: VecDeque<(Instant, Duration)>,
    smoothed: Duration,
    /// The most that may be in flight, in windows with the whole link.
    ceiling: f64,
    /// The most that was in flight since the epoch.
    peak: u64,
    epoch: Instant,
    acked: u64,
    lost: u64,
    /// The shortest round trip since the epoch.
    shortest: Option<Duration>,
}

impl RateAware {
    fn new(link: Arc<RateAwareConfig>, now: Instant, mtu: u16) -> Self {
        Self {
            link,
            mtu: mtu.into(),
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

    fn least_rtt(&self) -> Duration {
        let known = self.least.iter().map(|(_, rtt)| *rtt).min();
        known.unwrap_or(FIRST_RTT)
    }

    fn learn(&mut self, now: Instant, rtt: Duration) {
        match self.least.back_mut() {
            Some((since, least)) if now.saturating_duration_since(*since) < MEMORY / 2 => {
                *least = rtt.min(*least);
            }
            _ => self.least.push_back((now, rtt)),
        }
        if self.least.len() > 2 {
            self.least.pop_front();
        }
    }

    /// The window with the whole link and without congestion, bytes.
    fn full(&self) -> f64 {
        let full = self.link.rate * (self.least_rtt() + self.link.headroom).as_secs_f64();
        full.max(self.floor() as f64)
    }

    fn floor(&self) -> u64 {
        LEAST_PACKETS * self.mtu
    }

    /// Tells the other connections whether this one uses the link.
    fn tell(&mut self) {
        let is_active = self.in_flight > 0;
        match (std::mem::replace(&mut self.is_active, is_active), is_active) {
            (false, true) => self.link.active.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.link.active.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }

    fn window(&self) -> u64 {
        let full = self.full();
        let more = self.in_flight as f64 + self.link.room();
        let window = (self.share() * full).max(more).min(self.ceiling * full);
        (window as u64).max(self.floor())
    }

    /// An equal share of the link, of those that have anything in flight.
    fn share(&self) -> f64 {
        let others = self.link.active.load(Ordering::Relaxed) - u32::from(self.is_active);
        1.0 / (f64::from(others) + 1.0)
    }

    fn on_acked(&mut self, now: Instant, sent: Instant, bytes: u64, smoothed: Duration) {
        self.link.add(now, 0.0);
        let rtt = now.saturating_duration_since(sent);
        self.learn(now, rtt);
        self.shortest = Some(self.shortest.map_or(rtt, |shortest| shortest.min(rtt)));
        self.smoothed = smoothed;
        self.acked += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.assess(now);
        self.tell();
    }

    fn begin(&mut self, now: Instant) {
        (self.epoch, self.peak) = (now, self.in_flight);
        (self.acked, self.lost, self.shortest) = (0, 0, None);
    }

    /// Once in a round trip, decides whether the way is congested.
    fn assess(&mut self, now: Instant) {
        if now.saturating_duration_since(self.epoch) < self.smoothed {
            return;
        }
        let all = self.acked + self.lost;
        // A loss among a few packets says nothing about a share.
        let is_lossy = self.lost > 4 * self.mtu && self.lost as f64 > MANY_LOST * all as f64;
        let long = self.least_rtt() + self.link.headroom * LONGER;
        let is_long = self.shortest.is_some_and(|shortest| shortest > long);
        let used = self.peak as f64 / self.full();
        self.ceiling = if is_lossy {
            (self.ceiling.min(used) * LESS).max(LEAST)
        } else if is_long {
            // Whoever has no more than its share is not the one to give way.
            (self.ceiling.min(used) * LESS).max(self.share())
        } else {
            (self.ceiling + MORE).min(MOST)
        };
        tracing::trace!(
            acked = self.acked,
            lost = self.lost,
            smoothed = ?self.smoothed,
            least = ?self.least_rtt(),
            in_flight = self.in_flight,
            window = self.window(),
            ceiling = self.ceiling,
            "round trip"
        );
        self.begin(now);
    }
}

impl Drop for RateAware {
    fn drop(&mut self) {
        self.in_flight = 0;
        self.tell();
    }
}

impl Controller for RateAware {
    fn on_sent(&mut self, now: Instant, bytes: u64, _: u64) {
        self.link.add(now, bytes as f64 + HEADERS);
        self.in_flight += bytes;
        self.peak = self.peak.max(self.in_flight);
        self.tell();
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _: bool, rtt: &RttEstimator) {
        self.on_acked(now, sent, bytes, rtt.get());
    }

    fn on_end_acks(&mut self, _: Instant, in_flight: u64, _: bool, _: Option<u64>) {
        self.in_flight = in_flight;
        self.tell();
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        _: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.in_flight = self.in_flight.saturating_sub(lost_bytes);
        self.lost += lost_bytes;
        if is_persistent_congestion {
            self.ceiling = (self.ceiling.min(1.0) / 2.0).max(LEAST);
            self.begin(now);
        }
        self.tell();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu.into();
    }

    fn window(&self) -> u64 {
        self.window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        // A new path begins with nothing in flight.
        let mut clone = Self::new(Arc::clone(&self.link), self.epoch, 0);
        clone.mtu = self.mtu;
        clone.least.clone_from(&self.least);
        clone.smoothed = self.smoothed;
        Box::new(clone)
    }

    fn initial_window(&self) -> u64 {
        self.window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MTU: u16 = 1452;

    /// 20 Mbit/s with a queue of 100 ms.
    fn link() -> Arc<RateAwareConfig> {
        Arc::new(RateAwareConfig::new(RatePlan {
            rate: 20_000_000,
            queue: 250_000,
        }))
    }

    /// A connection whose packets take `rtt`; now is some round trips after its start.
    fn settled(link: &Arc<RateAwareConfig>, rtt: Duration) -> (RateAware, Instant) {
        let mut now = Instant::now();
        let mut it = RateAware::new(Arc::clone(link), now, MTU);
        for _ in 0..4 {
            now = pass(&mut it, now, 10, 0, rtt);
        }
        (it, now)
    }

    /// A round trip in which so many packets come through, and so many are lost.
    fn pass(it: &mut RateAware, sent: Instant, packets: u64, lost: u64, rtt: Duration) -> Instant {
        let now = sent + rtt;
        let bytes = u64::from(MTU);
        it.on_sent(sent, (packets + lost) * bytes, 0);
        if lost > 0 {
            it.on_congestion_event(now, sent, false, lost * bytes);
        }
        for _ in 0..packets {
            it.on_acked(now, sent, bytes, rtt);
        }
        it.on_end_acks(now, 0, false, None);
        now
    }

    #[test]
    fn the_window_is_what_the_link_carries_in_a_round_trip_and_a_little_more() {
        for (rtt, expected) in [
            (10, 2_500.0 * (10.0 + 50.0)),
            (100, 2_500.0 * (100.0 + 50.0)),
            (400, 2_500.0 * (400.0 + 50.0)),
        ] {
            let (it, _) = settled(&link(), MS * rtt);
            let window = it.window() as f64;
            assert!((window / expected - 1.0).abs() < 0.001, "{rtt}: {window}");
        }
    }

    #[test]
    fn isolated_losses_change_nothing_and_many_do_for_a_while() {
        let (mut it, mut now) = settled(&link(), 100 * MS);
        let before = it.window();
        for _ in 0..50 {
            now = pass(&mut it, now, 95, 5, 100 * MS);
        }
        assert_eq!(it.window(), before);
        now = pass(&mut it, now, 80, 20, 100 * MS);
        now = pass(&mut it, now, 80, 20, 100 * MS);
        assert!(it.window() < before * 8 / 10);
        for _ in 0..10 {
            now = pass(&mut it, now, 95, 5, 100 * MS);
        }
        assert_eq!(it.window(), before);
    }

    #[test]
    fn long_round_trips_make_it_give_way_to_its_share() {
        let link = link();
        let (mut it, mut now) = settled(&link, 50 * MS);
        let (mut other, since) = settled(&link, 50 * MS);
        let whole = other.window();
        other.on_sent(since, 1, 0);
        // All that is in flight is this connection's.
        for _ in 0..10 {
            now = pass(&mut it, now, 150, 0, 151 * MS);
        }
        it.on_sent(now, whole, 0);
        assert!(it.window().abs_diff(whole / 2) <= 1, "{}", it.window());
    }

    #[test]
    fn persistent_congestion_halves() {
        let (mut it, now) = settled(&link(), 100 * MS);
        let before = it.window();
        it.on_congestion_event(now, now, true, 1000);
        assert_eq!(it.window(), before / 2);
    }

    #[test]
    fn connections_share_what_the_link_carries_and_leave_what_they_do_not_need() {
        let link = link();
        let mut all: Vec<_> = (0..4).map(|_| settled(&link, 100 * MS)).collect();
        let whole = all[0].0.window();
        assert_eq!(all[3].0.window(), whole);
        // One after the other fills its window.
        for (it, now) in &mut all {
            let window = it.window();
            it.on_sent(*now, window, 0);
        }
        // What is in flight may go on, nobody gets more, and everybody at least an equal share.
        assert_eq!(link.active.load(Ordering::Relaxed), 4);
        for (it, _) in &all {
            let window = it.window();
            assert!(window + 1 >= whole / 4, "{window}");
            assert!(window <= it.in_flight + 1, "{window}");
        }
        // What one that ends leaves is free again.
        all.clear();
        assert_eq!(link.active.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_idle_link_is_used_however_late_acknowledgements_are() {
        let (mut it, mut now) = settled(&link(), 100 * MS);
        let whole = it.window();
        it.on_sent(now, whole, 0);
        assert!(it.window() <= it.in_flight, "the link is full");
        // All of it has left, and nothing has come back.
        now += 200 * MS;
        it.on_acked(now, now - 100 * MS, 1, 100 * MS);
        let room = 2_500 * 50;
        assert!(it.window().abs_diff(it.in_flight + room) <= 1);
        for _ in 0..10 {
            it.on_sent(now, room, 0);
            now += 200 * MS;
            it.on_acked(now, now - 100 * MS, 1, 100 * MS);
        }
        assert_eq!(it.window(), 2 * whole);
    }

    #[test]
    fn a_longer_way_is_found_after_a_while() {
        let (mut it, mut now) = settled(&link(), 10 * MS);
        for _ in 0..400 {
            now = pass(&mut it, now, 10, 0, 100 * MS);
        }
        assert_eq!(it.least_rtt(), 100 * MS);
    }
}
