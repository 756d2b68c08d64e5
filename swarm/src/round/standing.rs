//! Standing requests: chunks that are asked of the neighbour that supplies them before it has them, and what neighbours ask so of this peer.

mod serving;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::serving::Served;
use super::{ChunkState, Round};
use crate::{bitfield::Bitfield, suppliers::Suppliers};

/// The standing requests of a round.
#[derive(Debug, Default)]
pub(super) struct Standing {
    suppliers: Option<Arc<Suppliers>>,
    /// Chunks that whoever has them is asked for: their supplier failed.
    released: Bitfield,
    /// Chunks that were asked of a neighbour so and have not come.
    asked: Bitfield,
    /// Those of them that are asked of another neighbour than their supplier.
    moved: BTreeMap<u32, u16>,
    /// Neighbours of which a chunk was asked before it moved, and the chunk: its piece may have begun.
    left: BTreeSet<(u16, u32)>,
    /// Those of which the supplier does not know yet.
    unsaid: Vec<(usize, u32)>,
    /// By neighbour: whether it can be asked, and how many chunks are asked of it.
    can_serve: Vec<bool>,
    counts: Vec<u32>,
    /// By neighbour, what it asks of this peer.
    served: Vec<Served>,
}

impl Standing {
    /// Chunks that were asked so and have not come.
    pub(super) fn count(&self) -> u32 {
        self.asked.count()
    }

    /// The neighbour of which a chunk was asked.
    pub(super) fn asked_of(&self, position: u32) -> Option<u16> {
        let suppliers = self.suppliers.as_ref().filter(|_| self.asked.contains(position))?;
        let moved = self.moved.get(&position).copied();
        moved.or_else(|| suppliers.supplier(position).map(|at| at as u16))
    }

    /// Room for so many neighbours.
    pub(super) fn grow(&mut self, neighbours: usize) {
        let neighbours = neighbours.max(self.served.len());
        self.can_serve.resize(neighbours, false);
        self.counts.resize(neighbours, 0);
        self.served.resize(neighbours, Served::default());
    }

    /// A chunk is not asked for so any more.
    pub(super) fn end(&mut self, position: u32) {
        if let Some(at) = self.asked_of(position) {
            self.asked.remove(position);
            self.counts[usize::from(at)] -= 1;
            self.moved.remove(&position);
        }
    }
}

impl Round {
    /// Chunks are asked of their suppliers from now on, as far as [`Self::open_to`] says that they can be.
    pub(crate) fn follow(&mut self, suppliers: Arc<Suppliers>) {
        let positions = self.held.len();
        self.standing.suppliers = Some(suppliers);
        self.standing.released = Bitfield::new(positions);
        self.standing.asked = Bitfield::new(positions);
        self.standing.grow(self.neighbours.len());
    }

    /// The same within a round: what was asked of others moves, but for what is arriving and what has moved before. Gives what is not asked of neighbours any
    /// more: neighbours, and ascending positions.
    pub(crate) fn change_suppliers(
        &mut self,
        suppliers: Arc<Suppliers>,
        arriving: &BTreeSet<u32>,
    ) -> BTreeMap<usize, Vec<u32>> {
        let asked = self.standing.asked.iter();
        let before: Vec<(u32, usize)> = asked.filter_map(|at| Some((at, self.standing_at(at)?))).collect();
        let last = self.standing.suppliers.replace(Arc::clone(&suppliers));
        let mut taken_back: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (position, from) in before {
            if self.standing.moved.contains_key(&position) || suppliers.supplier(position) == Some(from) {
                continue;
            }
            self.standing.moved.insert(position, from as u16);
            let to = suppliers.supplier(position).filter(|&to| self.standing.can_serve[to]);
            if let Some(to) = to.filter(|_| !arriving.contains(&position)) {
                self.move_to(position, to);
                self.standing.moved.remove(&position);
                self.standing.unsaid.push((to, position));
                taken_back.entry(from).or_default().push(position);
            }
        }
        for position in 0..self.held.len() {
            let supplier = suppliers.supplier(position);
            let is_open = supplier.is_some_and(|at| self.standing.can_serve[at]);
            if is_open && last.as_ref().is_none_or(|it| it.supplier(position) != supplier) {
                self.ask_anew(position);
            }
        }
        self.rank_due();
        taken_back
    }

    /// Who supplies what, where chunks are asked of suppliers.
    pub(crate) fn suppliers(&self) -> Option<&Suppliers> {
        self.standing.suppliers.as_deref()
    }

    /// A neighbour can be asked from now on for what it supplies.
    pub(crate) fn open_to(&mut self, neighbour: usize) {
        let Some(suppliers) = self.standing.suppliers.clone() else {
            return;
        };
        self.standing.grow(self.neighbours.len());
        self.standing.can_serve[neighbour] = true;
        let supplied = (0..self.held.len()).filter(|&position| suppliers.supplier(position) == Some(neighbour));
        for position in supplied {
            self.ask_anew(position);
        }
    }

