//! Who takes part: the peers that one reaches over links that are up.
//!
//! Every peer floods a signed list of its links that are down, and the newest list of each counts, as in link-state routing
//! (OSPF, [RFC 2328](https://www.rfc-editor.org/rfc/rfc2328)). A link is up unless one of its ends says that it is down, so
//! that whoever lies can cut links of its own only. Whom more than half of the others suspect takes no part, whatever its links.
//! A link beside the topology's is up where both ends list it. Nothing is sent while all links are up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use crate::{bitfield::Bitfield, signed::Signed};

/// The first round of which a peer gives an update that does not know when it will give one.
pub(crate) const GIVES_NOTHING: u32 = u32::MAX;

/// A peer's list of its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// The highest one counts.
    pub(crate) sequence: u32,
    /// Neighbours without a link, and others that it was to be wired to and does not reach, ascending.
    pub(crate) down: Vec<u32>,
    /// Peers that are no neighbours in the topology and to which it has a link, ascending.
    pub(crate) extra: Vec<u32>,
    /// Neighbours that have left since their run was over, ascending.
    pub(crate) finished: Vec<u32>,
    /// Peers that owe the observer what keeps a round from its end, ascending.
    pub(crate) suspects: Vec<u32>,
    /// The observer catches up with the others, and takes no part meanwhile.
    pub(crate) joining: bool,
    /// The round from which on it takes part.
    pub(crate) from: u32,
    /// The first round of which it gives an update.
    pub(crate) gives: u32,
}

/// A link state, read and as it travels.
#[derive(Clone, Debug)]
struct Known {
    incarnation: u32,
    state: LinkState,
    signed: Signed,
}

/// What became of a link state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was known, or is older than what is known.
    Nothing,
    /// It is the newest of its observer.
    News,
    /// Its observer has signed two contents under one number: it lies, and takes part no more.
    Lie,
}

/// All link states that are known.
#[derive(Debug)]
pub(crate) struct View {
    me: u32,
    peers: u32,
    /// Neighbours of every peer; empty: all peers reach each other.
    topology: Arc<[Vec<u32>]>,
    /// Peers that are not there before they have said something, ascending.
    late: Arc<[u32]>,
    states: BTreeMap<u32, Known>,
    /// Peers that have contradicted themselves, with the second content.
    liars: BTreeMap<u32, Signed>,
    reached: Bitfield,
    /// The round that this peer is in.
    round: u32,
    members: Bitfield,
    finished: u32,
    /// Whether anybody suspects anybody.
    has_suspects: bool,
    changes: u64,
}

impl View {
    /// Of peer `me`, with all links up, but for those of peers that join later.
    pub(crate) fn new(me: u32, peers: u32, topology: Arc<[Vec<u32>]>, late: Arc<[u32]>) -> Self {
        let mut view = Self {
            me,
            peers,
            topology,
            late,
            states: BTreeMap::new(),
            liars: BTreeMap::new(),
            reached: Bitfield::new(peers),
            round: 0,
            members: Bitfield::new(peers),
            finished: 0,
            has_suspects: false,
            changes: 0,
        };
        view.recompute();
        view
    }

    /// Whether a peer joins later, and has not done so yet.
    pub(crate) fn is_awaited(&self, peer: u32) -> bool {
        peer != self.me && self.late.binary_search(&peer).is_ok() && !self.states.contains_key(&peer)
    }

    /// Whether a peer catches up, as it says.
    pub(crate) fn is_joining(&self, peer: u32) -> bool {
        self.states.get(&peer).is_some_and(|known| known.state.joining)
    }

    /// The number of a peer's newest process that is known.
    pub(crate) fn incarnation_of(&self, peer: u32) -> u32 {
        self.states.get(&peer).map_or(0, |known| known.incarnation)
    }

    /// Tells views of the same members apart of which one had an earlier process.
    pub(crate) fn epoch_of(&self, members: &Bitfield) -> u32 {
        let incarnations = members.iter().map(|peer| self.incarnation_of(peer));
        incarnations.fold(0, u32::wrapping_add)
    }

