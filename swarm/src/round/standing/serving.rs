//! What neighbours ask of this peer by standing requests.

use std::{cmp::Reverse, collections::BTreeSet};

use super::Round;
use crate::bitfield::Bitfield;

/// What a neighbour asks of this peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// Empty without an allocation until it asks for something.
    wants: Bitfield,
    /// What of that this peer has: the greatest part of the swarm behind the neighbour first.
    due: BTreeSet<(Reverse<u32>, u32)>,
}

impl Round {
    /// A neighbour asks for a chunk as soon as this peer has it.
    pub(crate) fn want(&mut self, neighbour: usize, position: u32) {
        self.standing.grow(self.neighbours.len());
        let positions = self.held.len();
        let served = &mut self.standing.served[neighbour];
        if served.wants.len() != positions {
            served.wants = Bitfield::new(positions);
        }
        served.wants.insert(position);
        if self.held.contains(position) {
            self.make_due(neighbour, position);
        }
    }

    /// It does not ask for it any more; true when it did.
    pub(crate) fn unwant(&mut self, neighbour: usize, position: u32) -> bool {
        let urgency = Reverse(self.behind(position, neighbour));
        let Some(served) = self.standing.served.get_mut(neighbour) else {
            return false;
        };
        served.due.remove(&(urgency, position));
        served.wants.remove(position)
    }

    /// It asks for nothing any more.
    pub(crate) fn drop_wants(&mut self, neighbour: usize) {
        if let Some(served) = self.standing.served.get_mut(neighbour) {
            *served = Served::default();
        }
    }

    /// Whether a neighbour asks for a chunk so.
    pub(crate) fn is_wanted_by(&self, neighbour: usize, position: u32) -> bool {
        let served = self.standing.served.get(neighbour);
        served.is_some_and(|served| served.wants.contains(position))
    }

    /// Chunks that a neighbour asks for so, whether this peer has them or not.
    pub(crate) fn count_wanted_by(&self, neighbour: usize) -> u32 {
        let served = self.standing.served.get(neighbour);
        served.map_or(0, |served| served.wants.count())
    }

    /// A chunk is held now: whoever asks for it so gets it.
    pub(crate) fn make_all_due(&mut self, position: u32) {
        for neighbour in 0..self.standing.served.len() {
            if self.is_wanted_by(neighbour, position) {
                self.make_due(neighbour, position);
            }
        }
    }

    fn make_due(&mut self, neighbour: usize, position: u32) {
        let urgency = Reverse(self.behind(position, neighbour));
        self.standing.served[neighbour].due.insert((urgency, position));
    }

    /// Whether this peer has something that a neighbour has asked for so.
    pub(crate) fn is_due(&self, neighbour: usize) -> bool {
        let served = self.standing.served.get(neighbour);
        served.is_some_and(|served| !served.due.is_empty())
    }

    /// What of that goes first; the neighbour does not ask for it any more.
    pub(crate) fn take_due(&mut self, neighbour: usize) -> Option<u32> {
        let served = self.standing.served.get_mut(neighbour)?;
        let (_, position) = served.due.pop_first()?;
        served.wants.remove(position);
        Some(position)
    }

    /// Whether this peer holds a chunk that a neighbour neither has nor was sent.
    pub(crate) fn has_more_for(&self, neighbour: usize) -> bool {
        let sent = &self.neighbours[neighbour].sent;
        self.ahead_of(neighbour) > 0
            && self
                .held
                .iter()
                .any(|position| !self.has(neighbour, position) && !sent.contains(position))
    }
}
