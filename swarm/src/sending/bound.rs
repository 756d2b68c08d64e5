//! A bound of loss-based windows.
//!
//! A loss-based window grows until a queue overflows, and where a chain of neighbours shares its links both ways, as in a
//! ring, windows of different size leave one link idle while the next one's queue is full. A connection that has seen a
//! loss keeps no more on its way than it has ever delivered in a round trip and a little more (the bound of BBR: Cardwell
//! et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016), and windows stay where they are.

use std::time::Duration;

use crate::Time;

/// Deliveries are counted over so long.
const INTERVAL: Duration = Duration::from_millis(250);
/// The bound's surplus over the shortest round trip: less than common queues hold, more than a busy machine's pauses take.
const HEADROOM: Duration = Duration::from_millis(40);
/// The bound's share of the shortest round trip, so that a rate which was never reached can be.
const GAIN: f64 = 1.25;
/// A controller's window may be so many times the bound before it stops growing.
const AHEAD: u64 = 2;
/// The most that a connection keeps on its way.
#[derive(Clone, Copy, Debug)]
pub struct WindowBound {
    /// Least bound, bytes: with one proportional to the rate alone, whoever is ahead would stay ahead.
    least: u64,
    /// Best rate of an interval, bytes a second.
    best: f64,
    began: Option<Time>,
    delivered: u64,
    least_rtt: Option<Duration>,
    has_lost: bool,
}

impl WindowBound {
    /// A bound that is never below `least` bytes.
    pub const fn new(least: u64) -> Self {
        Self {
            least,
            best: 0.0,
            began: None,
            delivered: 0,
            least_rtt: None,
            has_lost: false,
        }
    }

    /// So many bytes have been acknowledged, a round trip after they were sent.
    pub fn on_ack(&mut self, now: Time, bytes: u64, rtt: Duration) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_sub(began);
        if passed >= INTERVAL {
            self.best = self.best.max(self.delivered as f64 / passed.as_secs_f64());
            self.began = Some(now);
            self.delivered = 0;
        }
        self.delivered += bytes;
        self.least_rtt = Some(self.least_rtt.map_or(rtt, |least| least.min(rtt)));
    }

    /// A queue has overflown; before that nothing is bounded.
    pub fn on_loss(&mut self) {
        self.has_lost = true;
    }

    /// A controller's window, within the bound.
    pub fn limit(&self, window: u64) -> u64 {
        self.bytes().map_or(window, |bound| window.min(bound))
    }

    /// Whether a controller's window shall grow: it may be ahead of the bound, so that a higher one finds it ready, but not far.
    pub fn lets_grow(&self, window: u64) -> bool {
        self.bytes().is_none_or(|bound| window < bound.saturating_mul(AHEAD))
    }

    /// Bytes; none while there is no bound.
    fn bytes(&self) -> Option<u64> {
        let least_rtt = self.least_rtt.filter(|_| self.has_lost)?;
        let span = GAIN * least_rtt.as_secs_f64() + HEADROOM.as_secs_f64();
        Some(((self.best * span) as u64).max(self.least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LEAST: u64 = 32 * 1024;

    /// A second of acknowledgements at `rate` bytes a millisecond.
    fn deliver(bound: &mut WindowBound, from: Time, rate: u64, rtt: Duration) -> Time {
        for ms in 1..=1000 {
            bound.on_ack(from + MS * ms, rate, rtt);
        }
        from + MS * 1000
    }

    #[test]
    fn nothing_is_bounded_before_the_first_loss() {
        let mut bound = WindowBound::new(LEAST);
        deliver(&mut bound, Time::ZERO, 1000, MS);
        assert_eq!(bound.bytes(), None);
        bound.on_loss();
        assert!(bound.bytes().is_some());
    }

    #[test]
    fn the_bound_is_what_the_best_rate_carries_in_a_round_trip_and_forty_milliseconds() {
        for rtt in [1, 100] {
            let mut bound = WindowBound::new(LEAST);
            bound.on_loss();
            let now = deliver(&mut bound, Time::ZERO, 2000, MS * rtt);
            deliver(&mut bound, now, 10, MS * rtt);
            let expected = 2000.0 * (1.25 * f64::from(rtt) + 40.0);
            let found = bound.bytes().unwrap() as f64;
            assert!((found / expected - 1.0).abs() < 0.01, "{rtt} ms: {found}");
        }
    }

    #[test]
    fn a_slow_connection_may_still_have_a_first_window_on_its_way() {
        let mut bound = WindowBound::new(LEAST);
        bound.on_loss();
        deliver(&mut bound, Time::ZERO, 10, MS);
        assert_eq!(bound.bytes(), Some(LEAST));
    }
}