    /// Whether a peer has an update to give in a round, as it says.
    pub(crate) fn gives(&self, peer: u32, round: u32) -> bool {
        self.states.get(&peer).is_none_or(|known| known.state.gives <= round)
    }

    /// Whether a peer takes part and its training makes no progress, as it says.
    pub(crate) fn hangs(&self, peer: u32) -> bool {
        let says_so = |state: &LinkState| !state.joining && state.gives == GIVES_NOTHING;
        self.states.get(&peer).is_some_and(|known| says_so(&known.state))
    }

    /// What proves to an earlier process of a peer that there is a later one.
    pub(crate) fn successor_of(&self, peer: u32, incarnation: u32) -> Option<&Signed> {
        let known = self.states.get(&peer)?;
        (known.incarnation > incarnation).then_some(&known.signed)
    }

    /// The round from which on a peer takes part, as it says.
    pub(crate) fn takes_part_from(&self, peer: u32) -> u32 {
        self.states.get(&peer).map_or(0, |known| known.state.from)
    }

    /// Goes on to a round.
    pub(crate) fn set_round(&mut self, round: u32) {
        self.round = round;
        self.members = self.members_of(round);
    }

    /// The peers that take part in a round: those that are reached and have joined, but for those whom more than half of the others suspect.
    /// To itself a peer takes part.
    pub(crate) fn members_of(&self, round: u32) -> Bitfield {
        let there = self.there_in(round);
        match self.suspected_by_most(&there) {
            suspected if suspected.is_empty() => there,
            suspected => self.set_of(
                there
                    .iter()
                    .filter(|peer| *peer == self.me || !suspected.contains(peer)),
            ),
        }
    }

    /// The peers that are reached and have joined.
    fn there_in(&self, round: u32) -> Bitfield {
        let takes_part = |peer: &u32| {
            let known = self.states.get(peer).map(|known| &known.state);
            known.is_none_or(|state| !state.joining && state.from <= round)
        };
        self.set_of(self.reached.iter().filter(takes_part))
    }

    /// Whether so many of the others suspect this peer in a round that their view lacks it.
    pub(crate) fn is_suspected(&self, round: u32) -> bool {
        self.has_suspects && self.suspected_by_most(&self.there_in(round)).contains(&self.me)
    }

    fn set_of(&self, peers: impl Iterator<Item = u32>) -> Bitfield {
        let mut set = Bitfield::new(self.peers);
        for peer in peers {
            set.insert(peer);
        }
        set
    }

    fn suspected_by_most(&self, members: &Bitfield) -> BTreeSet<u32> {
        if !self.has_suspects {
            return BTreeSet::new();
        }
        let observers = self.states.iter().filter(|(observer, _)| members.contains(**observer));
        let mut suspicions = BTreeMap::<u32, u32>::new();
        for (&observer, known) in observers {
            for &suspect in known.state.suspects.iter().filter(|suspect| **suspect != observer) {
                *suspicions.entry(suspect).or_default() += 1;
            }
        }
        let is_out = |&(_, by): &(u32, u32)| 2 * by + 1 > members.count();
        let suspected = suspicions.into_iter().filter(is_out);
        suspected.map(|(suspect, _)| suspect).collect()
    }

    /// The peers that take part in the round that this peer is in.
    pub(crate) fn members(&self) -> &Bitfield {
        &self.members
    }

    /// Peers that do not take part any more since their run is over, as all of their neighbours say that are reached.
    pub(crate) fn finished(&self) -> u32 {
        self.finished
    }

    /// Counts whatever may have changed who is reached.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether statements travel between a peer and this one.
    pub(crate) fn reaches(&self, peer: u32) -> bool {
        self.reached.contains(peer)
    }

    /// Whether chunks travel by way of a peer: whoever catches up passes none on.
    pub(crate) fn carries(&self, peer: u32) -> bool {
        peer == self.me || self.reached.contains(peer) && !self.is_joining(peer)
    }

