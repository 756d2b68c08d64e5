//! Cubic within the bound of [`WindowBound`]: the default congestion control.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use fltorrent_swarm::sending::WindowBound;
use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

/// Makes the controllers of connections.
#[derive(Debug)]
pub(super) struct BoundedConfig {
    cubic: Arc<CubicConfig>,
}

impl BoundedConfig {
    /// `initial` bytes may be on their way before the first acknowledgement.
    pub(super) fn new(initial: u64) -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(initial);
        Self {
            cubic: Arc::new(cubic),
        }
    }
}

impl ControllerFactory for BoundedConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Bounded {
            cubic: Arc::clone(&self.cubic).build(now, current_mtu),
            bound: WindowBound::default(),
            began: now,
        })
    }
}

struct Bounded {
    cubic: Box<dyn Controller>,
    bound: WindowBound,
    began: Instant,
}

impl Bounded {
    fn on_acked(&mut self, now: Instant, bytes: u64, rtt: Duration) {
        let since = now.saturating_duration_since(self.began);
        self.bound.on_ack(since, bytes, rtt);
    }

    fn may_grow(&self) -> bool {
        self.bound.lets_grow(self.cubic.window())
    }
}

impl Controller for Bounded {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        // quinn's own shortest round trip begins with a guess.
        self.on_acked(now, bytes, now.saturating_duration_since(sent));
        let limited = app_limited || !self.may_grow();
        self.cubic.on_ack(now, sent, bytes, limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.bound.on_loss();
        self.cubic
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.bound.limit(self.cubic.window())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            cubic: self.cubic.clone_box(),
            bound: self.bound,
            began: self.began,
        })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
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
        let mut it = Bounded {
            cubic: {
                let mut cubic = CubicConfig::default();
                cubic.initial_window(10_000_000);
                Arc::new(cubic).build(now, 1452)
            },
            bound: WindowBound::default(),
            began: now,
        };
        assert_eq!(it.window(), 10_000_000);
        assert!(it.may_grow());
        // 1 MB/s over a round trip of 10 ms.
        for ms in 1..=1000 {
            it.on_acked(
                now + Duration::from_millis(ms),
                1000,
                Duration::from_millis(10),
            );
        }
        assert_eq!(it.window(), 10_000_000);
        it.on_congestion_event(now + Duration::from_secs(1), now, false, 1452);
        let window = it.window() as f64;
        assert!((window / 52_500.0 - 1.0).abs() < 0.01, "{window}");
        assert!(!it.may_grow(), "Cubic is far ahead");
        assert_eq!(it.clone_box().window(), it.window());
        assert_eq!(it.initial_window(), 10_000_000);
    }
}
