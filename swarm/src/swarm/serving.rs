//! Standing requests of neighbours: what they ask of this peer before it has it, and what goes first.

use std::cmp::Reverse;

use super::{Swarm, Violation};
use crate::{Time, chunk::ChunkId, requests::standing_number, round::Round};

/// A share of all that a neighbour asks for is counted in so many parts.
const WHOLE: u32 = 32;

/// What of a peer's uploads goes first: the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    /// A neighbour that is a round behind holds everybody up.
    pub round: Reverse<u32>,
    /// Whether it is a chunk of this peer's own update that nobody else has been sent, or that at least half of all peers get by way of the neighbour:
    /// nobody can pass on what has not left its origin.
    pub is_first: bool,
    /// How much of what the neighbour asks for has not begun to go there, in parts of 32: where all have the same share left, nobody runs out of what it
    /// is to pass on.
    pub left: u32,
    /// Among equals each peer begins with another neighbour, so that not all send to the same one.
    pub turn: u32,
}

impl Swarm {
    pub(super) fn got_wants(&mut self, at: usize, round: u32, positions: &[u32]) -> Result<(), Violation> {
        self.check_round(round)?;
        self.check_incomplete(at, round)?;
        if round < self.released {
            return Ok(());
        }
        let chunks = self.config.layout.chunks();
        if let Some(of) = self.round_mut(round).filter(|of| !of.neighbour(at).done) {
            for &position in positions {
                of.want(at, position);
                of.mark_metainfo(at, position / chunks);
            }
        }
        Ok(())
    }

    pub(super) fn got_unwants(&mut self, now: Time, at: usize, round: u32, positions: &[u32]) -> Result<(), Violation> {
        self.check_round(round)?;
        let mut dropped = Vec::new();
        if let Some(of) = self.round_mut(round) {
            dropped.extend(positions.iter().copied().filter(|&position| of.unwant(at, position)));
        }
        // It was not told of these.
        if round == self.current.number && !self.current.is_closed() {
            for position in dropped {
                if self.current.held().contains(position) {
                    self.announce_chunk_to(now, at, position);
                }
            }
        }
        Ok(())
    }

    /// Whether a neighbour shall get something that it asked for before this peer had it, choked or not.
    pub(super) fn may_push(&self, at: usize) -> bool {
        self.neighbours[at].is_open() && self.is_something_due(at)
    }

    fn is_something_due(&self, at: usize) -> bool {
        let is_due = |round: &Round| round.is_due(at);
        is_due(&self.current) || self.previous.as_ref().is_some_and(is_due)
    }

    /// Whether a neighbour only waits for what this peer has not yet: it needs no slot before that.
    pub(super) fn waits_for_later(&self, at: usize) -> bool {
        let neighbour = &self.neighbours[at];
        self.current.count_wanted_by(at) > 0
            && neighbour.queue.is_empty()
            && neighbour.active.is_empty()
            && !self.is_something_due(at)
    }

    /// Takes the most urgent chunk of those; an older round goes first.
    pub(super) fn next_pushed(&mut self, at: usize) -> Option<(u32, ChunkId)> {
        if !self.may_push(at) {
            return None;
        }
        let previous = self.previous.as_mut();
        let older = previous.and_then(|round| Some((round.number, round.take_due(at)?)));
        let (round, position) = match older {
            Some(older) => older,
            None => (self.current.number, self.current.take_due(at)?),
        };
        let backlog = self.round_mut(round).map_or(0, |round| round.count_due(at));
        let neighbour = &mut self.neighbours[at];
        let request = standing_number(neighbour.standing_sent, backlog);
        neighbour.standing_sent = neighbour.standing_sent.wrapping_add(1);
        Some((request, self.chunk_at(round, position)))
    }

    /// What goes first of this peer's uploads, where all go over one uplink.
    pub fn precedence(&self, to: u32, chunk: ChunkId) -> Precedence {
        let (peers, me) = (self.config.peers, self.config.me());
        let at = self.find(to);
        let own = at.filter(|_| chunk.round == self.current.number && chunk.origin == me);
        let is_first = own.is_some_and(|at| {
            let position = self.position(chunk);
            2 * self.current.behind(position, at) >= peers || self.current.copies(position) <= 1
        });
        Precedence {
            round: Reverse(chunk.round),
            is_first,
            left: self.left_for(to),
            turn: self.turn_of(to),
        }
    }

    /// Among equal neighbours the greatest goes first.
    pub(super) fn turn_of(&self, peer: u32) -> u32 {
        let peers = self.config.peers.max(1);
        peers - (peer + peers - self.config.me()) % peers
    }

    /// How much of what a neighbour asks for has not begun to go there, in parts of 32.
    pub fn left_for(&self, to: u32) -> u32 {
        let Some(at) = self.find(to) else {
            return 0;
        };
        let is_behind = |round: &&Round| round.count_wanted_by(at) > 0;
        let round = self.previous.as_ref().filter(is_behind).unwrap_or(&self.current);
        let left = round.count_wanted_by(at) + self.neighbours[at].queue.len() as u32;
        let all = left + round.count_sent_to(at);
        (u64::from(left) * u64::from(WHOLE) / u64::from(all.max(1))) as u32
    }
}
