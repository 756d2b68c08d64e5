//! Chunks that an earlier process of this peer has kept: what is verified is not fetched twice.

use super::{Action, Recall, Swarm};
use crate::{Time, chunk::ChunkId};

impl Swarm {
    /// A chunk of [`Action::Recall`] was found and has the hash that was asked for. The driver keeps the chunk that is returned before it
    /// polls the next action.
    pub fn handle_recalled(&mut self, now: Time, recall: u64, index: u32) -> Option<ChunkId> {
        let origin = self.current.recalled(recall)?;
        let position = self.current.positions_of(origin).nth(index as usize)?;
        if self.ended || self.current.is_closed() || self.current.held().contains(position) {
            return None;
        }
        let chunk = self.chunk_at(self.current.number, position);
        self.stats.recalled += u64::from(self.config.layout.bytes(index));
        self.hold(now, position, None);
        self.close_when_done(now);
        self.settle(now);
        Some(chunk)
    }

    /// All that there is of [`Action::Recall`] was found.
    pub fn handle_recall_ended(&mut self, now: Time, recall: u64) {
        if self.current.end_recall(recall) {
            self.settle(now);
        }
    }

    /// The chunks of an origin in the current round may be in the store of an earlier process.
    pub(super) fn recall(&mut self, origin: u32) {
        let (round, kept) = (self.current.number, &self.config.kept);
        let is_model = self.joining.is_some();
        let may_be_kept = kept.rounds.contains(&round) || is_model && kept.has_model;
        if !may_be_kept {
            return;
        }
        let Some(known) = self.current.metainfo(origin) else {
            return;
        };
        let hashes = known.parsed.hashes.clone();
        let first = self.chunk_at(round, self.current.positions_of(origin).start);
        self.last_recall += 1;
        let id = self.last_recall;
        self.current.recall(origin, id);
        self.actions.push_back(Action::Recall(Recall {
            id,
            round,
            origin: first.origin,
            hashes,
        }));
    }

    /// The same of all origins whose updates are known of a round that has become the current one.
    pub(super) fn recall_all(&mut self) {
        if self.config.kept.rounds.contains(&self.current.number) {
            let known: Vec<u32> = self.current.metainfos().map(|known| known.parsed.origin).collect();
            known.into_iter().for_each(|origin| self.recall(origin));
        }
    }
}
