//! What neighbours ask of this peer by standing requests.

use std::{cmp::Reverse, collections::BTreeSet};

use super::Round;
use crate::bitfield::Bitfield;

/// Chunks of this peer's own update of which the one is chosen that the fewest have.
const LOOKED_AT: usize = 64;

/// Chunks that a neighbour may ask for again after they were sent there: so many, or this part of all.
const MOST_REPEATED: u32 = 8;
const REPEATED: u32 = 4;

/// Peers that get a chunk by way of the neighbour, and the chunk.
type Due = (Reverse<u32>, u32);

/// What a neighbour asks of this peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// Empty without an allocation until it asks for something.
    wants: Bitfield,
    /// What of that this peer has, others' updates and its own: the greatest part of the swarm behind the neighbour first.
    due: BTreeSet<Due>,
    own: BTreeSet<Due>,
    /// Times that it asked for what was sent there.
    repeated: u32,
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
        // A piece was wrong or was aborted; whoever asks for more so costs others their turns.
        if self.neighbours[neighbour].sent.contains(position) {
            served.repeated += 1;
            if served.repeated > MOST_REPEATED.max(positions / REPEATED) {
                return;
            }
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
        served.own.remove(&(urgency, position));
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
        let is_own = self.suppliers().is_some_and(|it| it.me() == position / self.chunks);
        let served = &mut self.standing.served[neighbour];
        match is_own {
            true => served.own.insert((urgency, position)),
            false => served.due.insert((urgency, position)),
        };
    }

    /// Trees have changed, and with them what goes first.
    pub(super) fn rank_due(&mut self) {
        for neighbour in 0..self.standing.served.len() {
            let served = &mut self.standing.served[neighbour];
            let due = std::mem::take(&mut served.due);
            let own = std::mem::take(&mut served.own);
            for (_, position) in due.into_iter().chain(own) {
                self.make_due(neighbour, position);
            }
        }
    }

    /// Whether this peer has something that a neighbour has asked for so.
    pub(crate) fn is_due(&self, neighbour: usize) -> bool {
        self.count_due(neighbour) > 0
    }

    /// How much of what a neighbour has asked for so this peer has.
    pub(crate) fn count_due(&self, neighbour: usize) -> u32 {
        let served = self.standing.served.get(neighbour);
        served.map_or(0, |served| (served.due.len() + served.own.len()) as u32)
    }

    /// What of that goes first: what nobody else was sent of this peer's own update, since nobody can pass on what has not left its origin; of the rest of that,
    /// what the fewest have. The neighbour does not ask for it any more.
    pub(crate) fn take_due(&mut self, neighbour: usize) -> Option<u32> {
        let served = self.standing.served.get(neighbour)?;
        let own = served
            .own
            .iter()
            .take(LOOKED_AT)
            .map(|&due| (self.copies(due.1), due))
            .min();
        let next = match own {
            Some((0, unsent)) => unsent,
            own => own
                .map(|(_, due)| due)
                .into_iter()
                .chain(served.due.first().copied())
                .min()?,
        };
        let served = self.standing.served.get_mut(neighbour)?;
        served.due.remove(&next);
        served.own.remove(&next);
        served.wants.remove(next.1);
        Some(next.1)
    }

    /// Chunks that were sent to a neighbour, or have begun to go there.
    pub(crate) fn count_sent_to(&self, neighbour: usize) -> u32 {
        self.neighbours[neighbour].sent.count()
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
