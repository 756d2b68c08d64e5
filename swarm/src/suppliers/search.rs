//! The search for trees that use all uplinks alike.
//!
//! Multiplicative weights (Arora, Hazan, Kale: "The Multiplicative Weights Update Method", Theory of Computing 2012): each uplink has a price
//! that grows with what the trees so far ask of it, and the next tree is the cheapest one at these prices, by Kruskal's algorithm. Only IEEE
//! basic operations are used, and ties are broken by a hash, so that all machines get the same trees.

use super::{
    graph::Graph,
    rooted::{Parts, Rooted},
};
use crate::selection::mix;

/// How steeply prices grow with the load: an uplink at half of the greatest load is cheaper by this number's half as a power of e.
const STEEPNESS: f64 = 50.0;
/// An edge that is a hop further from the origin counts as so much dearer: short ways are better, where they cost nothing.
const DISTANCE: f64 = 0.1;
/// Trees at most, and edges of all trees together that are worth having more of them.
const MOST: u64 = 4096;
const LEAST: u64 = 192;
const EDGES: u64 = 1 << 21;

pub(super) struct Search<'a> {
    graph: Graph<'a>,
    chunks: u32,
    edges: Vec<(u32, u32)>,
    /// Seconds for which each uplink sends, where a chunk takes a rate of 1 a second; by peer.
    loads: Vec<f64>,
    /// By peer.
    prices: Vec<f64>,
    /// Edges of each tree.
    chosen: Vec<Vec<u32>>,
    /// Hops from the origin of the tree that is looked for, where each chunk has a tree of its own.
    hops: Vec<u32>,
}

impl<'a> Search<'a> {
    /// For updates of so many chunks; none where no member has a neighbour.
    pub(super) fn new(graph: Graph<'a>, chunks: u32) -> Option<Self> {
        let edges = graph.edges();
        if edges.is_empty() || chunks == 0 {
            return None;
        }
        let worth = (EDGES / edges.len() as u64).clamp(LEAST, MOST);
        let trees = (graph.members().len() as u64 * u64::from(chunks)).min(worth);
        let mut loads = vec![0.0; graph.peers()];
        for &peer in graph.members() {
            // Everybody sends its own update once, whatever the trees are.
            loads[peer as usize] = f64::from(chunks) / graph.uplink(peer);
        }
        Some(Self {
            chunks,
            edges,
            loads,
            prices: vec![0.0; graph.peers()],
            chosen: vec![Vec::new(); trees as usize],
            hops: vec![0; graph.peers()],
            graph,
        })
    }

    /// The trees.
    pub(super) fn trees(&self) -> u32 {
        self.chosen.len() as u32
    }

    /// Chooses all trees, with what the others ask of the uplinks; none where the members do not hang together.
    pub(super) fn pass(&mut self) -> Option<()> {
        let has_one_origin = self.chosen.len() == self.graph.members().len() * self.chunks as usize;
        for tree in 0..self.chosen.len() {
            if has_one_origin {
                let origin = self.graph.members()[tree % self.graph.members().len()];
                self.graph.hops(origin, &mut self.hops);
            }
            self.choose(tree)?;
        }
        Some(())
    }

    /// How long the busiest uplink sends, in the time that a rate of 1 takes for an update.
    pub(super) fn load(&self) -> f64 {
        self.loads.iter().copied().fold(0.0, f64::max) / f64::from(self.chunks)
    }

    /// Each tree by itself.
    pub(super) fn rooted(&self) -> impl Iterator<Item = Rooted> + '_ {
        let (peers, root) = (self.graph.peers(), self.graph.members()[0]);
        self.chosen.iter().map(move |of| {
            let edges = of.iter().map(|&edge| self.edges[edge as usize]);
            Rooted::new(peers, root, edges)
        })
    }

    /// Chunks that take a tree.
    fn weight(&self, tree: usize) -> f64 {
        let all = self.graph.members().len() * self.chunks as usize;
        (all - tree).div_ceil(self.chosen.len()) as f64
    }

    /// Adds what a tree asks of the uplinks, or takes it away. A peer sends a foreign chunk to all its tree neighbours but one, and a chunk of its own
    /// to that one too.
    fn load_tree(&mut self, tree: usize, sign: f64) {
        if self.chosen[tree].is_empty() {
            return;
        }
        let weight = self.weight(tree) * sign;
        for &edge in &self.chosen[tree] {
            let (a, b) = self.edges[edge as usize];
            for peer in [a, b] {
                self.loads[peer as usize] += weight / self.graph.uplink(peer);
            }
        }
        for &peer in self.graph.members() {
            self.loads[peer as usize] -= weight / self.graph.uplink(peer);
        }
    }

    fn set_prices(&mut self) {
        let greatest = self.loads.iter().copied().fold(0.0, f64::max);
        for &peer in self.graph.members() {
            let share = self.loads[peer as usize] / greatest;
            self.prices[peer as usize] = power(STEEPNESS * (share - 1.0)) / self.graph.uplink(peer);
        }
    }

    /// The cheapest tree at the prices that the others make; none where there is none.
    fn choose(&mut self, tree: usize) -> Option<()> {
        self.load_tree(tree, -1.0);
        self.set_prices();
        let salt = mix(tree as u64);
        let price = |(edge, &(a, b)): (u32, &(u32, u32))| {
            let (a, b) = (a as usize, b as usize);
            let further = f64::from(self.hops[a].max(self.hops[b]));
            let price = (self.prices[a] + self.prices[b]) * (1.0 + DISTANCE * further);
            (price, mix(salt ^ u64::from(edge)), edge)
        };
        let priced: Vec<Priced> = (0..).zip(&self.edges).map(price).collect();
        self.chosen[tree] = cheapest(&self.graph, &self.edges, priced);
        self.load_tree(tree, 1.0);
        (self.chosen[tree].len() + 1 == self.graph.members().len()).then_some(())
    }
}

