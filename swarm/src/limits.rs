//! The plan's bounds of what neighbours may say.

/// The plan's bounds, which every message is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Peers of the plan.
    pub peers: u32,
    /// Chunks of an update.
    pub chunks: u32,
}

impl Limits {
    /// Positions of a round: peers × chunks.
    pub fn positions(&self) -> u32 {
        self.peers.saturating_mul(self.chunks)
    }
}
