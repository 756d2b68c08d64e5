//! quinn's settings as they follow from the plan.

use std::{sync::Arc, time::Duration};

use fltorrent_crds::plan::{CongestionControl, LinkPlan, LivenessPlan, RatePlan, TransportPlan};
use fltorrent_swarm::sending::{ACKNOWLEDGED_TOGETHER, Uplink, first_window, held_for_sending, least_bound};
use quinn::{
    AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt, congestion::ControllerFactory,
};

use super::{
    bounded::BoundedConfig,
    congestion::{FRAME_HEADERS, RateAwareConfig, SharedUplink},
    gate::GatedConfig,
};

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
/// The peer leaves the run, which goes on without it.
pub const CLOSE_LEFT: u32 = 5;
/// The other side is no neighbour in the topology, and the one that took its place is back.
pub const CLOSE_SPARE: u32 = 6;

/// Piece streams that a neighbour may have open: as many as there are requests.
const PIECE_STREAMS: u32 = 64;
/// Round-trip time assumed before the first measurement; quinn's 333 ms is made for the Internet's worst links.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Largest windows that are kept out of quinn ([`super::gate`]), bytes. With more, the pacer's pauses are short. A controller that
/// knows the rate needs the pacer earlier: without it, bursts overflow queues behind 50 ms one way.
const METERED: u64 = 192 * 1024;
const DECLARED_METERED: u64 = 40 * 1024;
/// Where connections share the uplink by rule, that does what the pacer would do.
const SHARED_METERED: u64 = u64::MAX;
/// How long a neighbour may wait with an acknowledgement; a round trip at most is what quinn asks for.
const MAX_ACK_DELAY: Duration = Duration::from_millis(60);
/// The least that one connection may have in its receive buffers.
const LEAST_RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;

/// Settings of all connections over a link, of a peer with so many neighbours; `chunk` is the longest chunk in bytes, and `uplink` what connections share by
/// turns ([`super::uplink`]).
pub(super) fn transport(
    plan: &TransportPlan,
    liveness: &LivenessPlan,
    link: &LinkPlan,
    neighbours: usize,
    chunk: u32,
    uplink: Option<&Arc<SharedUplink>>,
) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(plan.mtu);
    // The plan bounds the time-out far below what a VarInt of milliseconds holds.
    let idle = IdleTimeout::try_from(liveness.heartbeat_timeout).unwrap_or_else(|_| VarInt::MAX.into());
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(liveness.heartbeat_interval))
        .max_concurrent_bidi_streams(1u32.into())
        .max_concurrent_uni_streams(PIECE_STREAMS.into())
        .stream_receive_window(chunk.saturating_add(64).max(256 * 1024).into())
        .receive_window(chunk.saturating_mul(4).max(LEAST_RECEIVE_WINDOW).into())
        // Follows the congestion window with every piece.
        .send_window(held_for_sending(first_window(neighbours)))
        .send_fairness(false)
        .datagram_receive_buffer_size(None)
        .initial_rtt(INITIAL_RTT + link.delay * 2)
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(controllers(plan, link, neighbours, uplink));
    if uplink.is_some() || declared(plan, link).is_none() {
        let mut acknowledgements = AckFrequencyConfig::default();
        // The one that comes after so many is acknowledged at once.
        acknowledgements
            .ack_eliciting_threshold((ACKNOWLEDGED_TOGETHER - 1).into())
            .max_ack_delay(Some(MAX_ACK_DELAY));
        config.ack_frequency_config(Some(acknowledgements));
    }
    Arc::new(config)
}

/// The rate that congestion control goes by, if it does.
fn declared(plan: &TransportPlan, link: &LinkPlan) -> Option<RatePlan> {
    let is_rate_aware = plan.congestion_control.over(link) == CongestionControl::RateAware;
    link.up.filter(|_| is_rate_aware)
}

/// The uplink that connections share by turns: of the declared rate where congestion control goes by it, else as the host's queue shows it.
pub(super) fn shared_uplink(plan: &TransportPlan, link: &LinkPlan) -> Arc<SharedUplink> {
    let packet = u32::from(plan.mtu);
    SharedUplink::new(match declared(plan, link) {
        Some(up) => SharedUplink::declared(up).by_turns(packet),
        None => Uplink::observed(packet, FRAME_HEADERS),
    })
}

