//! How one round's exchange went at one peer: what `report.html` draws.

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
    /// What flowed over each link, by neighbour; of more than [`MAX_FLOWS`] those with most bytes.
    pub flows: Vec<Flow>,
    /// Origins and the seconds when all their chunks were held, by origin, at most [`MAX_ORIGINS`].
    pub origins: Vec<(u32, f64)>,
    /// Why the round ended here.
    pub cause: Cause,
}

/// What flowed over one link.
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

/// Why a round ended at a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// Nothing was missing.
    #[default]
    #[serde(rename = "all chunks of all peers")]
    AllChunks,
}
