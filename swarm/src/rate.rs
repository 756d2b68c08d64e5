//! How fast a neighbour delivers, measured so that idle time does not count.

use std::time::Duration;

use crate::Time;

/// Deliveries that the windowed maximum looks back on.
const WINDOW: usize = 16;
/// Weight of the newest delivery in the average.
const GAIN: f64 = 0.25;

/// Delivery rate of one neighbour in the manner of BBR's rate samples (Cardwell et al., "BBR: Congestion-Based
/// Congestion Control", ACM Queue 2016): bytes delivered between asking for a chunk and having it, over that time.
#[derive(Debug, Default)]
pub(crate) struct DeliveryRate {
    delivered: u64,
    samples: [f64; WINDOW],
    next: usize,
    /// The best of the samples.
    best: f64,
    typical: Option<f64>,
    /// Seconds a byte from the end of one piece to that of the next, lately on average.
    pace: Option<f64>,
    latency: Option<Duration>,
}

/// State when a request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    delivered: u64,
    at: Time,
}

impl Mark {
    pub(crate) fn at(&self) -> Time {
        self.at
    }
}

impl DeliveryRate {
    pub(crate) fn mark(&self, now: Time) -> Mark {
        Mark {
            delivered: self.delivered,
            at: now,
        }
    }

    pub(crate) fn on_delivery(&mut self, now: Time, mark: Mark, bytes: u32) {
        self.delivered += u64::from(bytes);
        // A microsecond keeps the division defined when virtual time stands still.
        let elapsed = now.saturating_sub(mark.at).max(Duration::from_micros(1));
        let sample = (self.delivered - mark.delivered) as f64 / elapsed.as_secs_f64();
        self.samples[self.next] = sample;
        self.best = self.samples.iter().copied().fold(0.0, f64::max);
        self.typical = Some(self.typical.map_or(sample, |rate| rate + (sample - rate) * GAIN));
        self.next = (self.next + 1) % WINDOW;
        self.latency = Some(self.latency.map_or(elapsed, |least| least.min(elapsed)));
    }

    /// Bytes a second, the best of the last deliveries; none before the first.
    pub(crate) fn rate(&self) -> Option<f64> {
        (self.best > 0.0).then_some(self.best)
    }

    /// Bytes a second, lately on average; none before the first.
    pub(crate) fn typical(&self) -> Option<f64> {
        self.typical
    }

    /// A piece came that nobody had to ask for, so long after the one before.
    pub(crate) fn on_standing(&mut self, since: Duration, bytes: u32) {
        let pace = since.as_secs_f64() / f64::from(bytes.max(1));
        self.pace = Some(self.pace.map_or(pace, |known| known + (pace - known) * GAIN));
    }

    /// Seconds that so many bytes take at the pace of those pieces; none before the second one.
    pub(crate) fn seconds(&self, bytes: f64) -> Option<f64> {
        self.pace.map(|pace| pace * bytes)
    }

    /// Shortest time from asking to having.
    pub(crate) fn latency(&self) -> Option<Duration> {
        self.latency
    }
}

/// Bytes a second over about `span`, older bytes fading away exponentially.
#[derive(Debug)]
pub(crate) struct RollingRate {
    span: Duration,
    weight: f64,
    at: Time,
}

impl RollingRate {
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            span,
            weight: 0.0,
            at: Time::ZERO,
        }
    }

    fn faded(&self, now: Time) -> f64 {
        let elapsed = now.saturating_sub(self.at).as_secs_f64();
        self.weight * (-elapsed / self.span.as_secs_f64()).exp()
    }

    pub(crate) fn add(&mut self, now: Time, bytes: u32) {
        self.weight = self.faded(now) + f64::from(bytes);
        self.at = now;
    }

    pub(crate) fn rate(&self, now: Time) -> f64 {
        self.faded(now) / self.span.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_does_not_lower_the_delivery_rate() {
        let mut rate = DeliveryRate::default();
        for second in [0, 100, 5000] {
            let mark = rate.mark(Time::from_secs(second));
            rate.on_delivery(Time::from_secs(second + 1), mark, 1000);
        }
        assert_eq!(rate.rate(), Some(1000.0));
        assert_eq!(rate.latency(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn pipelined_requests_see_what_was_delivered_in_between() {
        let mut rate = DeliveryRate::default();
        let marks = [rate.mark(Time::ZERO), rate.mark(Time::ZERO)];
        rate.on_delivery(Time::from_secs(1), marks[0], 1000);
        rate.on_delivery(Time::from_secs(1), marks[1], 1000);
        assert_eq!(rate.rate(), Some(2000.0));
    }

    #[test]
    fn the_typical_rate_follows_what_is_delivered_lately() {
        let mut rate = DeliveryRate::default();
        assert_eq!(rate.typical(), None);
        let mut deliver = |bytes: u32| {
            let mark = rate.mark(Time::ZERO);
            rate.on_delivery(Time::from_secs(1), mark, bytes);
            rate.typical().unwrap()
        };
        assert!((deliver(4000) - 4000.0).abs() < 1e-9);
        for _ in 0..40 {
            deliver(1000);
        }
        assert!((deliver(1000) - 1000.0).abs() < 1.0, "one good moment is forgotten");
    }

    #[test]
    fn a_rolling_rate_fades() {
        let mut rate = RollingRate::new(Duration::from_secs(10));
        rate.add(Time::from_secs(1), 1000);
        let fresh = rate.rate(Time::from_secs(1));
        assert!((fresh - 100.0).abs() < 1e-9);
        assert!(rate.rate(Time::from_secs(21)) < fresh / 7.0);
    }
}
