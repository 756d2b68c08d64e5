//! What a peer is doing, for whoever watches.

use serde::{Deserialize, Serialize};

/// What a peer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It has not begun to train.
    Connecting,
    /// It trains.
    Training,
    /// Its update is published, and others' chunks are missing.
    Exchanging,
    /// It holds all chunks, combines them and evaluates the model.
    Aggregating,
    /// It has finished all rounds and serves its neighbours.
    Serving,
    /// It has ended well.
    Finished,
    /// It has ended early.
    Failed,
}

/// What a peer is doing, and how far it is. Bytes are payload, of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// What it does.
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
    /// Those of which it wants chunks.
    pub interested: u32,
    /// Those that want chunks of it.
    pub interested_in: u32,
    /// Those that want chunks of it and have a slot.
    pub unchoked: u32,
    /// Those that do not serve it.
    pub choked_by: u32,
    /// Pieces without the signed hash, and connections closed since the neighbour broke the rules.
    pub faults: u64,
}