    /// Peers that carry nothing, next to those that are reached. All who reach each other find the same ones, but for themselves.
    pub(crate) fn lost(&self) -> BTreeSet<u32> {
        let said = |peer: u32| self.states.get(&peer).into_iter().flat_map(|known| &known.state.down);
        let near = |peer: u32| self.neighbours(peer).chain(said(peer)).copied();
        self.reached
            .iter()
            .flat_map(near)
            .filter(|&peer| !self.carries(peer))
            .collect()
    }

    /// Whether a peer that is reached says that another one has left since its run was over.
    pub(crate) fn has_left(&self, peer: u32) -> bool {
        let says_so = |known: &Known| known.state.finished.binary_search(&peer).is_ok();
        self.reached
            .iter()
            .any(|observer| self.states.get(&observer).is_some_and(says_so))
    }

    /// Whether all peers are there and all links are up, as far as anybody has said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.late.is_empty() && self.states.is_empty() && self.liars.is_empty()
    }

    /// This peer's own list, as it was last signed.
    pub(crate) fn own(&self) -> LinkState {
        let own = self.states.get(&self.me);
        own.map(|known| known.state.clone()).unwrap_or_default()
    }

    /// Whether a peer has contradicted itself.
    pub(crate) fn is_liar(&self, peer: u32) -> bool {
        self.liars.contains_key(&peer)
    }

    /// Whether a link state is exactly one that is known, so that its signature need not be checked.
    pub(crate) fn knows(&self, observer: u32, body: &Bytes) -> bool {
        let of = |signed: &Signed| signed.body == *body;
        self.states.get(&observer).is_some_and(|known| of(&known.signed)) || self.liars.get(&observer).is_some_and(of)
    }

    /// A link state of one of the observer's processes, whose signature holds.
    pub(crate) fn hear(&mut self, observer: u32, incarnation: u32, state: LinkState, signed: Signed) -> Heard {
        if self.liars.contains_key(&observer) {
            return Heard::Nothing;
        }
        if let Some(known) = self.states.get(&observer) {
            let (newest, found) = (known.incarnation, known.state.sequence);
            if (newest, found) > (incarnation, state.sequence) {
                return Heard::Nothing;
            }
            if (newest, found) == (incarnation, state.sequence) {
                if known.signed.body == signed.body {
                    return Heard::Nothing;
                }
                self.liars.insert(observer, signed);
                self.recompute();
                return Heard::Lie;
            }
        }
        self.states.insert(
            observer,
            Known {
                incarnation,
                state,
                signed,
            },
        );
        self.recompute();
        Heard::News
    }

    /// A peer has signed two contents where there is one: it takes part no more. This is the second one.
    pub(crate) fn convict(&mut self, liar: u32, signed: Signed) {
        self.liars.entry(liar).or_insert(signed);
        self.recompute();
    }

    /// Everything that a neighbour without any knowledge needs.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &Signed> {
        self.states
            .values()
            .map(|known| &known.signed)
            .chain(self.liars.values())
    }

    fn says_down(&self, observer: u32, subject: u32) -> bool {
        let Some(known) = self.states.get(&observer) else {
            return false;
        };
        let lists = [&known.state.down, &known.state.finished];
        lists.iter().any(|list| list.binary_search(&subject).is_ok())
    }

    fn neighbours(&self, peer: u32) -> impl Iterator<Item = &u32> {
        self.topology.get(peer as usize).into_iter().flatten()
    }

    /// Links beside those of the topology that a peer says it has.
    fn extra(&self, peer: u32) -> &[u32] {
        self.states.get(&peer).map_or(&[], |known| &known.state.extra)
    }

    fn recompute(&mut self) {
        self.changes += 1;
        self.reached = self.reach();
        self.has_suspects = self.states.values().any(|known| !known.state.suspects.is_empty());
        self.members = self.members_of(self.round);
        let has_finished = |&peer: &u32| {
            let neighbours = self.neighbours(peer).chain(self.extra(peer));
            let mut reached = neighbours
                .filter(|&&neighbour| self.reached.contains(neighbour))
                .peekable();
            let says_so = |neighbour: &u32| {
                let known = self.states.get(neighbour);
                known.is_some_and(|known| known.state.finished.binary_search(&peer).is_ok())
            };
            reached.peek().is_some() && reached.all(says_so)
        };
        let gone = (0..self.peers).filter(|&peer| !self.reached.contains(peer));
        self.finished = gone.filter(has_finished).count() as u32;
    }

    /// Breadth first over links that are up. A liar is reached by nobody, and neither is who has not joined yet.
    fn reach(&self) -> Bitfield {
        let mut reached = Bitfield::new(self.peers);
        if self.topology.is_empty() {
            for peer in 0..self.peers {
                reached.insert(peer);
            }
            return reached;
        }
        reached.insert(self.me);
        let mut border = vec![self.me];
        while let Some(at) = border.pop() {
            let is_up = |next: &u32| !self.says_down(at, *next) && !self.says_down(*next, at);
            // Nobody can say that there is a link but both of its ends.
            let is_mutual = |next: &u32| self.extra(*next).binary_search(&at).is_ok();
            let extra = self.extra(at).iter().filter(|next| is_mutual(next));
            for &next in self.neighbours(at).filter(|next| is_up(next)).chain(extra) {
                let is_out = self.liars.contains_key(&next) || self.is_awaited(next);
                if !is_out && reached.insert(next) {
                    border.push(next);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(content: &str) -> Signed {
        Signed {
            body: Bytes::copy_from_slice(content.as_bytes()),
            certificate: Bytes::new(),
            signature: Bytes::new(),
        }
    }

    fn ring(peers: u32) -> Arc<[Vec<u32>]> {
        (0..peers)
            .map(|at| vec![(at + peers - 1) % peers, (at + 1) % peers])
            .collect()
    }

    fn says(view: &mut View, observer: u32, sequence: u32, down: &[u32]) -> Heard {
        let state = LinkState {
            sequence,
            down: down.to_vec(),
            ..LinkState::default()
        };
        let name = format!("{observer} {sequence} {down:?}");
        view.hear(observer, 0, state, signed(&name))
    }

    fn members(view: &View) -> Vec<u32> {
        view.members().iter().collect()
    }

    #[test]
    fn a_peer_is_out_when_its_last_link_is_down_and_back_with_the_first() {
        let mut view = View::new(0, 6, ring(6), Arc::default());
        assert!(view.is_quiet());
        assert_eq!(says(&mut view, 2, 1, &[3]), Heard::News);
        assert_eq!(members(&view), [0, 1, 2, 3, 4, 5], "3 is reached by way of 4");
        assert_eq!(says(&mut view, 4, 1, &[3]), Heard::News);
        assert_eq!(members(&view), [0, 1, 2, 4, 5]);
        assert_eq!(says(&mut view, 4, 1, &[3]), Heard::Nothing);
        assert_eq!(says(&mut view, 4, 2, &[]), Heard::News);
        assert_eq!(members(&view), [0, 1, 2, 3, 4, 5]);
        assert_eq!(says(&mut view, 4, 1, &[3]), Heard::Nothing, "an old list");
    }

    #[test]
    fn whoever_joins_later_is_out_until_it_has_caught_up() {
        let mut view = View::new(0, 6, ring(6), Arc::new([3, 4]));
        assert!(!view.is_quiet());
        assert_eq!(members(&view), [0, 1, 2, 5]);
        // To itself it is there, and what is behind it is reached by way of it.
        assert_eq!(members(&View::new(3, 6, ring(6), Arc::new([3, 4]))), [0, 1, 2, 3, 5]);
        let mut tell = |sequence, joining, from| {
            let state = LinkState {
                sequence,
                joining,
                from,
                ..LinkState::default()
            };
            view.hear(3, 0, state, signed(&format!("{sequence}")));
            (members(&view), view.is_awaited(3), view.lost())
        };
        assert_eq!(tell(1, true, 0), (vec![0, 1, 2, 5], false, BTreeSet::from([3, 4])));
        assert_eq!(tell(2, false, 0), (vec![0, 1, 2, 3, 5], false, BTreeSet::from([4])));
    }

    #[test]
    fn whoever_lies_about_others_cuts_its_own_links_only() {
        let mut view = View::new(0, 6, ring(6), Arc::default());
        // 3 is no neighbour of 0 and 1: there is no such link.
        says(&mut view, 3, 1, &[0, 1, 2, 4, 5]);
        assert_eq!(members(&view), [0, 1, 2, 4, 5]);
    }

    fn has_extra(view: &mut View, observer: u32, sequence: u32, down: &[u32], extra: &[u32]) {
        let state = LinkState {
            sequence,
            down: down.to_vec(),
            extra: extra.to_vec(),
            ..LinkState::default()
        };
        view.hear(observer, 0, state, signed(&format!("{observer} {sequence}")));
    }

    #[test]
    fn a_link_beside_the_topology_is_there_once_both_ends_say_so() {
        // The leaves of a star whose hub is gone.
        let topology: Arc<[Vec<u32>]> = vec![vec![1, 2, 3], vec![0], vec![0], vec![0]].into();
        let mut view = View::new(1, 4, topology, Arc::default());
        has_extra(&mut view, 1, 1, &[0], &[2, 3]);
        has_extra(&mut view, 2, 1, &[0], &[]);
        assert_eq!(members(&view), [1], "one end alone says so");
        assert_eq!(view.lost(), BTreeSet::from([0]));
        has_extra(&mut view, 2, 2, &[0], &[1]);
        has_extra(&mut view, 3, 1, &[0], &[1]);
        assert_eq!(members(&view), [1, 2, 3]);
        assert_eq!(view.lost(), BTreeSet::from([0]));
        has_extra(&mut view, 3, 2, &[0], &[]);
        assert_eq!(members(&view), [1, 2]);
        // Whom somebody was to be wired to and does not reach is lost as well.
        has_extra(&mut view, 2, 3, &[0, 3], &[1]);
        assert_eq!(view.lost(), BTreeSet::from([0, 3]));
    }

    fn suspects(view: &mut View, observer: u32, sequence: u32, suspects: &[u32]) {
        let state = LinkState {
            sequence,
            suspects: suspects.to_vec(),
            ..LinkState::default()
        };
        view.hear(
            observer,
            0,
            state,
            signed(&format!("{observer} {sequence} {suspects:?}")),
        );
    }

    #[test]
    fn whom_more_than_half_of_the_others_suspect_is_out() {
        let mut view = View::new(0, 6, ring(6), Arc::default());
        let everybody = [0, 1, 2, 3, 4, 5];
        for observer in [1, 2] {
            suspects(&mut view, observer, 1, &[3]);
            assert_eq!(members(&view), everybody, "{observer}");
        }
        // Nobody has two voices, and what one says of itself is no suspicion.
        suspects(&mut view, 2, 2, &[2, 3]);
        suspects(&mut view, 3, 1, &[3]);
        assert_eq!(members(&view), everybody);
        suspects(&mut view, 5, 1, &[3]);
        assert_eq!(members(&view), [0, 1, 2, 4, 5]);
        assert!(view.reaches(4) && view.carries(3), "its links are up");
        suspects(&mut view, 2, 3, &[]);
        assert_eq!(members(&view), everybody);
    }

    #[test]
    fn those_who_lie_about_others_and_are_a_third_exclude_nobody() {
        let mut view = View::new(0, 6, ring(6), Arc::default());
        for observer in [4, 5] {
            suspects(&mut view, observer, 1, &[0, 1, 2, 3]);
        }
        assert_eq!(members(&view), [0, 1, 2, 3, 4, 5]);
        assert!(!view.is_suspected(0));
        // To itself one takes part, and it knows what the others say.
        for observer in 1..6 {
            suspects(&mut view, observer, 2, &[0]);
        }
        assert_eq!(members(&view), [0, 1, 2, 3, 4, 5]);
        assert!(view.is_suspected(0));
    }

    #[test]
    fn suspicions_of_those_who_take_no_part_count_for_nothing() {
        let mut view = View::new(0, 6, ring(6), Arc::default());
        for observer in [1, 2, 5] {
            suspects(&mut view, observer, 1, &[3]);
        }
        assert_eq!(members(&view), [0, 1, 2, 4, 5]);
        let state = LinkState {
            sequence: 2,
            joining: true,
            suspects: vec![3],
            ..LinkState::default()
        };
        view.hear(5, 0, state, signed("5 joins"));
        // Two of four others.
        assert_eq!(members(&view), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn one_who_contradicts_itself_takes_part_no_more() {
        let mut view = View::new(0, 4, ring(4), Arc::default());
        assert_eq!(says(&mut view, 2, 1, &[3]), Heard::News);
        assert_eq!(says(&mut view, 2, 1, &[1]), Heard::Lie);
        assert_eq!(members(&view), [0, 1, 3]);
        assert_eq!(says(&mut view, 2, 2, &[]), Heard::Nothing);
        assert_eq!(view.statements().count(), 2, "the proof travels on");
    }

    #[test]
    fn whoever_catches_up_takes_no_part_and_passes_on_what_others_say() {
        let mut view = View::new(0, 4, ring(4), Arc::default());
        says(&mut view, 3, 1, &[0]);
        let state = LinkState {
            sequence: 1,
            joining: true,
            ..LinkState::default()
        };
        view.hear(1, 0, state, signed("1 joins"));
        assert_eq!(members(&view), [0, 2, 3]);
        let state = LinkState {
            sequence: 2,
            from: 7,
            ..LinkState::default()
        };
        view.hear(1, 0, state, signed("1 is there"));
        assert_eq!(members(&view), [0, 2, 3]);
        view.set_round(7);
        assert_eq!(members(&view), [0, 1, 2, 3]);
        assert!(!view.members_of(6).contains(1));
    }

    #[test]
    fn what_a_later_process_says_counts_whatever_its_number() {
        let mut view = View::new(0, 4, ring(4), Arc::default());
        assert_eq!(says(&mut view, 2, 9, &[1, 3]), Heard::News);
        assert_eq!(members(&view), [0, 1, 3]);
        let epoch = view.epoch_of(&view.members_of(0));
        let state = LinkState {
            sequence: 1,
            from: 4,
            gives: 5,
            ..LinkState::default()
        };
        assert!(view.successor_of(2, 0).is_none());
        assert_eq!(view.hear(2, 1, state.clone(), signed("2 anew")), Heard::News);
        assert_eq!((view.incarnation_of(2), view.incarnation_of(3)), (1, 0));
        assert!(view.successor_of(2, 0).is_some() && view.successor_of(2, 1).is_none());
        assert_eq!(says(&mut view, 2, 10, &[1]), Heard::Nothing);
        view.set_round(4);
        assert_eq!(members(&view), [0, 1, 2, 3]);
        assert_ne!(view.epoch_of(view.members()), epoch);
        assert!(!view.gives(2, 4) && view.gives(2, 5) && view.gives(1, 0));
        assert_eq!(view.hear(2, 1, state, signed("2 lies")), Heard::Lie);
    }

    #[test]
    fn a_split_leaves_each_side_its_own_members() {
        let lists: [(u32, &[u32]); 4] = [(0, &[5]), (5, &[0]), (2, &[3]), (3, &[2])];
        for (me, side) in [(1, [0, 1, 2]), (4, [3, 4, 5])] {
            let mut view = View::new(me, 6, ring(6), Arc::default());
            for (observer, down) in lists {
                says(&mut view, observer, 1, down);
            }
            assert_eq!(members(&view), side);
        }
    }

    #[test]
    fn whoever_has_finished_is_counted_and_not_waited_for() {
        let mut view = View::new(0, 4, ring(4), Arc::default());
        for observer in [1, 3] {
            let state = LinkState {
                sequence: 1,
                finished: vec![2],
                ..LinkState::default()
            };
            view.hear(observer, 0, state, signed(&observer.to_string()));
        }
        assert_eq!(members(&view), [0, 1, 3]);
        assert_eq!(view.finished(), 1);
    }
}