    /// A chunk that is missing has a supplier that can be asked.
    fn ask_anew(&mut self, position: u32) {
        self.standing.released.remove(position);
        if self.leave(position) || self.state(position) == ChunkState::Missing {
            self.enter(position);
        }
    }

    /// Whether any chunk was asked of a supplier and has not come.
    pub(crate) fn asks(&self) -> bool {
        self.standing.count() > 0
    }

    /// Chunks that are asked of a neighbour.
    pub(crate) fn count_asked_of(&self, neighbour: usize) -> u32 {
        self.standing.counts.get(neighbour).copied().unwrap_or_default()
    }

    /// The neighbour of which a chunk was asked by a standing request.
    pub(crate) fn standing_at(&self, position: u32) -> Option<usize> {
        self.standing.asked_of(position).map(usize::from)
    }

    /// The chunks that are asked of a neighbour.
    pub(crate) fn asked_of(&self, neighbour: usize) -> impl Iterator<Item = u32> + '_ {
        let asked = self.standing.asked.iter();
        asked.filter(move |&position| self.standing_at(position) == Some(neighbour))
    }

    /// Asks a chunk of its supplier; false where the rule for all others holds.
    pub(super) fn stand(&mut self, position: u32) -> bool {
        let supplier = self.standing.suppliers.as_ref().and_then(|it| it.supplier(position));
        let Some(at) = supplier.filter(|&at| self.standing.can_serve[at]) else {
            return false;
        };
        let is_free = !self.closed
            && !self.standing.released.contains(position)
            && self.may_ask_for(position / self.chunks)
            && self.state(position) == ChunkState::Missing;
        if is_free {
            self.standing.asked.insert(position);
            self.standing.counts[at] += 1;
            self.standing.unsaid.push((at, position));
        }
        is_free
    }

    /// Chunks that a neighbour has and that are asked of another one, with that.
    pub(crate) fn movable(&self, to: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let asked = self
            .standing
            .asked
            .iter()
            .filter(move |&position| self.has(to, position));
        asked.filter_map(move |position| {
            let from = self.standing_at(position)?;
            (from != to).then_some((from, position))
        })
    }

    /// Asks a chunk of another neighbour than it was asked of.
    pub(crate) fn move_to(&mut self, position: u32, to: usize) {
        if let Some(from) = self.standing_at(position) {
            self.standing.counts[from] -= 1;
            self.standing.counts[to] += 1;
            self.standing.moved.insert(position, to as u16);
            self.standing.left.insert((from as u16, position));
        }
    }

    /// Whether a chunk is asked of another neighbour than its supplier.
    pub(crate) fn has_moved(&self, position: u32) -> bool {
        self.standing.moved.contains_key(&position)
    }

    /// Whether a piece may come of a neighbour that answers a standing request, for a chunk that is asked of some neighbour so.
    pub(crate) fn may_come(&self, position: u32, neighbour: usize) -> bool {
        let is_asked = self.standing_at(position) == Some(neighbour);
        is_asked || self.standing.left.contains(&(neighbour as u16, position))
    }

    /// What suppliers have to be asked for now: neighbours, and ascending positions.
    pub(crate) fn take_unsaid(&mut self) -> Vec<(usize, Vec<u32>)> {
        let mut unsaid = std::mem::take(&mut self.standing.unsaid);
        unsaid.retain(|&(at, position)| self.standing_at(position) == Some(at));
        unsaid.sort_unstable();
        unsaid.dedup();
        let groups = unsaid.chunk_by(|a, b| a.0 == b.0);
        groups
            .map(|group| (group[0].0, group.iter().map(|&(_, position)| position).collect()))
            .collect()
    }

    /// A chunk that was asked of this neighbour so is asked of whoever has it; true if it was.
    pub(crate) fn give_up_standing(&mut self, position: u32, neighbour: usize) -> bool {
        let was = self.standing_at(position) == Some(neighbour);
        if was {
            self.standing.end(position);
            self.standing.released.insert(position);
            self.enter(position);
        }
        was
    }

    /// All that is asked of a neighbour is asked of whoever has it.
    pub(crate) fn give_up_all_standing(&mut self, neighbour: usize) {
        if self.count_asked_of(neighbour) > 0 {
            let asked: Vec<u32> = self.asked_of(neighbour).collect();
            for position in asked {
                self.give_up_standing(position, neighbour);
            }
        }
    }

    /// A neighbour's connection is gone.
    pub(super) fn forget_standing(&mut self, neighbour: usize) {
        if let Some(can_serve) = self.standing.can_serve.get_mut(neighbour) {
            *can_serve = false;
        }
        self.give_up_all_standing(neighbour);
        self.drop_wants(neighbour);
    }

    /// An origin's chunks are looked for elsewhere first, before anybody was told that they are asked for.
    pub(super) fn unask(&mut self, origin: u32) {
        for position in self.positions_of(origin) {
            self.standing.end(position);
        }
    }

    /// How many peers get a chunk by way of a neighbour.
    pub(crate) fn behind(&self, position: u32, neighbour: usize) -> u32 {
        let suppliers = self.standing.suppliers.as_ref();
        suppliers.map_or(0, |it| it.behind(position, neighbour))
    }
}
