//! Where things are: neighbours, chunks and rounds by their names.

use super::{Swarm, Violation};
use crate::chunk::ChunkId;

impl Swarm {
    pub(super) fn find(&self, peer: u32) -> Option<usize> {
        // In the order of `self.neighbours`, and closer together.
        let neighbours = &self.config.neighbours;
        let in_topology = neighbours.iter().position(|&at| at == peer);
        in_topology.or_else(|| {
            let mut extra = self.neighbours.iter().skip(neighbours.len());
            Some(neighbours.len() + extra.position(|neighbour| neighbour.peer == peer)?)
        })
    }

    /// Whether this peer holds a chunk of the current round or of the one before.
    pub(super) fn holds(&self, chunk: ChunkId) -> bool {
        if chunk.origin >= self.config.peers || self.joining.is_some() {
            return self.offers(chunk);
        }
        let position = self.position(chunk);
        [self.previous.as_ref(), Some(&self.current)]
            .into_iter()
            .flatten()
            .any(|round| round.number == chunk.round && round.held().contains(position))
    }

    /// A round that is over and gone is ignored, one that cannot be yet is a violation.
    pub(super) fn check_round(&self, number: u32) -> Result<(), Violation> {
        if number > self.next_number() || number >= self.config.rounds {
            return Err(Violation::FutureRound {
                found: number,
                current: self.current.number,
            });
        }
        Ok(())
    }

    pub(super) fn position(&self, chunk: ChunkId) -> u32 {
        chunk.origin * self.config.layout.chunks() + chunk.index
    }

    pub(super) fn chunk_at(&self, round: u32, position: u32) -> ChunkId {
        let chunks = self.config.layout.chunks();
        let origin = match self.joining.is_some() && round == self.current.number {
            // The model is the update of nobody.
            true => self.config.peers,
            false => position / chunks,
        };
        ChunkId {
            round,
            origin,
            index: position % chunks,
        }
    }
}
