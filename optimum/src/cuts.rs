//! Sets of peers into which a solution does not carry enough, by maximum flows.
//!
//! Every peer's update comes from a common source over a link that carries r. A set A of peers with t in it gets enough
//! exactly when the cut around it, `r·|A|` from the source and what the links carry into A, is at least r·n. So all
//! sets with t in them get enough when n·r flow from the source to t (Ford and Fulkerson, "Maximal flow through a network",
//! Canadian Journal of Mathematics 8, 1956), and else a least cut is a set that gets the least of what it should.

use std::collections::BTreeSet;

use petgraph::{
    Direction,
    algo::maximum_flow::dinics,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

use super::network::Network;

/// Flows are whole numbers of such parts, so that a maximum flow is exact: 2⁴⁰ a unit, of which there are far below 2²⁰.
const UNIT: f64 = (1_u64 << 40) as f64;

/// A set of peers, neither empty nor all: whether each is in it.
pub(super) type Cut = Vec<bool>;

/// Finds sets that get too little.
pub(super) struct Cuts<'a> {
    network: &'a Network,
}

impl<'a> Cuts<'a> {
    pub(super) const fn new(network: &'a Network) -> Self {
        Self { network }
    }

    /// Every peer alone, all but each, and both sides of each bridge.
    pub(super) fn first(&self, bridges: &[(u32, u32)]) -> BTreeSet<Cut> {
        let peers = 0..self.network.peers;
        let alone = peers
            .clone()
            .map(|peer| peers.clone().map(|other| other == peer).collect());
        let sides = bridges.iter().map(|&(from, to)| self.side(from as usize, to as usize));
        let sets: Vec<Cut> = alone.chain(sides).collect();
        let others = |set: &Cut| set.iter().map(|inside| !inside).collect();
        sets.iter().map(others).chain(sets.iter().cloned()).collect()
    }

    /// The peers that `from` reaches without the bridge to `to`.
    fn side(&self, from: usize, to: usize) -> Cut {
        let mut inside = vec![false; self.network.peers];
        inside[from] = true;
        let mut open = vec![from];
        while let Some(peer) = open.pop() {
            for &(a, b) in &self.network.links {
                let is_bridge = (a, b) == (from, to);
                if a == peer && !is_bridge && !std::mem::replace(&mut inside[b], true) {
                    open.push(b);
                }
            }
        }
        inside
    }

    /// Sets that get too little when the links carry `carried` and the rate is to be `rate`; none when all get enough.
    pub(super) fn broken(&self, carried: &[f64], rate: f64) -> BTreeSet<Cut> {
        let peers = self.network.peers;
        let whole = |flow: f64| (flow * UNIT) as u64;
        let mut graph = DiGraph::<(), u64>::with_capacity(peers + 1, carried.len() + peers);
        let nodes: Vec<NodeIndex> = (0..peers).map(|_| graph.add_node(())).collect();
        let source = graph.add_node(());
        for (&(from, to), &carried) in self.network.links.iter().zip(carried) {
            graph.add_edge(nodes[from], nodes[to], whole(carried));
        }
        for &node in &nodes {
            graph.add_edge(source, node, whole(rate));
        }
        let wanted = whole(rate) * peers as u64;
        let mut sets = BTreeSet::new();
        for &sink in &nodes {
            let (flow, flows) = dinics(&graph, source, sink);
            if flow >= wanted {
                continue;
            }
            let residual = Residual {
                graph: &graph,
                flows: &flows,
            };
            // The largest and the smallest set that gets so little; the source comes last.
            let outside = residual.reach(source, Direction::Outgoing);
            let mut smallest = residual.reach(sink, Direction::Incoming);
            smallest.truncate(peers);
            sets.insert(outside[..peers].iter().map(|outside| !outside).collect());
            sets.insert(smallest);
        }
        sets
    }
}

/// The residual network of a flow.
struct Residual<'a> {
    graph: &'a DiGraph<(), u64>,
    flows: &'a [u64],
}

impl Residual<'_> {
    /// The nodes that more can flow to from `start`, or from which more can flow to it.
    fn reach(&self, start: NodeIndex, direction: Direction) -> Cut {
        let mut reached = vec![false; self.graph.node_count()];
        reached[start.index()] = true;
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            let free = self.graph.edges_directed(node, direction).filter(|edge| {
                // Along the edge there is room for more.
                self.flows[edge.id().index()] < *edge.weight()
            });
            let taken = self.graph.edges_directed(node, direction.opposite()).filter(|edge| {
                // Against it, what flows can be taken back.
                self.flows[edge.id().index()] > 0
            });
            for edge in free.chain(taken) {
                let other = match edge.source() == node {
                    true => edge.target(),
                    false => edge.source(),
                };
                if !std::mem::replace(&mut reached[other.index()], true) {
                    open.push(other);
                }
            }
        }
        reached
    }
}