/// e to a power of at most 0, by IEEE multiplications alone.
pub(super) fn power(exponent: f64) -> f64 {
    let mut power = (1.0 + exponent / 1024.0).max(0.0);
    for _ in 0..10 {
        power *= power;
    }
    power
}

/// An edge's price, what decides among equal ones, and its number.
pub(super) type Priced = (f64, u64, u32);

/// The cheapest spanning tree, as edges; fewer than it takes where members do not hang together. By Kruskal's algorithm, in which edges within a part are
/// thrown away before they are sorted (Osipov, Sanders, Singler: "The Filter-Kruskal Minimum Spanning Tree Algorithm", ALENEX 2009).
pub(super) fn cheapest(graph: &Graph<'_>, edges: &[(u32, u32)], mut priced: Vec<Priced>) -> Vec<u32> {
    let order = |a: &Priced, b: &Priced| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2)));
    let wanted = graph.members().len() - 1;
    let mut parts = Parts::new(graph.peers());
    let mut tree = Vec::with_capacity(wanted);
    while tree.len() < wanted && !priced.is_empty() {
        let cheap = priced.len().min(2 * wanted);
        if cheap < priced.len() {
            priced.select_nth_unstable_by(cheap, order);
        }
        let mut later = priced.split_off(cheap);
        priced.sort_unstable_by(order);
        tree.extend(priced.iter().map(|it| it.2).filter(|&edge| {
            let (a, b) = edges[edge as usize];
            parts.join(a, b)
        }));
        later.retain(|it| {
            let (a, b) = edges[it.2 as usize];
            parts.are_apart(a, b)
        });
        priced = later;
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kruskal's algorithm without a filter.
    fn sorted(peers: usize, edges: &[(u32, u32)], mut priced: Vec<Priced>) -> Vec<u32> {
        priced.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut parts = Parts::new(peers);
        let tree = priced.into_iter().map(|it| it.2);
        tree.filter(|&edge| parts.join(edges[edge as usize].0, edges[edge as usize].1))
            .collect()
    }

    #[test]
    fn the_cheapest_tree_is_that_of_all_edges_in_order() {
        // Wired by a hash, from graphs in parts to complete ones; few prices, so that many are equal.
        for (peers, sparse) in (2..24_u32).flat_map(|peers| [(peers, 1), (peers, 2), (peers, 5)]) {
            let hash = |a: u32, b: u32| mix(u64::from(a) << 16 | u64::from(b) << 4 | sparse);
            let is_wired = |&(a, b): &(u32, u32)| hash(a, b).is_multiple_of(sparse);
            let pairs = (0..peers).flat_map(|a| (a + 1..peers).map(move |b| (a, b)));
            let edges: Vec<(u32, u32)> = pairs.filter(is_wired).collect();
            let mut wiring = vec![Vec::new(); peers as usize];
            for &(a, b) in &edges {
                wiring[a as usize].push(b);
                wiring[b as usize].push(a);
            }
            let (uplinks, members) = (vec![1.0; peers as usize], (0..peers).collect::<Vec<_>>());
            let graph = Graph::new(&wiring, &uplinks, &members).unwrap();
            let price = |(edge, &(a, b)): (u32, &(u32, u32))| ((hash(b, a) % 4) as f64, hash(a, b) % 2, edge);
            let priced: Vec<Priced> = (0..).zip(&edges).map(price).collect();
            let expected = sorted(peers as usize, &edges, priced.clone());
            assert_eq!(cheapest(&graph, &edges, priced), expected, "{peers} {sparse}");
        }
    }
}
