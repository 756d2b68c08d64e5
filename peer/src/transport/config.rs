//! quinn's settings as they follow from the plan.

use std::{sync::Arc, time::Duration};

use fltorrent_crds::plan::{CongestionControl, LinkPlan, TransportPlan};
use fltorrent_swarm::sending::held_for_sending;
use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::{bounded::BoundedConfig, congestion::RateAwareConfig};

/// The application protocol between peers.
pub(super) const ALPN: &[u8] = b"fltorrent/1";

/// The run is over here and at the neighbour.
pub const CLOSE_FINISHED: u32 = 0;
/// The run has failed; the reason says why.
pub const CLOSE_FAILED: u32 = 1;
/// The neighbour broke the rules; the reason says how.
pub const CLOSE_VIOLATION: u32 = 2;
/// The other side is not a neighbour; the reason says what it is.
pub const CLOSE_REFUSED: u32 = 3;
/// A newer connection to the same neighbour has taken its place.
pub const CLOSE_REPLACED: u32 = 4;

/// Piece streams that a neighbour may have open: as many as there are requests.
const PIECE_STREAMS: u32 = 64;
/// Cubic starts with so much in flight: twice what a web server does, and little enough for seven neighbours at once behind a
/// router of 10 Mbit/s.
const INITIAL_WINDOW: u64 = 32 * 1024;
/// Round-trip time assumed before the first measurement; quinn's 333 ms is made for the Internet's worst links.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// What one connection may have in its receive buffers at least.
const LEAST_RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;

/// Settings of all connections over a link; `chunk` is the longest chunk in bytes.
pub(super) fn transport(plan: &TransportPlan, link: &LinkPlan, chunk: u32) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(plan.mtu);
    // The plan bounds the time-out far below what a VarInt of milliseconds holds.
    let idle = IdleTimeout::try_from(plan.idle_timeout).unwrap_or_else(|_| VarInt::MAX.into());
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(plan.keep_alive))
        .max_concurrent_bidi_streams(1u32.into())
        .max_concurrent_uni_streams(PIECE_STREAMS.into())
        .stream_receive_window(chunk.saturating_add(64).max(256 * 1024).into())
        .receive_window(chunk.saturating_mul(4).max(LEAST_RECEIVE_WINDOW).into())
        // Follows the congestion window with every piece.
        .send_window(held_for_sending(INITIAL_WINDOW))
        .send_fairness(false)
        .datagram_receive_buffer_size(None)
        .initial_rtt(INITIAL_RTT + link.delay * 2)
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(Arc::new(BoundedConfig::new(INITIAL_WINDOW)));
    let control = plan.congestion_control.over(link);
    if let (CongestionControl::RateAware, Some(up)) = (control, link.up) {
        config.congestion_controller_factory(Arc::new(RateAwareConfig::new(up)));
    }
    Arc::new(config)
}

/// Largest UDP payload that the endpoint takes.
pub(super) fn max_payload(plan: &TransportPlan) -> u16 {
    plan.mtu.max(1472)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> TransportPlan {
        TransportPlan {
            keep_alive: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            lost_after: Duration::from_secs(30),
            mtu: 1452,
            congestion_control: CongestionControl::Auto,
        }
    }

    #[test]
    fn every_field_of_the_plan_reaches_quinn() {
        let shown =
            |plan: &TransportPlan| format!("{:?}", transport(plan, &LinkPlan::default(), 1000));
        let changes: [fn(&mut TransportPlan); 3] = [
            |plan| plan.keep_alive = Duration::from_secs(7),
            |plan| plan.idle_timeout = Duration::from_secs(21),
            |plan| plan.mtu = 6500,
        ];
        for change in changes {
            let mut changed = plan();
            change(&mut changed);
            assert_ne!(shown(&plan()), shown(&changed));
        }
        assert_eq!(
            max_payload(&TransportPlan {
                mtu: 6500,
                ..plan()
            }),
            6500
        );
    }

    #[test]
    fn a_neighbour_may_send_four_pieces_ahead() {
        let shown = format!("{:?}", transport(&plan(), &LinkPlan::default(), 50_000_000));
        assert!(shown.contains("receive_window: 200000000"), "{shown}");
    }
}
