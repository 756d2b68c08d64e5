//! How many bytes of chunks a peer holds.

use super::Plan;

impl Plan {
    /// Chunks of two rounds at most, since a peer serves the round before while it is in the next one: those in RAM, as far as
    /// `exchange.memoryBudget` allows, and those in a file on disk.
    pub(crate) fn chunk_bytes(&self) -> (u64, u64) {
        let rounds = u64::from(self.training.rounds.min(2));
        let peers = self.peers.len() as u64;
        let held = peers.saturating_mul(self.model.bytes).saturating_mul(rounds);
        let in_ram = held.min(self.exchange.memory_budget);
        (in_ram, held - in_ram)
    }
}
