//! One round as one peer sees it: which chunks it holds, which are on their way, who has what, and what to ask next.
//!
//! Invariant: a chunk is in exactly one state ([`ChunkState`]), and it is in `wanted` exactly when it is
//! [`ChunkState::Missing`], its metainfo is known, it is not looked for in the store of an earlier process, and at least one connected
//! neighbour has it.

mod arrivals;
mod check;
mod holders;
mod ranks;
mod recalls;
mod standing;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::arrivals::RoundPhase;
pub(crate) use self::wanted::Cursor;
use self::{arrivals::Arrivals, holders::Holders, ranks::Ranks, standing::Standing, wanted::Wanted};
use crate::{
    Time,
    bitfield::Bitfield,
    metainfo::KnownMetainfo,
    selection::{Missing, Order, Selection, mix},
    vote::Votes,
};

/// Where a chunk is; neighbours are named by their position in [`crate::Config::neighbours`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkState {
    /// Neither held nor asked for.
    Missing,
    /// Asked for at one neighbour, or at a second one too near the end.
    InFlight { first: u16, second: Option<u16> },
    /// In the chunk store.
    Held,
}

/// A neighbour's announcements about a round.
#[derive(Clone, Debug)]
pub(crate) struct NeighbourView {
    /// Ranks of the chunks that it has.
    has: Ranks,
    /// Chunks that were sent to it, whether they have come or not.
    sent: Bitfield,
    /// Metainfos that it has, or that were sent to it.
    pub(crate) metainfos: Bitfield,
    /// It said that it is complete, and holds that state however often it reconnects.
    pub(crate) complete: bool,
    /// It needs nothing more, complete or not.
    pub(crate) done: bool,
    /// It has said so since it was connected.
    pub(crate) says_done: bool,
    /// Chunks that it has and that this peer does not hold.
    interesting: u32,
    /// Chunks in `wanted` that it has.
    askable: u32,
}

/// One round as one peer sees it.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) number: u32,
    selection: &'static dyn Selection,
    chunks: u32,
    /// Among chunks that are wanted alike, the one of the lowest rank is asked first.
    order: Order,
    holders: Holders,
    wanted: Wanted,
    metainfos: Vec<Option<Arc<KnownMetainfo>>>,
    /// Origins that have signed something else too.
    disputed: BTreeSet<u32>,
    /// Origins whose chunks are looked for in the store of an earlier process, and the number of that.
    recalls: BTreeMap<u32, u64>,
    held: Bitfield,
    /// Chunks of each origin that are not held.
    left: Vec<u32>,
    /// Origins whose update is held as a whole.
    whole: u32,
    arrivals: Arrivals,
    /// The votes on its end.
    pub(crate) votes: Votes,
    /// What is folded of it, once that was agreed by votes.
    agreed: Option<Bitfield>,
    /// It is over here: nothing more of it is needed.
    closed: bool,
    /// The neighbour that a chunk was asked of, and a second one.
    in_flight: BTreeMap<u32, (u16, Option<u16>)>,
    neighbours: Vec<NeighbourView>,
    standing: Standing,
}

impl NeighbourView {
    fn new(positions: u32, peers: u32) -> Self {
        Self {
            has: Ranks::new(positions),
            sent: Bitfield::new(positions),
            metainfos: Bitfield::new(peers),
            complete: false,
            done: false,
            says_done: false,
            interesting: 0,
            askable: 0,
        }
    }
}

impl Round {
    pub(crate) fn new(
        number: u32,
        peers: u32,
        chunks: u32,
        neighbours: usize,
        selection: &'static dyn Selection,
        seed: u64,
    ) -> Self {
        let positions = peers * chunks;
        Self {
            number,
            selection,
            chunks,
            order: selection.order(positions, mix(seed ^ u64::from(number))),
            holders: Holders::new(positions, neighbours),
            wanted: Wanted::new(positions, selection.levels(neighbours)),
            metainfos: vec![None; peers as usize],
            disputed: BTreeSet::new(),
            recalls: BTreeMap::new(),
            held: Bitfield::new(positions),
            left: vec![chunks; peers as usize],
            whole: 0,
            arrivals: Arrivals::new(peers),
            votes: Votes::default(),
            agreed: None,
            closed: false,
            in_flight: BTreeMap::new(),
            neighbours: vec![NeighbourView::new(positions, peers); neighbours],
            standing: Standing::default(),
        }
    }

