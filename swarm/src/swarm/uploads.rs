//! Requests of neighbours, and the order in which they are answered.

use std::cmp::Reverse;

use super::{Action, Swarm, Violation};
use crate::{
    Time,
    chunk::ChunkId,
    message::Message,
    neighbour::{MAX_ACTIVE, MAX_QUEUED, Neighbour},
    requests::is_standing,
};

impl Swarm {
    /// The transport has taken an upload's last byte, or the stream was reset or stopped.
    pub fn handle_upload_ended(&mut self, now: Time, to: u32, request: u32, sent: bool) {
        let Some(at) = self.find(to) else { return };
        let neighbour = &mut self.neighbours[at];
        let Some(active) = neighbour.active.iter().position(|&active| active == request) else {
            return;
        };
        neighbour.active.swap_remove(active);
        neighbour.last_request_at = now;
        neighbour.unserved_since = None;
        if sent {
            neighbour.at_fault_since = None;
            self.stats.uploads += 1;
        }
        self.settle_uploads(now);
    }

    pub(super) fn got_request(
        &mut self,
        now: Time,
        at: usize,
        request: u32,
        chokes: u32,
        chunk: ChunkId,
    ) -> Result<(), Violation> {
        self.check_round(chunk.round)?;
        if !self.offers(chunk) {
            self.check_incomplete(at, chunk.round)?;
        }
        let held = self.offers(chunk) || chunk.round >= self.released && self.holds(chunk);
        let neighbour = &mut self.neighbours[at];
        if request <= neighbour.last_requested || is_standing(request) {
            return Err(Violation::RequestOrder {
                found: request,
                last: neighbour.last_requested,
            });
        }
        neighbour.last_requested = request;
        neighbour.last_request_at = now;
        // It crossed a choke on the wire, or asks for what was never announced.
        if neighbour.choking || chokes != neighbour.chokes_sent || !held {
            self.stats.refused += 1;
            if chokes != neighbour.chokes_sent {
                neighbour.on_request_too_late();
            }
            return Ok(());
        }
        if neighbour.queue.len() >= MAX_QUEUED {
            return Err(Violation::Flood(MAX_QUEUED));
        }
        neighbour.on_request_in_time(now);
        neighbour.queue.push_back((request, chunk));
        Ok(())
    }

    pub(super) fn got_cancel(&mut self, at: usize, request: u32) {
        let neighbour = &mut self.neighbours[at];
        neighbour.queue.retain(|&(queued, _)| queued != request);
        if neighbour.active.contains(&request) {
            let to = neighbour.peer;
            self.actions.push_back(Action::AbortUpload { to, request });
        }
    }

    /// The neighbour would rather have a request answered by somebody else.
    pub(super) fn got_withdrawal(&mut self, at: usize, request: u32) {
        let queue = &mut self.neighbours[at].queue;
        if let Some(found) = queue.iter().position(|&(queued, _)| queued == request) {
            queue.remove(found);
            self.send(at, Message::Reject { request });
        }
    }

    /// Starts what the transport has room for. Whoever has a slot gets what it requests. Standing requests need none: after each piece it is the turn of
    /// the neighbour that lacks the greatest share of what it asks for, and no more of them than there are slots are sent something at once.
    pub(super) fn start_uploads(&mut self) {
        let mut order: Vec<usize> = (0..self.neighbours.len())
            .filter(|&at| self.neighbours[at].active.len() < MAX_ACTIVE)
            .filter(|&at| !self.neighbours[at].queue.is_empty() || self.may_push(at))
            .collect();
        // Most inputs leave nothing to start.
        if order.is_empty() {
            return;
        }
        order.sort_by_cached_key(|&at| {
            let peer = self.neighbours[at].peer;
            (Reverse(self.left_for(peer)), Reverse(self.turn_of(peer)))
        });
        // Whoever takes nothing of its piece for long keeps nobody else from being served.
        let takes_a_turn = |it: &&Neighbour| {
            let is_standing = it.active.iter().any(|&request| is_standing(request));
            is_standing && self.latest < it.pushed_at.saturating_add(self.config.unchoke_interval)
        };
        let mut pushed = self.neighbours.iter().filter(takes_a_turn).count();
        for at in order {
            let next = match pushed < self.choker.slots() {
                true => self.next_pushed(at).or_else(|| self.next_queued(at)),
                false => self.next_queued(at),
            };
            if let Some((request, chunk)) = next {
                pushed += usize::from(is_standing(request));
                self.start_upload(at, request, chunk);
            }
        }
    }

    fn start_upload(&mut self, at: usize, request: u32, chunk: ChunkId) {
        let neighbour = &mut self.neighbours[at];
        neighbour.active.push(request);
        if is_standing(request) {
            neighbour.pushed_at = self.latest;
        }
        if !is_standing(request) {
            neighbour.last_started = neighbour.last_started.max(request);
        }
        let to = neighbour.peer;
        if chunk.round == self.current.number {
            let position = self.position(chunk);
            self.current.mark_sent(at, position);
        }
        self.actions.push_back(Action::Upload { to, request, chunk });
    }

    /// Takes the request of a neighbour whose chunk the fewest others have or are being sent: first copies go before
    /// second ones, which others can pass on (the aim of super-seeding, BEP 16). An older round goes first.
    fn next_queued(&mut self, at: usize) -> Option<(u32, ChunkId)> {
        let copies = |chunk: ChunkId| {
            if chunk.round == self.current.number {
                1 + self.current.copies(self.position(chunk))
            } else {
                0
            }
        };
        let queue = self.neighbours[at].queue.iter().enumerate();
        let (place, _) = queue.min_by_key(|(place, (_, chunk))| (copies(*chunk), *place))?;
        self.neighbours[at].queue.remove(place)
    }
}
