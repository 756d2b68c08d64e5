//! Erdős–Rényi graph: the classic random graph, to compare with other work.

use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout, MAX_EDGES, draws::first_connected, one, pairs};
use crate::{
    FieldError,
    family::{Settings, Sketch},
    seeds,
};

/// Each connection of a random graph has the same probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErdosRenyi {
    /// Probability of every connection. A graph of n peers is seldom connected below ln n ÷ n.
    #[schemars(range(min = 0.000_001, max = 1.0))]
    pub probability: f64,
}

impl Settings for ErdosRenyi {
    /// Twice the probability at which a random graph becomes connected, in hundredths.
    fn example(sketch: &Sketch) -> Option<Self> {
        let n = f64::from(sketch.peers.max(1));
        Some(Self {
            probability: (200.0 * libm::log(n) / n).ceil().clamp(1.0, 100.0) / 100.0,
        })
    }

    fn brief(&self) -> Option<String> {
        Some(self.probability.to_string())
    }
}

impl Graph for ErdosRenyi {
    fn edges(&self, peers: u32, seed: u64) -> Result<Edges, Vec<FieldError>> {
        edges(self.probability, peers, seed).map_err(one)
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

/// A graph in which every two peers are neighbours with the same probability, drawn until it is connected.
///
/// Source of the method, which costs a step a connection: Batagelj and Brandes, "Efficient generation of large random
/// networks" (Physical Review E 71, 2005), algorithm 1. Source of the bound that an error names, ln n ÷ n: Erdős and
/// Rényi, "On random graphs I" (1959).
fn edges(probability: f64, peers: u32, seed: u64) -> Result<Edges, FieldError> {
    const PATH: &str = "topology.erdosRenyi.probability";
    let expected = probability * pairs(peers) as f64;
    if expected > MAX_EDGES as f64 {
        return Err(FieldError::new(
            PATH,
            format!("{peers} peers have about {expected:.0} connections"),
            format!(
                "at most {MAX_EDGES} are possible; take a probability of {:.4} or less",
                // Rounded down, so that it will do.
                (MAX_EDGES as f64 / pairs(peers) as f64 * 1e4).floor() / 1e4
            ),
        ));
    }
    let rng = |graph| seeds::rng(seed, "topology.erdosRenyi", 0, graph);
    first_connected(peers, rng, |rng| drawn(probability, peers, rng)).map_err(|graphs| {
        let n = f64::from(peers);
        FieldError::new(
            PATH,
            format!("{probability} is too low: none of {graphs} graphs of {peers} peers was connected"),
            format!(
                "graphs are seldom connected below ln n ÷ n, here {:.4}; take more",
                libm::log(n) / n
            ),
        )
    })
}

/// Goes through all pairs in order, from one connection to the next.
fn drawn(probability: f64, peers: u32, rng: &mut impl Rng) -> Edges {
    let mut edges = Edges::new();
    let against = libm::log1p(-probability);
    let (mut low, mut high) = (-1.0_f64, 1_u32);
    while high < peers {
        // With probability 1 the divisor is −∞ and nothing is left out.
        low += 1.0 + (libm::log(seeds::unit(rng)) / against).floor();
        while high < peers && low >= f64::from(high) {
            low -= f64::from(high);
            high += 1;
        }
        if high < peers {
            edges.push((low as u32, high));
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::{super::draws::Counted, *};

    #[test]
    fn an_erdos_renyi_graph_takes_a_number_a_connection() {
        for (peers, probability) in [(1_414, 1.0), (1_414, 0.9), (10_000, 0.001), (10_000, 1e-9)] {
            let rng = &mut Counted::new(seeds::rng(42, "topology.test", 0, 0));
            let edges = drawn(probability, peers, rng);
            assert!(rng.numbers() <= edges.len() as u64 + 1);
        }
    }
}
