//! Standing requests, and pieces that answer them.

use super::{CHUNKS, PEERS, ROUNDS, World};
use crate::{
    chunk::ChunkId,
    message::{Message, PieceHeader},
    test_utils::origin_data,
};

impl World {
    /// What has to do with standing requests: a piece, or a word.
    pub(super) fn stand(&mut self, peer: u32, bytes: &mut impl Iterator<Item = u8>) -> Option<()> {
        let how = bytes.next()?;
        let round = u32::from(how >> 2) % (ROUNDS + 1);
        let mut positions = || {
            let mask = u16::from_be_bytes([bytes.next()?, bytes.next()?]);
            Some((0..PEERS * CHUNKS).filter(|at| mask >> at & 1 != 0).collect())
        };
        let message = match how % 4 {
            0 => {
                self.push(peer, how >> 2);
                return Some(());
            }
            1 => Message::Want {
                round,
                positions: positions()?,
            },
            2 => Message::Unwant {
                round,
                positions: positions()?,
            },
            _ => Message::Idle { round },
        };
        self.swarm.handle_message(self.now, peer, message);
        Some(())
    }

    /// A piece that answers a standing request of a neighbour: right, wrong, broken off, too long, or of another chunk.
    fn push(&mut self, peer: u32, how: u8) {
        let wanted = self.wants.iter().find(|(of, _)| *of == peer).map(|(_, chunk)| *chunk);
        let Some(chunk) = wanted else { return };
        let chunk = match how & 8 {
            0 => chunk,
            _ => ChunkId {
                index: (chunk.index + 1) % CHUNKS,
                ..chunk
            },
        };
        let data = origin_data(&self.host.config.layout, chunk);
        self.pushed += 1;
        let header = PieceHeader {
            request: u32::MAX - self.pushed,
            chunk,
            length: data.len() as u32 + u32::from(how % 8 == 2),
        };
        let Some(hash) = self.swarm.handle_piece_header(peer, &header) else {
            return;
        };
        let data = match how % 8 {
            0 => return self.swarm.handle_piece_failed(self.now, peer, header.request),
            1 => vec![0x55; data.len()].into(),
            // It never comes in full.
            3 => return,
            _ => data,
        };
        self.host
            .receive(self.now, &mut self.swarm, peer, (&header, data), &hash);
    }
}