    /// One more neighbour, of which nothing is known.
    pub(crate) fn add_neighbour(&mut self) {
        let peers = self.metainfos.len() as u32;
        self.neighbours.push(NeighbourView::new(self.held.len(), peers));
        self.holders.grow(self.held.len(), self.neighbours.len());
        self.standing.grow(self.neighbours.len());
        self.wanted.grow(self.selection.levels(self.neighbours.len()));
    }

    pub(crate) fn held(&self) -> &Bitfield {
        &self.held
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.len() as u32 + self.standing.count()
    }

    /// Whether every chunk is held.
    pub(crate) fn is_full(&self) -> bool {
        self.held.is_full()
    }

    /// Whether an origin's whole update is held.
    pub(crate) fn has_whole(&self, origin: u32) -> bool {
        self.left.get(origin as usize) == Some(&0)
    }

    /// Origins whose whole update is held.
    pub(crate) fn whole(&self) -> u32 {
        self.whole
    }

    /// When updates came.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// The chunks of an origin's update that are held.
    pub(crate) fn held_of(&self, origin: u32) -> Bitfield {
        let mut held = Bitfield::new(self.chunks);
        for (index, position) in (0..).zip(self.positions_of(origin)) {
            if self.held.contains(position) {
                held.insert(index);
            }
        }
        held
    }

    pub(crate) fn positions_of(&self, origin: u32) -> std::ops::Range<u32> {
        origin * self.chunks..(origin + 1) * self.chunks
    }

    /// Whether nothing more of it is needed here.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// What is folded of it, where votes have said so.
    pub(crate) fn agreed(&self) -> Option<&Bitfield> {
        self.agreed.as_ref()
    }

    /// Votes say what is folded of it.
    pub(crate) fn agree(&mut self, set: Bitfield) {
        self.agreed = Some(set);
    }

    pub(crate) fn neighbour(&self, neighbour: usize) -> &NeighbourView {
        &self.neighbours[neighbour]
    }

    /// Whether a neighbour has a chunk.
    pub(crate) fn has(&self, neighbour: usize, position: u32) -> bool {
        self.holders.contains(position, neighbour)
    }

    /// How many chunks a neighbour has.
    pub(crate) fn count(&self, neighbour: usize) -> u32 {
        self.neighbours[neighbour].has.count()
    }

    /// Chunks that this peer holds and a neighbour lacks.
    pub(crate) fn ahead_of(&self, neighbour: usize) -> u32 {
        let view = &self.neighbours[neighbour];
        self.held.count() + view.interesting - view.has.count()
    }

    pub(crate) fn state(&self, position: u32) -> ChunkState {
        if self.held.contains(position) {
            return ChunkState::Held;
        }
        match (self.in_flight.get(&position), self.standing.asked_of(position)) {
            (Some(&(first, second)), _) => ChunkState::InFlight { first, second },
            (None, Some(first)) => ChunkState::InFlight { first, second: None },
            (None, None) => ChunkState::Missing,
        }
    }

    pub(crate) fn metainfo(&self, origin: u32) -> Option<&KnownMetainfo> {
        self.metainfos.get(origin as usize)?.as_deref()
    }

    /// Whether an origin has signed something else too.
    pub(crate) fn is_disputed(&self, origin: u32) -> bool {
        self.disputed.contains(&origin)
    }

    /// The known metainfo of an origin that is first seen to have signed something else too.
    pub(crate) fn dispute(&mut self, origin: u32) -> Option<&KnownMetainfo> {
        let known = self.metainfos.get(origin as usize)?.as_deref()?;
        self.disputed.insert(origin).then_some(known)
    }

    pub(crate) fn metainfos(&self) -> impl Iterator<Item = &KnownMetainfo> {
        self.metainfos.iter().filter_map(Option::as_deref)
    }

