//! Random regular graph: what many peers do best with.

use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout, adjacency::Adjacency, all_pairs, check_size, draws::first_connected, one, ring};
use crate::{
    FieldError,
    family::{Settings, Sketch},
    seeds,
};

const PATH: &str = "topology.randomRegular.degree";
/// Exchanges that are tried for every connection. Milo et al., "On the uniform generation of random graphs with
/// prescribed degree sequences" (2003), find that a few are enough.
const SWAPS: usize = 10;

/// The same number of random neighbours for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RandomRegular {
    /// Neighbours of every peer: fewer than there are peers, and even when the number of peers is odd.
    #[schemars(range(min = 1, max = 9_999))]
    pub degree: u32,
}

impl Settings for RandomRegular {
    /// Four neighbours, or as many as so few peers can have.
    fn example(sketch: &Sketch) -> Option<Self> {
        Some(Self {
            degree: sketch.peers.saturating_sub(1).clamp(1, 4),
        })
    }

    fn brief(&self) -> Option<String> {
        Some(self.degree.to_string())
    }
}

impl Graph for RandomRegular {
    fn edges(&self, peers: u32, seed: u64) -> Result<Edges, Vec<FieldError>> {
        edges(self.degree, peers, seed).map_err(one)
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

/// A connected random graph of the given degree.
///
/// Two neighbours a peer are a ring through the peers in random order. More are a circulant graph whose connections
/// have exchanged ends many times: a–b, c–d become a–d, c–b where that gives no loop and no repetition. Source: Cooper,
/// Dyer and Greenhill, "Sampling regular graphs and a peer-to-peer network" (Combinatorics, Probability and Computing
/// 16, 2007): the walk is rapidly mixing, and its limit is uniform.
fn edges(degree: u32, peers: u32, seed: u64) -> Result<Edges, FieldError> {
    check_size(PATH, degree, peers)?;
    if !(u64::from(peers) * u64::from(degree)).is_multiple_of(2) {
        return Err(FieldError::new(
            PATH,
            format!("{degree} neighbours for each of {peers} peers"),
            format!(
                "one of the two numbers is even; take {} neighbours, or {} peers",
                degree + 1,
                peers + 1
            ),
        ));
    }
    if degree == 1 && peers > 2 {
        return Err(FieldError::new(
            PATH,
            format!("with 1 neighbour each, {peers} peers are not connected"),
            "take 2 or more; 3 or more keep the peers connected when one of them is lost",
        ));
    }
    if degree + 1 == peers {
        return Ok(all_pairs(peers));
    }
    let rng = |graph| seeds::rng(seed, "topology.randomRegular", 0, graph);
    if degree == 2 {
        let mut order: Vec<u32> = (0..peers).collect();
        seeds::shuffle(&mut rng(0), &mut order);
        let place = |i: u32| order[i as usize];
        return Ok(ring::edges(peers)
            .into_iter()
            .map(|(a, b)| (place(a), place(b)))
            .collect());
    }
    let start = circulant(peers, degree);
    first_connected(peers, rng, |rng| exchanged(start.clone(), peers, rng)).map_err(|drawn| {
        FieldError::new(
            PATH,
            format!("none of {drawn} graphs with {degree} neighbours each was connected"),
            "take more neighbours or another seed",
        )
    })
}

/// Every peer with its nearest on the ring, and with the one opposite when `degree` is odd (`peers` is even then).
pub(super) fn circulant(peers: u32, degree: u32) -> Edges {
    let near = (1..=degree / 2).flat_map(|step| (0..peers).map(move |i| (i, (i + step) % peers)));
    let opposite = if degree.is_multiple_of(2) { 0..0 } else { 0..peers / 2 };
    near.chain(opposite.map(|i| (i, i + peers / 2))).collect()
}

/// Exchanges the ends of random connections; all degrees stay.
fn exchanged(mut edges: Edges, peers: u32, rng: &mut impl Rng) -> Edges {
    let mut known = Adjacency::of(&edges, peers);
    let count = edges.len() as u32;
    for _ in 0..edges.len() * SWAPS {
        let (i, j) = (seeds::below(rng, count) as usize, seeds::below(rng, count) as usize);
        let ((a, b), (mut c, mut d)) = (edges[i], edges[j]);
        if rng.next_u32() & 1 == 1 {
            (c, d) = (d, c);
        }
        if a == d || c == b || known.has(a, d) || known.has(c, b) {
            continue;
        }
        known.part(a, b);
        known.part(c, d);
        known.connect(a, d);
        known.connect(c, b);
        edges[i] = (a, d);
        edges[j] = (c, b);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::{super::draws::Counted, *};

    #[test]
    fn a_regular_graph_takes_a_bounded_number_of_draws() {
        for (peers, degree) in [(301, 298), (300, 299), (300, 3), (10_000, 4)] {
            let start = circulant(peers, degree);
            let rng = &mut Counted::new(seeds::rng(42, "topology.test", 0, 0));
            exchanged(start.clone(), peers, rng);
            // `below` throws a number away once in millions.
            let bound = (3 * SWAPS * start.len()) as u64 + 100;
            assert!(rng.numbers() <= bound);
        }
    }
}
