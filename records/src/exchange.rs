//! How one round's exchange went at one peer: what `report.html` draws.

use fltorrent_crds::plan::CongestionControl;
use serde::{Deserialize, Serialize};

/// Most points of a completion curve.
pub const MAX_POINTS: usize = 32;
/// Most origins whose completion is kept; of more peers, evenly spread ones are.
pub const MAX_ORIGINS: usize = 64;
/// Most neighbours whose bytes are kept one by one.
pub const MAX_FLOWS: usize = 128;

/// One round's exchange at one peer. Seconds count from when the peer's own update was ready; what came before that is
/// below 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The round, from 0.
    pub round: u32,
    /// Seconds and chunks held then, ascending, at most [`MAX_POINTS`]; the last is the round's end.
    pub completion: Vec<(f64, u32)>,
    /// Payload over each link, by neighbour; of more than [`MAX_FLOWS`] those with most bytes.
    pub flows: Vec<Flow>,
    /// Origins and the seconds when all their chunks were held, by origin, at most [`MAX_ORIGINS`].
    pub origins: Vec<(u32, f64)>,
    /// Waiting times.
    #[serde(default)]
    pub waits: Waits,
    /// Cost beside the payload.
    #[serde(default)]
    pub transport: TransportFigures,
    /// The congestion control in use.
    #[serde(default)]
    pub congestion_control: CongestionControl,
    /// CPU seconds.
    #[serde(default)]
    pub cpu: Cpu,
}

/// CPU seconds since the line of the round before, in the first round since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// Of the exchange: connections, encryption, hashes of what came, and the chunk store.
    pub exchange: f64,
    /// Of the whole process, with training, this peer's own chunks and their hashes, and the aggregation of the round before.
    pub process: f64,
}

impl Cpu {
    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            exchange: self.exchange - before.exchange,
            process: self.process - before.process,
        }
    }
}

/// Seconds of a round's exchange in which nothing could be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// No neighbour had a chunk that was missing.
    pub nothing: f64,
    /// Neighbours had some, and all of them choked this peer.
    pub choked: f64,
}

/// QUIC's counters at one peer since the line of the round before, over all its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransportFigures {
    /// Bytes of control messages that were queued.
    pub control_bytes: u64,
    /// Bytes of UDP payload sent.
    pub udp_bytes: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets that were given up as lost.
    pub lost: u64,
    /// Times that congestion was found.
    pub congestion_events: u64,
    /// Times that a neighbour's windows or stream limits held data back.
    pub blocked: u64,
}

impl TransportFigures {
    /// Sums, or differences, figure by figure.
    fn with(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        Self {
            control_bytes: combine(self.control_bytes, other.control_bytes),
            udp_bytes: combine(self.udp_bytes, other.udp_bytes),
            packets: combine(self.packets, other.packets),
            lost: combine(self.lost, other.lost),
            congestion_events: combine(self.congestion_events, other.congestion_events),
            blocked: combine(self.blocked, other.blocked),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }
}

/// Payload over one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The neighbour.
    pub neighbour: u32,
    /// Payload bytes sent since the line of the round before; uploads go on after this peer is complete.
    pub bytes_sent: u64,
    /// Payload bytes of this round received and kept.
    pub bytes_received: u64,
}