    /// Metainfos that a neighbour is not known to have.
    pub(crate) fn untold(&self, neighbour: usize) -> impl Iterator<Item = &KnownMetainfo> {
        let told = &self.neighbours[neighbour].metainfos;
        self.metainfos().filter(|known| !told.contains(known.parsed.origin))
    }

    pub(crate) fn is_interesting(&self, neighbour: usize) -> bool {
        self.neighbours[neighbour].interesting > 0
    }

    /// Whether `neighbour` has a chunk that could be asked for now.
    pub(crate) fn is_askable(&self, neighbour: usize) -> bool {
        self.neighbours[neighbour].askable > 0
    }

    /// Whether nothing is left to ask: every chunk is held or on its way.
    pub(crate) fn is_endgame(&self) -> bool {
        self.held.count() + self.in_flight() == self.held.len() && !self.in_flight.is_empty()
    }

    pub(crate) fn all_neighbours_done(&self) -> bool {
        self.neighbours.iter().all(|view| view.done)
    }

    /// True when chunks can be asked for since.
    pub(crate) fn set_metainfo(&mut self, now: Time, origin: u32, metainfo: Arc<KnownMetainfo>) -> bool {
        self.arrivals.metainfo(now, origin);
        self.metainfos[origin as usize] = Some(metainfo);
        let entered = self.positions_of(origin).filter(|&position| self.enter(position));
        entered.count() > 0
    }

    /// True when it was not known that the neighbour has it.
    pub(crate) fn mark_metainfo(&mut self, neighbour: usize, origin: u32) -> bool {
        self.neighbours[neighbour].metainfos.insert(origin)
    }

    /// A neighbour announces a chunk.
    pub(crate) fn add_have(&mut self, neighbour: usize, position: u32) {
        if self.holders.contains(position, neighbour) {
            return;
        }
        let rank = self.order.rank(position);
        let before = self.level(position);
        let is_first = self.holders.count(position) == 0;
        self.holders.insert(position, neighbour);
        let view = &mut self.neighbours[neighbour];
        view.has.insert(rank);
        view.interesting += u32::from(!self.held.contains(position));
        if self.wanted.remove(before, rank) {
            // For the other neighbours nothing has changed.
            view.askable += 1;
            self.wanted.insert(self.level(position), rank);
        } else if is_first {
            self.enter(position);
        }
    }

    /// A neighbour announces that it holds everything.
    pub(crate) fn add_complete(&mut self, neighbour: usize) {
        let view = &mut self.neighbours[neighbour];
        (view.complete, view.done, view.says_done) = (true, true, true);
        // Saying so again is a short message, and must not cost more than that.
        if self.count(neighbour) == self.held.len() {
            return;
        }
        for position in 0..self.held.len() {
            self.add_have(neighbour, position);
        }
    }

    /// A neighbour needs nothing more, and has what it has said.
    pub(crate) fn add_closed(&mut self, neighbour: usize) {
        let view = &mut self.neighbours[neighbour];
        (view.done, view.says_done) = (true, true);
    }

    /// A neighbour that said so is not complete.
    pub(crate) fn forget_complete(&mut self, neighbour: usize) {
        self.neighbours[neighbour].complete = false;
        self.neighbours[neighbour].done = false;
    }

    /// A neighbour has forgotten what it was told of metainfos.
    pub(crate) fn forget_told(&mut self, neighbour: usize) {
        let told = &mut self.neighbours[neighbour].metainfos;
        *told = Bitfield::new(told.len());
    }

    /// A neighbour went away: what it had is no longer available, and what it knew will be told again.
    pub(crate) fn forget_neighbour(&mut self, neighbour: usize) {
        self.forget_standing(neighbour);
        let none = Ranks::new(self.held.len());
        let had = std::mem::replace(&mut self.neighbours[neighbour].has, none);
        for rank in had.iter() {
            let position = self.order.position(rank);
            let wanted = self.leave(position);
            self.holders.remove(position, neighbour);
            if wanted {
                self.enter(position);
            }
        }
        let view = &mut self.neighbours[neighbour];
        view.sent = Bitfield::new(view.sent.len());
        view.metainfos = Bitfield::new(view.metainfos.len());
        view.says_done = false;
        view.interesting = 0;
        view.askable = 0;
    }

