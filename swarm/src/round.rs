//! One round as one peer sees it: which chunks it holds, which are on their way, who has what, and what to ask next.
//!
//! Invariant: a chunk is in exactly one state ([`ChunkState`]), and it is in `wanted` exactly when it is
//! [`ChunkState::Missing`], its metainfo is known and at least one connected neighbour has it.

mod check;

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use crate::{
    bitfield::Bitfield,
    config::Selection,
    metainfo::{Metainfo, SignedMetainfo},
};

/// Where a chunk is; links are named by their position among the neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkState {
    /// Neither held nor asked for.
    Missing,
    /// Asked for at one link, or at a second one too near the end.
    InFlight { first: u16, second: Option<u16> },
    /// In the chunk store.
    Held,
}

/// Links of a word of holders.
const WORD: usize = u64::BITS as usize;

/// Position of a chunk in the order of asking: rank, tie-break, position.
type Key = (u32, u64, u32);

/// What an origin signed, parsed and as it travels.
#[derive(Clone, Debug)]
pub(crate) struct KnownMetainfo {
    pub(crate) parsed: Arc<Metainfo>,
    pub(crate) signed: SignedMetainfo,
    /// The origin has signed another one too.
    pub(crate) disputed: bool,
}

/// What a neighbour has told about a round.
#[derive(Clone, Debug)]
pub(crate) struct LinkView {
    /// Chunks that it has.
    pub(crate) has: Bitfield,
    /// Chunks that were sent to it, whether they have come or not.
    sent: Bitfield,
    /// Metainfos that it has, or that were sent to it.
    pub(crate) metainfos: Bitfield,
    /// It said that it is complete, and holds that state however often it reconnects.
    pub(crate) complete: bool,
    /// Chunks that it has and that this peer does not hold.
    interesting: u32,
    /// Chunks in `wanted` that it has.
    askable: u32,
}

/// One round as one peer sees it.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) number: u32,
    selection: Selection,
    chunks: u32,
    seed: u64,
    states: Vec<ChunkState>,
    availability: Vec<u32>,
    /// For each chunk a bit a link that has it, in as many words as the links need.
    holders: Vec<u64>,
    wanted: BTreeSet<Key>,
    metainfos: Vec<Option<Box<KnownMetainfo>>>,
    held: Bitfield,
    in_flight: u32,
    links: Vec<LinkView>,
}

impl Round {
    pub(crate) fn new(
        number: u32,
        peers: u32,
        chunks: u32,
        links: usize,
        selection: Selection,
        seed: u64,
    ) -> Self {
        let positions = peers * chunks;
        let view = LinkView {
            has: Bitfield::new(positions),
            sent: Bitfield::new(positions),
            metainfos: Bitfield::new(peers),
            complete: false,
            interesting: 0,
            askable: 0,
        };
        Self {
            number,
            selection,
            chunks,
            seed: mix(seed ^ u64::from(number)),
            states: vec![ChunkState::Missing; positions as usize],
            availability: vec![0; positions as usize],
            holders: vec![0; positions as usize * links.div_ceil(WORD)],
            wanted: BTreeSet::new(),
            metainfos: vec![None; peers as usize],
            held: Bitfield::new(positions),
            in_flight: 0,
            links: vec![view; links],
        }
    }

    pub(crate) fn held(&self) -> &Bitfield {
        &self.held
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.held.is_full()
    }

    pub(crate) fn link(&self, link: usize) -> &LinkView {
        &self.links[link]
    }

    pub(crate) fn state(&self, position: u32) -> ChunkState {
        self.states[position as usize]
    }

    pub(crate) fn metainfo(&self, origin: u32) -> Option<&KnownMetainfo> {
        self.metainfos.get(origin as usize)?.as_deref()
    }

    /// What was known of an origin when it is first seen to have signed something else too.
    pub(crate) fn dispute(&mut self, origin: u32) -> Option<&SignedMetainfo> {
        let known = self.metainfos.get_mut(origin as usize)?.as_deref_mut()?;
        (!std::mem::replace(&mut known.disputed, true)).then_some(&known.signed)
    }

    pub(crate) fn metainfos(&self) -> impl Iterator<Item = &KnownMetainfo> {
        self.metainfos.iter().filter_map(Option::as_deref)
    }

    pub(crate) fn is_interesting(&self, link: usize) -> bool {
        self.links[link].interesting > 0
    }

    /// Whether `link` has a chunk that could be asked for now.
    pub(crate) fn is_askable(&self, link: usize) -> bool {
        self.links[link].askable > 0
    }

    /// Whether nothing is left to ask: every chunk is held or on its way.
    pub(crate) fn is_endgame(&self) -> bool {
        self.held.count() + self.in_flight == self.held.len() && self.in_flight > 0
    }

    pub(crate) fn all_links_complete(&self) -> bool {
        self.links.iter().all(|view| view.complete)
    }

    pub(crate) fn set_metainfo(&mut self, origin: u32, metainfo: KnownMetainfo) {
        self.metainfos[origin as usize] = Some(Box::new(metainfo));
        for position in origin * self.chunks..(origin + 1) * self.chunks {
            self.enter(position);
        }
    }

    /// True when it was not known that the link has it.
    pub(crate) fn mark_metainfo(&mut self, link: usize, origin: u32) -> bool {
        self.links[link].metainfos.insert(origin)
    }

