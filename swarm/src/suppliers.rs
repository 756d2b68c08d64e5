//! Who gives which chunk to whom: spanning trees that all peers compute alike.
//!
//! All origins can share one mixture of undirected spanning trees without loss: a chunk goes from its origin along the edges of its tree,
//! so that each peer gets it once, from its tree neighbour towards the origin. A peer of degree d in a tree sends a foreign chunk
//! d − 1 times and one of its own d times, whichever peer the origin is, and a mixture that balances that load against the uplinks is as fast as
//! any exchange (docs/bound.md).

mod bound;
mod forest;
mod graph;
mod measured;
mod rooted;
mod search;
mod trees;

use std::sync::Arc;

pub use forest::Forest;
pub use graph::Graph;
pub use measured::UplinkRate;
pub use trees::Trees;

use crate::bitfield::Bitfield;

/// No neighbour.
const NOBODY: u16 = u16::MAX;

/// The suppliers of one peer: its neighbours are named by their position in the swarm's list.
#[derive(Debug)]
pub(crate) struct Suppliers {
    trees: Arc<Trees>,
    uplinks: Arc<[UplinkRate]>,
    me: u32,
    neighbours: Vec<u32>,
    /// By position, the neighbour that supplies it.
    of: Vec<u16>,
    /// By neighbour: the origins from which it is further away than this peer.
    further: Vec<Bitfield>,
}

impl Suppliers {
    /// Those of peer `me`, whose neighbours these are, while these members take part, with what their uplinks were measured to carry; none where the members
    /// do not hang together, or it is not among them.
    pub(crate) fn new(
        forest: &Forest,
        (members, uplinks): (&[u32], Arc<[UplinkRate]>),
        me: u32,
        neighbours: Vec<u32>,
    ) -> Option<Self> {
        let trees = forest.trees(members, &uplinks).filter(|trees| trees.has(me))?;
        let positions = trees.peers() * trees.chunks();
        let supplier = |position| {
            let peer = trees.supplier(me, &neighbours, position);
            let at = peer.and_then(|peer| neighbours.iter().position(|&neighbour| neighbour == peer));
            at.map_or(NOBODY, |at| at as u16)
        };
        let of = (0..positions).map(supplier).collect();
        let further = further(forest, members, me, &neighbours);
        Some(Self {
            trees,
            uplinks,
            me,
            neighbours,
            of,
            further,
        })
    }

    /// Whether they are those of these members, uplinks and neighbours.
    pub(crate) fn are_of(&self, members: &[u32], uplinks: &[UplinkRate], neighbours: &[u32]) -> bool {
        self.neighbours == neighbours && *self.uplinks == *uplinks && self.trees.are_of(members)
    }

    /// The peer whose suppliers they are.
    pub(crate) const fn me(&self) -> u32 {
        self.me
    }

    /// Whether a peer takes part.
    pub(crate) fn has(&self, peer: u32) -> bool {
        self.trees.has(peer)
    }

    /// The neighbour that supplies a chunk.
    pub(crate) fn supplier(&self, position: u32) -> Option<usize> {
        let at = *self.of.get(position as usize)?;
        (at != NOBODY).then_some(usize::from(at))
    }

    /// How many peers get a chunk by way of a neighbour.
    pub(crate) fn behind(&self, position: u32, neighbour: usize) -> u32 {
        let peer = self.neighbours.get(neighbour);
        peer.map_or(0, |&peer| self.trees.behind(self.me, peer, position))
    }

    /// Whether a neighbour is further away from an origin than this peer, which tells it what it hears of that.
    pub(crate) fn is_further(&self, neighbour: usize, origin: u32) -> bool {
        let further = self.further.get(neighbour);
        further.is_some_and(|further| further.contains(origin))
    }
}

fn further(forest: &Forest, members: &[u32], me: u32, neighbours: &[u32]) -> Vec<Bitfield> {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    forest.hops(members, me, &mut mine);
    let of = |&neighbour: &u32| {
        forest.hops(members, neighbour, &mut theirs);
        let mut further = Bitfield::new(mine.len() as u32);
        for (origin, (mine, theirs)) in (0..).zip(mine.iter().zip(&theirs)) {
            if mine < theirs {
                further.insert(origin);
            }
        }
        further
    };
    neighbours.iter().map(of).collect()
}
