//! Standing requests of this peer: what it asks of its suppliers before they have it, and what becomes of that.

use std::sync::Arc;

use super::{
    Action, Swarm, Violation,
    downloads::{MOST_DOUBLINGS, patience},
};
use crate::{
    Time,
    message::{Message, PieceHeader},
    requests::{Outstanding, backlog_of},
    suppliers::Suppliers,
};

impl Swarm {
    /// The round that has just begun here follows the trees of those who take part.
    pub(super) fn follow_trees(&mut self) {
        if self.config.forest.is_none() {
            return;
        }
        let members: Vec<u32> = self.view.members().iter().collect();
        self.begin_with_uplinks();
        let Some(suppliers) = self.suppliers_of(&members) else {
            return;
        };
        self.suppliers = Some(Arc::clone(&suppliers));
        self.current.follow(suppliers);
        for at in 0..self.neighbours.len() {
            if self.neighbours[at].is_open() {
                self.current.open_to(at);
            }
        }
    }

    /// Those of these members; those of the last round where they are the same. None where the manifest wants none, and while this peer catches up.
    pub(super) fn suppliers_of(&self, members: &[u32]) -> Option<Arc<Suppliers>> {
        let forest = self.config.forest.as_ref().filter(|_| self.joining.is_none())?;
        let neighbours: Vec<u32> = self.neighbours.iter().map(|neighbour| neighbour.peer).collect();
        let uplinks = self.uplinks.of(members);
        let known = self.suppliers.as_ref();
        if let Some(known) = known.filter(|it| it.are_of(members, &uplinks, &neighbours)) {
            return Some(Arc::clone(known));
        }
        Suppliers::new(forest, (members, uplinks), self.config.me(), neighbours).map(Arc::new)
    }

