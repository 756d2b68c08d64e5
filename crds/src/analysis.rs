//! What a plan will cost before anything runs: the wiring's figures, bytes of a round, the least time of an exchange,
//! and memory.
//!
//! All of it follows from the plan, and for the time from the links' rates. An analysis of 10,000 peers takes seconds.

mod bound;
mod cuts;
mod distance;
mod gossip;
mod memory;
mod traffic;

use serde::Serialize;

use crate::Plan;
pub use bound::{Bound, Limit, Rates, declared_rates, exchange_bound};
pub use cuts::{CutVertex, Cuts};
use distance::distances;
pub use memory::{Memory, memory};
pub use traffic::{Traffic, traffic};

/// Every peer's neighbours, ascending, as in [`Plan::peers`].
type Graph<'a> = [&'a [u32]];

/// The figures of a wiring.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wiring {
    /// Peers.
    pub peers: u32,
    /// Connections, each counted once.
    pub connections: u64,
    /// Fewest neighbours of a peer.
    pub least_neighbours: u32,
    /// Mean number of neighbours.
    pub mean_neighbours: f64,
    /// Most neighbours of a peer.
    pub most_neighbours: u32,
    /// Connections on the way between the two peers that are farthest apart.
    pub diameter: u32,
    /// Mean number of connections on the way between two different peers; 0 for a single peer.
    pub mean_distance: f64,
    /// Peers and connections whose loss divides the rest.
    #[serde(flatten)]
    pub cuts: Cuts,
    /// 1 − the second largest modulus of an eigenvalue of the Metropolis–Hastings matrix: how fast plain averaging with
    /// neighbours would converge, from 0 (not at all) to 1 (at once). None where it was too dear to compute.
    pub spectral_gap: Option<f64>,
}

/// The figures of a plan's wiring.
pub fn wiring(plan: &Plan) -> Wiring {
    let graph = graph(plan);
    let degrees = || graph.iter().map(|list| list.len() as u32);
    let ends: u64 = degrees().map(u64::from).sum();
    let (diameter, mean_distance) = distances(&graph);
    Wiring {
        peers: graph.len() as u32,
        connections: ends / 2,
        least_neighbours: degrees().min().unwrap_or(0),
        mean_neighbours: ends as f64 / graph.len().max(1) as f64,
        most_neighbours: degrees().max().unwrap_or(0),
        diameter,
        mean_distance,
        cuts: cuts::cuts(&graph),
        spectral_gap: gossip::spectral_gap(&graph),
    }
}

fn graph(plan: &Plan) -> Vec<&[u32]> {
    plan.peers.iter().map(|peer| peer.neighbours.as_slice()).collect()
}
