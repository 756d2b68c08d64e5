//! [`RateAware`] as quinn's congestion controller: for an uplink of a declared rate, or of one that the host's queue shows.

use std::{
    any::Any,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use fltorrent_crds::plan::RatePlan;
use fltorrent_swarm::{
    Time,
    sending::{RateAware, Uplink},
};
use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use super::bounded::BoundedConfig;

/// Bytes of IP's and UDP's headers, and of Ethernet's, which count in a host's queue.
pub(super) const HEADERS: u32 = 28;
pub(super) const FRAME_HEADERS: u32 = HEADERS + 14;

/// The uplink as all connections of this process see it.
#[derive(Debug)]
pub(super) struct SharedUplink {
    uplink: Mutex<Uplink>,
    began: Instant,
}

impl SharedUplink {
    pub(super) fn new(uplink: Uplink) -> Arc<Self> {
        Arc::new(Self {
            uplink: Mutex::new(uplink),
            began: Instant::now(),
        })
    }

    /// One of a declared rate, whose connections share it by windows.
    pub(super) fn declared(up: RatePlan) -> Uplink {
        Uplink::new(up.bytes(), up.queue as f64, HEADERS)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Uplink> {
        self.uplink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Time {
        self.began.elapsed()
    }

    fn time(&self, now: Instant) -> Time {
        now.saturating_duration_since(self.began)
    }
}

/// Makes controllers that share one uplink.
#[derive(Debug)]
pub(super) struct RateAwareConfig {
    uplink: Arc<SharedUplink>,
    /// Makes what searches for a window by losses, where no rate is declared.
    search: Option<Arc<BoundedConfig>>,
}

impl RateAwareConfig {
    pub(super) fn new(uplink: Arc<SharedUplink>, search: Option<Arc<BoundedConfig>>) -> Self {
        Self { uplink, search }
    }
}

impl ControllerFactory for RateAwareConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Connection {
            controller: RateAware::new(self.uplink.time(now), current_mtu.into()),
            search: self.search.clone().map(|search| search.build(now, current_mtu)),
            uplink: Arc::clone(&self.uplink),
        })
    }
}

/// The controller of one connection.
struct Connection {
    uplink: Arc<SharedUplink>,
    controller: RateAware,
    search: Option<Box<dyn Controller>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.controller.set_in_flight(&mut self.uplink.lock(), 0);
    }
}

impl Controller for Connection {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        if let Some(search) = &mut self.search {
            search.on_sent(now, bytes, last_packet_number);
        }
        let now = self.uplink.time(now);
        self.controller.on_sent(&mut self.uplink.lock(), now, bytes);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        if let Some(search) = &mut self.search {
            search.on_ack(now, sent, bytes, app_limited, rtt);
        }
        let took = now.saturating_duration_since(sent);
        let now = self.uplink.time(now);
        self.controller
            .on_ack(&mut self.uplink.lock(), now, bytes, took, rtt.get());
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        if let Some(search) = &mut self.search {
            search.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
        }
        self.controller.set_in_flight(&mut self.uplink.lock(), in_flight);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        if let Some(search) = &mut self.search {
            search.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
        let now = self.uplink.time(now);
        let uplink = &mut self.uplink.lock();
        self.controller
            .on_loss(uplink, now, lost_bytes, is_persistent_congestion);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        if let Some(search) = &mut self.search {
            search.on_mtu_update(new_mtu);
        }
        self.controller.set_mtu(new_mtu.into());
    }

    fn window(&self) -> u64 {
        let found = self.search.as_ref().map_or(u64::MAX, |search| search.window());
        self.controller.window(&self.uplink.lock()).min(found)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            uplink: Arc::clone(&self.uplink),
            controller: self.controller.on_new_path(),
            search: self.search.as_ref().map(|search| search.clone_box()),
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
        let uplink = SharedUplink::declared(RatePlan {
            rate: 20_000_000,
            queue: 250_000,
        });
        let config = Arc::new(RateAwareConfig::new(SharedUplink::new(uplink), None));
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