    /// A link announces a chunk.
    pub(crate) fn add_have(&mut self, link: usize, position: u32) {
        if self.links[link].has.contains(position) {
            return;
        }
        let wanted = self.is_wanted(position);
        if wanted {
            self.wanted.remove(&self.key(position));
        }
        self.links[link].has.insert(position);
        self.availability[position as usize] += 1;
        let words = self.words();
        self.holders[position as usize * words + link / WORD] |= 1 << (link % WORD);
        if self.states[position as usize] != ChunkState::Held {
            self.links[link].interesting += 1;
        }
        if wanted {
            // For the other links nothing has changed.
            self.wanted.insert(self.key(position));
            self.links[link].askable += 1;
        } else {
            self.enter(position);
        }
    }

    /// A link announces that it holds everything.
    pub(crate) fn add_complete(&mut self, link: usize) {
        self.links[link].complete = true;
        // Saying so again is a short message, and must not cost more than that.
        if self.links[link].has.is_full() {
            return;
        }
        for position in 0..self.held.len() {
            self.add_have(link, position);
        }
    }

    /// A link that said so is not complete.
    pub(crate) fn forget_complete(&mut self, link: usize) {
        self.links[link].complete = false;
    }

    /// A link went away: what it had is no longer available, and what it knew will be told again.
    pub(crate) fn forget_link(&mut self, link: usize) {
        let had: Vec<u32> = self.links[link].has.iter().collect();
        for position in had {
            let wanted = self.leave(position);
            self.availability[position as usize] -= 1;
            let words = self.words();
            self.holders[position as usize * words + link / WORD] &= !(1 << (link % WORD));
            if wanted {
                self.enter(position);
            }
        }
        let view = &mut self.links[link];
        view.has = Bitfield::new(view.has.len());
        view.sent = Bitfield::new(view.sent.len());
        view.metainfos = Bitfield::new(view.metainfos.len());
        view.interesting = 0;
        view.askable = 0;
    }

    /// Asks `link` for a chunk that is wanted.
    pub(crate) fn ask(&mut self, position: u32, link: usize) {
        self.leave(position);
        self.states[position as usize] = ChunkState::InFlight {
            first: link as u16,
            second: None,
        };
        self.in_flight += 1;
    }

    /// Asks a second link for a chunk that is on its way.
    pub(crate) fn ask_again(&mut self, position: u32, link: usize) {
        if let ChunkState::InFlight { second, .. } = &mut self.states[position as usize] {
            *second = Some(link as u16);
        }
    }

    /// A request to `link` came to nothing.
    pub(crate) fn give_up(&mut self, position: u32, link: usize) {
        let ChunkState::InFlight { first, second } = self.states[position as usize] else {
            return;
        };
        let link = link as u16;
        let left = if first == link {
            second
        } else if second == Some(link) {
            Some(first)
        } else {
            return;
        };
        match left {
            Some(first) => {
                self.states[position as usize] = ChunkState::InFlight {
                    first,
                    second: None,
                }
            }
            None => {
                self.in_flight -= 1;
                self.states[position as usize] = ChunkState::Missing;
                self.enter(position);
            }
        }
    }

    /// A chunk is sent to a link.
    pub(crate) fn mark_sent(&mut self, link: usize, position: u32) {
        self.links[link].sent.insert(position);
    }

    /// Links that have a chunk or to which it was sent.
    pub(crate) fn copies(&self, position: u32) -> u32 {
        let on_their_way = self
            .links
            .iter()
            .filter(|view| view.sent.contains(position) && !view.has.contains(position));
        self.availability[position as usize] + on_their_way.count() as u32
    }

    /// The chunk is now held.
    pub(crate) fn hold(&mut self, position: u32) {
        self.leave(position);
        if let ChunkState::InFlight { .. } = self.states[position as usize] {
            self.in_flight -= 1;
        }
        self.states[position as usize] = ChunkState::Held;
        if self.held.insert(position) {
            self.for_holders(position, |view| view.interesting -= 1);
        }
    }

    /// The next wanted chunk after `cursor` in the order of asking.
    pub(crate) fn next_wanted(&self, cursor: Option<Key>) -> Option<Key> {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        self.wanted.range((from, Bound::Unbounded)).next().copied()
    }

    fn key(&self, position: u32) -> Key {
        let tie = mix(self.seed ^ u64::from(position));
        match self.selection {
            Selection::RarestFirst => (self.availability[position as usize], tie, position),
            Selection::Random => (0, tie, position),
            Selection::Sequential => (0, 0, position),
        }
    }

    fn words(&self) -> usize {
        self.links.len().div_ceil(WORD)
    }

    /// Changes what is counted of every link that has a chunk.
    fn for_holders(&mut self, position: u32, change: impl Fn(&mut LinkView)) {
        let words = self.words();
        let from = position as usize * words;
        for (word, &bits) in self.holders[from..from + words].iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                change(&mut self.links[word * WORD + bit]);
            }
        }
    }

    /// Whether a chunk is in `wanted`, by the invariant.
    fn is_wanted(&self, position: u32) -> bool {
        let at = position as usize;
        self.states[at] == ChunkState::Missing
            && self.availability[at] > 0
            && self.metainfos[(position / self.chunks) as usize].is_some()
    }

    /// Puts a chunk into `wanted` when it belongs there.
    fn enter(&mut self, position: u32) {
        if self.is_wanted(position) && self.wanted.insert(self.key(position)) {
            self.for_holders(position, |view| view.askable += 1);
        }
    }

    /// Takes a chunk out of `wanted` when it is there.
    fn leave(&mut self, position: u32) -> bool {
        let was = self.is_wanted(position) && self.wanted.remove(&self.key(position));
        if was {
            self.for_holders(position, |view| view.askable -= 1);
        }
        was
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