    /// Asks `neighbour` for a chunk that is wanted.
    pub(crate) fn ask(&mut self, position: u32, neighbour: usize) {
        self.leave(position);
        self.in_flight.insert(position, (neighbour as u16, None));
    }

    /// Asks a second neighbour for a chunk that is on its way.
    pub(crate) fn ask_again(&mut self, position: u32, neighbour: usize) {
        if let Some((_, second)) = self.in_flight.get_mut(&position) {
            *second = Some(neighbour as u16);
        }
    }

    /// A request to `neighbour` came to nothing.
    pub(crate) fn give_up(&mut self, position: u32, neighbour: usize) {
        let Some(asked) = self.in_flight.get_mut(&position) else {
            self.give_up_standing(position, neighbour);
            return;
        };
        let neighbour = neighbour as u16;
        match *asked {
            (first, second) if second == Some(neighbour) => *asked = (first, None),
            (first, Some(second)) if first == neighbour => *asked = (second, None),
            (first, None) if first == neighbour => {
                self.in_flight.remove(&position);
                self.enter(position);
            }
            _ => {}
        }
    }

    /// A chunk is sent to a neighbour.
    pub(crate) fn mark_sent(&mut self, neighbour: usize, position: u32) {
        self.neighbours[neighbour].sent.insert(position);
    }

    /// Neighbours that have a chunk or to which it was sent.
    pub(crate) fn copies(&self, position: u32) -> u32 {
        let sent = (0..).zip(&self.neighbours);
        let on_their_way = sent
            .filter(|(_, view)| view.sent.contains(position))
            .filter(|&(neighbour, _)| !self.holders.contains(position, neighbour));
        (self.holders.count(position) + on_their_way.count()) as u32
    }

    /// The chunk is now held.
    pub(crate) fn hold(&mut self, now: Time, position: u32) {
        self.leave(position);
        self.in_flight.remove(&position);
        self.standing.end(position);
        if self.held.insert(position) {
            let origin = position / self.chunks;
            let left = &mut self.left[origin as usize];
            *left -= 1;
            if *left == 0 {
                self.whole += 1;
                self.arrivals.whole(now, origin);
            }
            for neighbour in self.holders.of(position) {
                self.neighbours[neighbour].interesting -= 1;
            }
        }
        if self.held.is_full() {
            self.wanted.shrink();
        }
    }

    /// The next chunk in the order of asking that one of `neighbours` has.
    pub(crate) fn next_wanted(&self, cursor: &mut Cursor, neighbours: &[usize]) -> Option<u32> {
        let one_has = |word| {
            let words = neighbours
                .iter()
                .map(|&neighbour| self.neighbours[neighbour].has.word(word));
            words.fold(0, |all, word| all | word)
        };
        let rank = self.wanted.first(cursor, one_has)?;
        Some(self.order.position(rank))
    }

    /// The level at which a chunk is wanted, when it is.
    fn level(&self, position: u32) -> usize {
        let holders = self.holders.count(position);
        self.selection.level(&Missing { holders })
    }

    /// Whether chunks of an origin may be asked for.
    fn may_ask_for(&self, origin: u32) -> bool {
        self.metainfo(origin).is_some() && !self.recalls.contains_key(&origin)
    }

    /// Puts a chunk into `wanted` when it belongs there and is not there.
    fn enter(&mut self, position: u32) -> bool {
        if self.stand(position) {
            return false;
        }
        let level = self.level(position);
        let belongs = self.holders.count(position) > 0
            && self.may_ask_for(position / self.chunks)
            && self.state(position) == ChunkState::Missing;
        let is_new = belongs && self.wanted.insert(level, self.order.rank(position));
        if is_new {
            for neighbour in self.holders.of(position) {
                self.neighbours[neighbour].askable += 1;
            }
        }
        is_new
    }

    /// Takes a chunk out of `wanted` when it is there.
    fn leave(&mut self, position: u32) -> bool {
        let was = self.wanted.remove(self.level(position), self.order.rank(position));
        if was {
            for neighbour in self.holders.of(position) {
                self.neighbours[neighbour].askable -= 1;
            }
        }
        was
    }
}
