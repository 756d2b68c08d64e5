//! The scenario of a simulation.

use std::time::Duration;

use thiserror::Error;

use crate::{
    Time,
    churn::ChurnPlan,
    config::Config,
    sending::{QUIC_ACKNOWLEDGEMENT, QUIC_HEADERS},
};

/// One direction of a peer's link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lane {
    /// Bytes a second, headers included.
    pub rate: f64,
    /// Bytes that wait before more is lost.
    pub queue: f64,
}

impl Lane {
    /// With a queue that takes so long to pass.
    pub fn new(rate: f64, queue: Duration) -> Self {
        Self {
            rate,
            queue: rate * queue.as_secs_f64(),
        }
    }
}

/// A peer's link to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Access {
    /// The uplink; none: without a limit.
    pub up: Option<Lane>,
    /// The downlink.
    pub down: Option<Lane>,
    /// From its uplink to any other peer's downlink.
    pub delay: Duration,
    /// How far the delay wanders up and down; packets keep their order.
    pub jitter: Duration,
    /// Share of what it sends that is lost on the way.
    pub loss: f64,
}

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerScenario {
    /// Its state machine's configuration; the peer's index is its position.
    pub config: Config,
    /// Its link.
    pub access: Access,
    /// Whether its connections go by the uplink's rate ([`crate::sending::RateAware`]) instead of searching for it by losses.
    pub is_rate_aware: bool,
    /// Whether its connections share the uplink by turns ([`crate::sending::Uplink`]), at a measured rate where they do not go by the link's.
    pub is_paced: bool,
    /// How long it trains in every round.
    pub train: Duration,
    /// What happens to it, in order.
    pub churn: Vec<ChurnPlan>,
}

/// Bytes of the longest datagram, as manifests have them by default.
const DATAGRAM: u32 = 1452;

/// How the transport behaves; the defaults are those of the real peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransportModel {
    /// Bytes of streams in a full packet.
    pub payload: u32,
    /// Bytes of headers of every packet: QUIC, UDP, IP, Ethernet.
    pub overhead: u32,
    /// Bytes of a packet that is an acknowledgement and nothing else.
    pub acknowledgement: u32,
    /// Bytes that pass a link at once after a pause.
    pub burst: f64,
    /// Bytes of pieces that travel as one; none: packets. Units make large simulations cheap: connections share a link unit by
    /// unit, nothing is lost (loss takes its share of the rate), and control messages wait as if queues were full.
    pub unit: Option<u32>,
}

impl Default for TransportModel {
    fn default() -> Self {
        Self {
            payload: DATAGRAM - QUIC_HEADERS,
            overhead: QUIC_HEADERS + 28 + 14,
            acknowledgement: QUIC_ACKNOWLEDGEMENT + 28 + 14,
            unit: None,
            burst: 15_140.0,
        }
    }
}

impl TransportModel {
    /// The same over links that peers emulate: rates count whole IP packets, as the manifest's do, and one packet passes at once after a pause.
    pub fn emulated() -> Self {
        Self {
            overhead: QUIC_HEADERS + 28,
            acknowledgement: QUIC_ACKNOWLEDGEMENT + 28,
            burst: f64::from(DATAGRAM + 28),
            ..Self::default()
        }
    }

    /// Bytes on the wire of so many bytes of a stream: packets with their headers, and the ones that are lost and sent again.
    pub(super) fn wire(&self, bytes: u32, loss: f64) -> u32 {
        let headers = f64::from(self.overhead) / f64::from(self.payload);
        (f64::from(bytes) * (1.0 + headers) / (1.0 - loss)) as u32
    }

    /// Bytes of the acknowledgements of so many bytes of a stream, one for `together` packets.
    pub(super) fn acknowledgements(&self, bytes: u32, together: u32) -> u32 {
        let packets = f64::from(bytes) / f64::from(self.payload);
        (packets * f64::from(self.acknowledgement) / f64::from(together)) as u32
    }
}

/// The scenario of a simulation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// In index order; whom each is wired to is in its configuration.
    pub peers: Vec<PeerScenario>,
    /// The transport.
    pub transport: TransportModel,
    /// Where what is lost, and by how much a delay wanders, follows from.
    pub seed: u64,
    /// The index that each peer had before [`Scenario::in_cohorts`]; empty: its own. Figures have those.
    pub order: Vec<u32>,
}

/// Why a simulation has no result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum SimulationError {
    #[error("peer {peer} failed after {} s of virtual time: {why}", at.as_secs_f64())]
    Failed { peer: u32, at: Time, why: String },
    #[error("nothing happens any more after {} s of virtual time, and {running} peers have not finished; this is a bug", at.as_secs_f64())]
    Stuck { at: Time, running: usize },
    #[error("the run is not over after {} s of virtual time", limit.as_secs_f64())]
    TooLong { limit: Time },
}