/// The factory of the connections' congestion controllers.
fn controllers(
    plan: &TransportPlan,
    link: &LinkPlan,
    neighbours: usize,
    uplink: Option<&Arc<SharedUplink>>,
) -> Arc<dyn ControllerFactory + Send + Sync> {
    let (first, least) = (first_window(neighbours), least_bound(neighbours));
    let search = Arc::new(match plan.congestion_control {
        CongestionControl::NewReno => BoundedConfig::new_reno(first, least),
        _ => BoundedConfig::cubic(first, least),
    });
    let aware = |uplink, search| Arc::new(RateAwareConfig::new(uplink, search));
    Arc::new(match (declared(plan, link), uplink) {
        (Some(_), Some(uplink)) => GatedConfig::new(aware(Arc::clone(uplink), None), SHARED_METERED),
        (Some(up), None) => {
            let uplink = SharedUplink::new(SharedUplink::declared(up));
            GatedConfig::new(aware(uplink, None), DECLARED_METERED)
        }
        (None, Some(uplink)) => GatedConfig::new(aware(Arc::clone(uplink), Some(search)), METERED),
        (None, None) => GatedConfig::new(search, METERED),
    })
}

/// Largest UDP payload that the endpoint takes.
pub(super) fn max_payload(plan: &TransportPlan) -> u16 {
    plan.mtu.max(1472)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use fltorrent_crds::plan::{Deadline, RetryPlan};

    use super::*;

    fn plan() -> TransportPlan {
        TransportPlan {
            mtu: 1452,
            congestion_control: CongestionControl::Auto,
        }
    }

    fn liveness() -> LivenessPlan {
        LivenessPlan {
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(20),
            min_peers: 2,
            pause_limit: Duration::from_secs(600),
            progress_lease: Deadline::Auto,
            retries: RetryPlan::default(),
        }
    }

    #[test]
    fn every_field_of_the_plan_reaches_quinn() {
        let shown = |plan: &TransportPlan, liveness: &LivenessPlan| {
            format!("{:?}", transport(plan, liveness, &LinkPlan::default(), 2, 1000, None))
        };
        let changes: [fn(&mut TransportPlan, &mut LivenessPlan); 3] = [
            |_, liveness| liveness.heartbeat_interval = Duration::from_secs(7),
            |_, liveness| liveness.heartbeat_timeout = Duration::from_secs(21),
            |plan, _| plan.mtu = 6500,
        ];
        for change in changes {
            let (mut changed, mut livelier) = (plan(), liveness());
            change(&mut changed, &mut livelier);
            assert_ne!(shown(&plan(), &liveness()), shown(&changed, &livelier));
        }
        assert_eq!(max_payload(&TransportPlan { mtu: 6500, ..plan() }), 6500);
    }

    /// The rest of the window after a loss tells them apart.
    #[test]
    fn the_congestion_control_of_the_plan_is_what_runs() {
        let declared = LinkPlan {
            up: Some(RatePlan {
                rate: 20_000_000,
                queue: 64_000,
            }),
            ..LinkPlan::default()
        };
        let unknown = LinkPlan::default();
        for (control, link, left) in [
            (CongestionControl::Auto, unknown, 0.7),
            (CongestionControl::Cubic, unknown, 0.7),
            (CongestionControl::Cubic, declared, 0.7),
            (CongestionControl::NewReno, unknown, 0.5),
            (CongestionControl::NewReno, declared, 0.5),
            (CongestionControl::Auto, declared, 1.0),
            (CongestionControl::RateAware, declared, 1.0),
        ] {
            let plan = TransportPlan {
                congestion_control: control,
                ..plan()
            };
            let now = Instant::now();
            let mut it = controllers(&plan, &link, 2, None).build(now, 1452);
            let before = it.window() as f64;
            let after = now + Duration::from_millis(10);
            it.on_congestion_event(after, after, false, 1452);
            let found = it.window() as f64 / before;
            assert!((found - left).abs() < 1e-3, "{control:?}: {found}");
        }
    }

    #[test]
    fn a_neighbour_may_send_four_pieces_ahead() {
        let shown = format!(
            "{:?}",
            transport(&plan(), &liveness(), &LinkPlan::default(), 2, 50_000_000, None)
        );
        assert!(shown.contains("receive_window: 200000000"), "{shown}");
    }
}