    /// Chunks whose piece has begun to come as the answer to a standing request.
    pub(super) fn arriving(&self) -> impl Iterator<Item = u32> + '_ {
        let arriving = self.neighbours.iter().flat_map(|neighbour| neighbour.arriving.values());
        arriving.map(|piece| piece.position)
    }

    /// Tells suppliers what is asked of them.
    pub(super) fn tell_wants(&mut self, now: Time) {
        let round = self.current.number;
        for (at, positions) in self.current.take_unsaid() {
            if self.current.count_asked_of(at) == positions.len() as u32 {
                self.neighbours[at].supplied_at = now;
            }
            for part in positions.chunks(self.longest_list()) {
                let positions = part.to_vec();
                self.send(at, Message::Want { round, positions });
            }
        }
    }

    /// Positions that one message may name.
    fn longest_list(&self) -> usize {
        self.config.limits().positions().div_ceil(8) as usize
    }

    /// A piece that answers a standing request has begun to come.
    pub(super) fn standing_header(&mut self, at: usize, header: &PieceHeader) -> Option<[u8; 32]> {
        let PieceHeader { request, chunk, length } = *header;
        if self.suppliers.is_none() {
            // This peer asks nobody so.
            return self.refuse_piece(at, request);
        }
        let in_range = chunk.origin < self.config.peers && chunk.index < self.config.layout.chunks();
        if chunk.round == self.current.number {
            self.neighbours[at].backlog = backlog_of(request);
        }
        let neighbour = &self.neighbours[at];
        // Each piece has a stream of its own, and one may overtake another.
        let is_new = neighbour.arriving.get(request).is_none();
        let is_current = chunk.round == self.current.number && self.joining.is_none();
        let position = (in_range && is_current && is_new && neighbour.is_open()).then(|| self.position(chunk));
        let asked = position.and_then(|position| Some((position, self.current.standing_at(position)?)));
        let asked = asked.filter(|&(position, _)| self.current.may_come(position, at) && !self.is_arriving(position));
        let known = self.current.metainfo(chunk.origin);
        let hash = known.and_then(|known| known.parsed.hashes.get(chunk.index as usize).copied());
        let (Some((position, of)), Some(hash)) = (asked, hash) else {
            // It crossed a word that it is not wanted any more.
            self.stats.unrequested += 1;
            return None;
        };
        let bytes = self.config.layout.bytes(chunk.index);
        if length != bytes {
            return self.refuse_piece(at, request);
        }
        if of != at {
            // It was moved, and this piece had begun before.
            self.current.move_to(position, at);
            self.update_interest_in(at);
            self.tell_unwanted(of, &[position]);
            self.update_interest_in(of);
        }
        self.current.add_have(at, position);
        let neighbour = &mut self.neighbours[at];
        let fresh = neighbour.delivery.mark(self.latest);
        let piece = Outstanding {
            position,
            bytes,
            mark: neighbour.came_at.unwrap_or(fresh),
            expected: None,
            begun: true,
            withdrawn_for: None,
        };
        neighbour.arriving.insert(request, piece);
        Some(hash)
    }

    fn refuse_piece(&mut self, at: usize, request: u32) -> Option<[u8; 32]> {
        self.stats.unrequested += 1;
        self.violated(self.latest, at, Violation::Piece { request });
        self.settle(self.latest);
        None
    }

    /// Whether the piece that answers a standing request has begun to come.
    pub(super) fn is_arriving(&self, position: u32) -> bool {
        self.arriving().any(|arriving| arriving == position)
    }

    pub(super) fn tell_unwanted(&mut self, at: usize, positions: &[u32]) {
        let round = self.current.number;
        for part in positions.chunks(self.longest_list()) {
            let positions = part.to_vec();
            self.send(at, Message::Unwant { round, positions });
        }
    }

    /// A chunk has come in another way than from the neighbour that it is asked of.
    pub(super) fn withdraw_standing(&mut self, position: u32, came_from: Option<usize>) {
        let Some(at) = self.current.standing_at(position).filter(|&at| Some(at) != came_from) else {
            return;
        };
        self.abort_arriving(at, position);
        // It hears that when it hears of anything.
        if self.neighbours[at].is_open() {
            self.tell_unwanted(at, &[position]);
        }
    }

    /// Nothing that is asked of a neighbour so is needed any more: it hears that the round is over here.
    pub(super) fn withdraw_all_standing(&mut self, at: usize) {
        let arriving: Vec<u32> = self.neighbours[at]
            .arriving
            .values()
            .map(|piece| piece.position)
            .collect();
        for position in arriving {
            self.abort_arriving(at, position);
        }
        self.current.give_up_all_standing(at);
    }

    /// Does not read on what comes of a chunk.
    fn abort_arriving(&mut self, at: usize, position: u32) {
        let arriving = &mut self.neighbours[at].arriving;
        let found = arriving.iter().find(|(_, piece)| piece.position == position);
        if let Some(request) = found.map(|(request, _)| request) {
            arriving.remove(request);
            let from = self.neighbours[at].peer;
            self.actions.push_back(Action::AbortDownload { from, request });
        }
    }

    /// Gives up suppliers that give nothing for too long, as far as others have what is asked of them.
    pub(super) fn drop_late_suppliers(&mut self, now: Time) {
        for at in 0..self.neighbours.len() {
            if self.supplier_late_at(at).is_none_or(|late| late > now) {
                continue;
            }
            // Those that nobody else has are waited for as long again.
            self.neighbours[at].supplied_at = now;
            let asked = self.current.asked_of(at);
            let elsewhere: Vec<u32> = asked.filter(|&position| self.has_other(at, position)).collect();
            if elsewhere.is_empty() {
                continue;
            }
            for &position in &elsewhere {
                self.abort_arriving(at, position);
                self.current.give_up_standing(position, at);
            }
            self.stats.overdue += elsewhere.len() as u64;
            self.neighbours[at].penalise(now);
            self.tell_unwanted(at, &elsewhere);
        }
    }

    /// When a neighbour of which chunks are asked has given nothing for too long.
    fn supplier_late_at(&self, at: usize) -> Option<Time> {
        let neighbour = &self.neighbours[at];
        let waits = !self.current.is_closed() && self.current.count_asked_of(at) > 0;
        if !waits || !neighbour.is_open() {
            return None;
        }
        // Where somebody was lost in this round trees lead over a peer that is not there. Where nobody was, a supplier may itself wait for what it is
        // to pass on, as long as it has waited before.
        let patience = match self.view_changed_at > self.round_began_at {
            true => patience(neighbour.expected(self.config.layout.longest()), self.config.lost_after),
            false => self
                .config
                .lost_after
                .max(neighbour.supplied_at.saturating_sub(self.round_began_at)),
        };
        let patience = patience.saturating_mul(1 << neighbour.strikes.min(MOST_DOUBLINGS));
        Some(neighbour.supplied_at + patience)
    }

    /// When [`Self::drop_late_suppliers`] has to be called at the latest.
    pub(super) fn next_late_supplier(&self) -> Option<Time> {
        self.current.suppliers()?;
        (0..self.neighbours.len())
            .filter_map(|at| self.supplier_late_at(at))
            .min()
    }
}
