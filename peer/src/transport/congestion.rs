//! [`RateAware`] as quinn's congestion controller: for a link whose rate the manifest declares.

use std::{
    any::Any,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use fltorrent_crds::plan::RatePlan;
use fltorrent_swarm::{
    Time,
    sending::{DeclaredLink, RateAware},
};
use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

/// Bytes of IP's and UDP's headers.
const HEADERS: u64 = 28;

/// Makes controllers that share one link.
#[derive(Debug)]
pub(super) struct RateAwareConfig(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    link: Mutex<DeclaredLink>,
    began: Instant,
}

impl Shared {
    fn link(&self) -> MutexGuard<'_, DeclaredLink> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self, now: Instant) -> Time {
        now.saturating_duration_since(self.began)
    }
}

impl RateAwareConfig {
    pub(super) fn new(up: RatePlan, is_shared: bool) -> Self {
        let link = DeclaredLink::new(up.bytes(), up.queue as f64);
        Self(Arc::new(Shared {
            link: Mutex::new(if is_shared { link.paced() } else { link }),
            began: Instant::now(),
        }))
    }
}

impl ControllerFactory for RateAwareConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let shared = Arc::clone(&self.0);
        let controller = RateAware::new(shared.time(now), current_mtu.into());
        Box::new(Connection { shared, controller })
    }
}

/// The controller of one connection.
#[derive(Debug)]
struct Connection {
    shared: Arc<Shared>,
    controller: RateAware,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.controller.set_in_flight(&mut self.shared.link(), 0);
    }
}

impl Controller for Connection {
    fn on_sent(&mut self, now: Instant, bytes: u64, _: u64) {
        let now = self.shared.time(now);
        self.controller.on_sent(&mut self.shared.link(), now, bytes, HEADERS);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _: bool, rtt: &RttEstimator) {
        let took = now.saturating_duration_since(sent);
        let now = self.shared.time(now);
        self.controller
            .on_ack(&mut self.shared.link(), now, bytes, took, rtt.get());
    }

    fn on_end_acks(&mut self, _: Instant, in_flight: u64, _: bool, _: Option<u64>) {
        self.controller.set_in_flight(&mut self.shared.link(), in_flight);
    }

    fn on_congestion_event(&mut self, now: Instant, _: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        let now = self.shared.time(now);
        let link = &mut self.shared.link();
        self.controller.on_loss(link, now, lost_bytes, is_persistent_congestion);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.controller.set_mtu(new_mtu.into());
    }

    fn window(&self) -> u64 {
        self.controller.window(&self.shared.link())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            shared: Arc::clone(&self.shared),
            controller: self.controller.on_new_path(),
        })
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn connections_of_one_link_share_it_until_they_end() {
        // 20 Mbit/s with a queue of 100 ms.
        let config = Arc::new(RateAwareConfig::new(
            RatePlan {
                rate: 20_000_000,
                queue: 250_000,
            },
            false,
        ));
        let now = Instant::now();
        let build = || Arc::clone(&config).build(now, 1452);
        let (mut one, mut other) = (build(), build());
        let whole = one.window();
        assert_eq!(whole, other.window());
        // Its backlog and its part of the link.
        other.on_sent(now, 500_000, 1);
        one.on_sent(now, 1, 2);
        assert_eq!(one.window(), whole / 2);
        assert!(one.clone_box().window() < whole);
        drop(other);
        one.on_end_acks(now + Duration::from_secs(10), 0, false, None);
        assert_eq!(one.window(), whole);
    }
}
