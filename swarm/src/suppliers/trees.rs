//! Which tree a chunk takes, and who is where in it.

use super::{Graph, bound, search::Search};

/// Each tree is chosen so many times, with what the others ask of the uplinks.
const PASSES: usize = 3;
/// The rank of a peer that does not take part.
const NONE: u32 = u32::MAX;

/// A mixture of spanning trees of a graph.
#[derive(Debug)]
pub struct Trees {
    peers: u32,
    members: u32,
    chunks: u32,
    trees: u32,
    /// By peer: its number among the members.
    ranks: Vec<u32>,
    /// By tree and peer: its parent; the root is its own.
    parents: Vec<u32>,
    /// By tree and peer: its place in preorder, and the end of its subtree.
    enters: Vec<u32>,
    ends: Vec<u32>,
    load: f64,
}

impl Trees {
    /// Trees for updates of so many chunks. None where the members do not hang together.
    pub fn new(graph: Graph<'_>, chunks: u32) -> Option<Self> {
        let mut search = Search::new(graph, chunks)?;
        for _ in 0..PASSES {
            search.pass()?;
        }
        let mut ranks = vec![NONE; graph.peers()];
        for (rank, &peer) in (0..).zip(graph.members()) {
            ranks[peer as usize] = rank;
        }
        let mut trees = Self {
            peers: graph.peers() as u32,
            members: graph.members().len() as u32,
            chunks,
            trees: search.trees(),
            ranks,
            parents: Vec::new(),
            enters: Vec::new(),
            ends: Vec::new(),
            load: search.load(),
        };
        for tree in search.rooted() {
            trees.parents.extend(tree.parents);
            trees.enters.extend(tree.enters);
            trees.ends.extend(tree.ends);
        }
        Some(trees)
    }

    /// The least time of an exchange that uplinks allow, in the time that a rate of 1 takes for an update: never too long. `wiring` has the neighbours of
    /// each peer, `uplinks` their rates. None where they do not hang together.
    pub fn bound(wiring: &[Vec<u32>], uplinks: &[f64]) -> Option<f64> {
        let members: Vec<u32> = (0..wiring.len() as u32).collect();
        bound::best(Graph::new(wiring, uplinks, &members)?)
    }

    /// Peers, those that do not take part included.
    pub(crate) fn peers(&self) -> u32 {
        self.peers
    }

    /// Chunks of an update.
    pub(crate) fn chunks(&self) -> u32 {
        self.chunks
    }

    /// How long the busiest uplink sends, in the time that a rate of 1 takes for an update.
    pub fn load(&self) -> f64 {
        self.load
    }

    /// Whether these are the members, ascending.
    pub(crate) fn are_of(&self, members: &[u32]) -> bool {
        members.len() == self.members as usize && members.iter().all(|&peer| self.has(peer))
    }

    /// Whether a peer takes part.
    pub(crate) fn has(&self, peer: u32) -> bool {
        self.ranks.get(peer as usize).is_some_and(|&rank| rank != NONE)
    }

    /// Where the tree of a chunk has a peer.
    fn at(&self, position: u32, peer: u32) -> usize {
        let (origin, index) = (position / self.chunks, position % self.chunks);
        // Those of one origin take trees that are far apart.
        let number = u64::from(index) * u64::from(self.members) + u64::from(self.ranks[origin as usize]);
        let tree = number % u64::from(self.trees);
        tree as usize * self.peers as usize + peer as usize
    }

    /// Of a peer's neighbours the one that gives it a chunk; none of its own chunks, and of those whose origin does not take part.
    pub(crate) fn supplier(&self, me: u32, neighbours: &[u32], position: u32) -> Option<u32> {
        let origin = position / self.chunks;
        if origin == me || !self.has(origin) || !self.has(me) {
            return None;
        }
        let (mine, place) = (self.at(position, me), self.enters[self.at(position, origin)]);
        if !(self.enters[mine]..self.ends[mine]).contains(&place) {
            return Some(self.parents[mine]);
        }
        neighbours.iter().copied().find(|&child| {
            let at = self.at(position, child);
            self.parents[at] == me && (self.enters[at]..self.ends[at]).contains(&place)
        })
    }

    /// How many peers get a chunk by way of a neighbour of `me`; 0 of one that is no neighbour in its tree.
    pub(crate) fn behind(&self, me: u32, neighbour: u32, position: u32) -> u32 {
        if !self.has(position / self.chunks) || !self.has(neighbour) {
            return 0;
        }
        let (mine, other) = (self.at(position, me), self.at(position, neighbour));
        if self.parents[other] == me && neighbour != me {
            self.ends[other] - self.enters[other]
        } else if self.parents[mine] == neighbour {
            self.members - (self.ends[mine] - self.enters[mine])
        } else {
            0
        }
    }
}
