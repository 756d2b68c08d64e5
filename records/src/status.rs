//! What a peer is doing, for whoever watches.

use serde::{Deserialize, Serialize};

/// The state of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Not training yet.
    Connecting,
    /// Local training.
    Training,
    /// Its update is published, and chunks of others are missing.
    Exchanging,
    /// All chunks are held; it aggregates them and evaluates the model.
    Aggregating,
    /// All rounds are finished, and neighbours are still served.
    Serving,
    /// Ended well.
    Finished,
    /// Ended early.
    Failed,
}

/// State and progress of a peer. Bytes are payload of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The state.
    pub state: State,
    /// In which round, from 0.
    pub round: u32,
    /// Chunks of that round that it holds.
    pub held: u64,
    /// Chunks of a round: peers × chunks of an update.
    pub total: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received and kept.
    pub bytes_received: u64,
    /// Bytes received for nothing: held already, or corrupt.
    pub bytes_wasted: u64,
    /// Neighbours that are connected.
    pub neighbours: u32,
    /// Neighbours with chunks that it lacks.
    pub interested: u32,
    /// Neighbours interested in its chunks.
    pub interested_in: u32,
    /// Interested neighbours with an upload slot.
    pub unchoked: u32,
    /// Neighbours that choke it.
    pub choked_by: u32,
    /// Pieces without the signed hash, and connections closed since the neighbour broke the rules.
    pub faults: u64,
}
