//! Cubic, the default congestion control, and NewReno within the bound of [`WindowBound`].

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use fltorrent_swarm::sending::WindowBound;
use quinn::congestion::{Controller, ControllerFactory, CubicConfig, NewRenoConfig};
use quinn_proto::RttEstimator;

/// The controller that searches for the window, by losses.
#[derive(Debug)]
enum Search {
    Cubic(Arc<CubicConfig>),
    NewReno(Arc<NewRenoConfig>),
}

impl Search {
    fn begin(&self, now: Instant, mtu: u16) -> Box<dyn Controller> {
        match self {
            Self::Cubic(cubic) => Arc::clone(cubic).build(now, mtu),
            Self::NewReno(new_reno) => Arc::clone(new_reno).build(now, mtu),
        }
    }
}

/// Makes the controllers of connections.
#[derive(Debug)]
pub(super) struct BoundedConfig {
    search: Search,
    least: u64,
}

impl BoundedConfig {
    /// `initial` bytes may be on their way before the first acknowledgement, `least` after losses.
    pub(super) fn cubic(initial: u64, least: u64) -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(initial);
        Self {
            search: Search::Cubic(Arc::new(cubic)),
            least,
        }
    }

    /// `initial` bytes may be on their way before the first acknowledgement, `least` after losses.
    pub(super) fn new_reno(initial: u64, least: u64) -> Self {
        let mut new_reno = NewRenoConfig::default();
        new_reno.initial_window(initial);
        Self {
            search: Search::NewReno(Arc::new(new_reno)),
            least,
        }
    }

    fn begin(&self, now: Instant, mtu: u16) -> Bounded {
        Bounded {
            inner: self.search.begin(now, mtu),
            bound: WindowBound::new(self.least),
            began: now,
        }
    }
}

impl ControllerFactory for BoundedConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(self.begin(now, current_mtu))
    }
}

struct Bounded {
    inner: Box<dyn Controller>,
    bound: WindowBound,
    began: Instant,
}

impl Bounded {
    fn on_acked(&mut self, now: Instant, bytes: u64, rtt: Duration) {
        let since = now.saturating_duration_since(self.began);
        self.bound.on_ack(since, bytes, rtt);
    }

    fn may_grow(&self) -> bool {
        self.bound.lets_grow(self.inner.window())
    }
}

impl Controller for Bounded {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        // quinn's own shortest round trip begins with a guess.
        self.on_acked(now, bytes, now.saturating_duration_since(sent));
        let limited = app_limited || !self.may_grow();
        self.inner.on_ack(now, sent, bytes, limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.bound.on_loss();
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.bound.limit(self.inner.window())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            bound: self.bound,
            began: self.began,
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_cubics_until_a_loss_and_bounded_from_then_on() {
        let now = Instant::now();
        let mut it = BoundedConfig::cubic(10_000_000, 32 * 1024).begin(now, 1452);
        assert_eq!(it.window(), 10_000_000);
        assert!(it.may_grow());
        // 1 MB/s over a round trip of 10 ms.
        for ms in 1..=1000 {
            it.on_acked(now + Duration::from_millis(ms), 1000, Duration::from_millis(10));
        }
        assert_eq!(it.window(), 10_000_000);
        it.on_congestion_event(now + Duration::from_secs(1), now, false, 1452);
        let window = it.window() as f64;
        assert!((window / 52_500.0 - 1.0).abs() < 0.01, "{window}");
        assert!(!it.may_grow(), "Cubic is far ahead");
        assert_eq!(it.clone_box().window(), it.window());
        assert_eq!(it.initial_window(), 10_000_000);
    }

    #[test]
    fn a_loss_takes_half_of_new_renos_window_and_three_tenths_of_cubics() {
        let now = Instant::now();
        for (config, left) in [
            (BoundedConfig::new_reno(100_000, 32 * 1024), 50_000),
            (BoundedConfig::cubic(100_000, 32 * 1024), 70_000),
        ] {
            let mut it = Arc::new(config).build(now, 1452);
            assert_eq!((it.window(), it.initial_window()), (100_000, 100_000));
            let after = now + Duration::from_millis(10);
            it.on_congestion_event(after, after, false, 1452);
            assert_eq!(it.window(), left);
        }
    }
}
