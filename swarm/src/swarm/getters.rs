//! What a swarm knows, for its driver and for those who watch it.

use std::time::Duration;

use super::{Stats, Swarm, Wait};
use crate::{
    bitfield::Bitfield,
    chunk::ChunkLayout,
    early_stop::{Convergence, StopRecord},
    metainfo::Metainfo,
};

impl Swarm {
    /// The last round of which it has signed an update.
    pub fn signed_round(&self) -> Option<u32> {
        self.signed_round
    }

    /// Silence after which a neighbour is lost.
    pub fn lost_after(&self) -> Duration {
        self.config.lost_after
    }

    /// Peers of the plan.
    pub fn peers(&self) -> u32 {
        self.config.peers
    }

    /// How updates are cut.
    pub fn layout(&self) -> &ChunkLayout {
        &self.config.layout
    }

    /// The round that this peer is in.
    pub fn round(&self) -> u32 {
        self.current.number
    }

    /// Chunks of the current round that this peer holds.
    pub fn held(&self) -> &Bitfield {
        self.current.held()
    }

    /// Counts since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bytes of chunks received and kept since the start, by neighbour; they add up to [`Stats::payload_received`].
    pub fn received_from(&self) -> impl Iterator<Item = (u32, u64)> {
        self.neighbours.iter().map(|neighbour| (neighbour.peer, neighbour.kept))
    }

    /// Neighbours that are connected and known.
    pub fn open_neighbours(&self) -> usize {
        self.neighbours.iter().filter(|neighbour| neighbour.is_open()).count()
    }

    /// Whether a neighbour is connected and known.
    pub fn is_open(&self, peer: u32) -> bool {
        self.neighbours
            .iter()
            .any(|neighbour| neighbour.peer == peer && neighbour.is_open())
    }

    /// Whether a neighbour was ever connected and known.
    pub fn has_met(&self, peer: u32) -> bool {
        self.neighbours
            .iter()
            .any(|neighbour| neighbour.peer == peer && neighbour.met)
    }

    /// Neighbours that have one of this peer's slots (BEP 3: one that wants nothing has none, choked or not), and neighbours
    /// that serve this peer.
    pub fn unchoked(&self) -> (usize, usize) {
        let open = self.neighbours.iter().filter(|neighbour| neighbour.is_open());
        (self.served(), open.filter(|neighbour| !neighbour.choked).count())
    }

    /// This peer's wait.
    pub fn waits_for(&self) -> Wait {
        let mut wanted = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.is_open() && neighbour.interested);
        match wanted.next() {
            None => Wait::Nothing,
            Some(first) if !first.choked || wanted.any(|neighbour| !neighbour.choked) => Wait::Served,
            Some(_) => Wait::Choked,
        }
    }

    /// Neighbours whose chunks this peer wants, and neighbours that want chunks of this peer.
    pub fn interested(&self) -> (usize, usize) {
        let open = || self.neighbours.iter().filter(|neighbour| neighbour.is_open());
        (
            open().filter(|neighbour| neighbour.interested).count(),
            open().filter(|neighbour| neighbour.peer_interested).count(),
        )
    }

    /// An origin's metainfo of the current round.
    pub fn metainfo(&self, origin: u32) -> Option<&Metainfo> {
        Some(&self.current.metainfo(origin)?.parsed)
    }

    /// Whether the current round is the last one; that it ends the run early is known once it is complete.
    pub fn is_last(&self) -> bool {
        self.convergence.is_some() || self.current.number + 1 >= self.config.rounds
    }

    /// Why the run ends early, once the round that ends it is complete.
    pub fn convergence(&self) -> Option<Convergence> {
        self.convergence
    }

    /// The record of early stop's rules up to the last complete round.
    pub fn stop_record(&self) -> StopRecord {
        self.early_stop.map(|stop| stop.record).unwrap_or_default()
    }
}
