//! Small world: mostly local connections, and a few that shorten all ways.

use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Edges, Graph, Layout, adjacency::Adjacency, check_size, draws::first_connected, one, random_regular::circulant,
};
use crate::{
    FieldError,
    family::{Settings, Sketch},
    seeds,
};

/// Draws for one end of a connection before it is taken from those that are left. They are all that a graph takes in which peers know
/// fewer than half of the others, so that it is the same as when there was no bound.
const TRIES: u32 = 64;

/// A ring of near neighbours, some connections moved anywhere. Source: Watts and Strogatz, 1998.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmallWorld {
    /// Neighbours of a peer before connections are moved, half of them on each side: even, fewer than there are peers.
    #[schemars(range(min = 2, max = 9_998))]
    pub degree: u32,
    /// Probability with which a connection is moved; 0 leaves the ring as it is.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rewire: f64,
}

impl Settings for SmallWorld {
    fn example(sketch: &Sketch) -> Option<Self> {
        Some(Self {
            degree: if sketch.peers > 4 { 4 } else { 2 },
            rewire: 0.1,
        })
    }

    fn brief(&self) -> Option<String> {
        Some(format!("{}, {}", self.degree, self.rewire))
    }
}

impl Graph for SmallWorld {
    fn edges(&self, peers: u32, seed: u64) -> Result<Edges, Vec<FieldError>> {
        edges(*self, peers, seed).map_err(one)
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

/// A ring in which every peer knows its nearest, with some connections moved: one end stays, the other goes to any peer
/// that is not a neighbour yet.
///
/// Source: Watts and Strogatz, "Collective dynamics of small-world networks" (Nature 393, 1998).
fn edges(settings: SmallWorld, peers: u32, seed: u64) -> Result<Edges, FieldError> {
    const PATH: &str = "topology.smallWorld.degree";
    let SmallWorld { degree, rewire } = settings;
    if peers < 3 {
        return Err(FieldError::new(
            "topology.type",
            format!("a small world of {peers} peers is not possible"),
            "take 3 peers or more, or type ring",
        ));
    }
    check_size(PATH, degree, peers)?;
    if !degree.is_multiple_of(2) {
        return Err(FieldError::new(
            PATH,
            format!("{degree} neighbours cannot be half on each side"),
            match degree + 1 < peers {
                true => format!("take {} or {}", degree - 1, degree + 1),
                false => format!("take {}", degree - 1),
            },
        ));
    }
    let lattice = circulant(peers, degree);
    let rng = |graph| seeds::rng(seed, "topology.smallWorld", 0, graph);
    first_connected(peers, rng, |rng| rewired(lattice.clone(), peers, rewire, rng)).map_err(|drawn| {
        FieldError::new(
            PATH,
            format!("none of {drawn} graphs with {degree} neighbours and rewire {rewire} was connected"),
            "take more neighbours or a smaller rewire",
        )
    })
}

fn rewired(mut edges: Edges, peers: u32, rewire: f64, rng: &mut impl Rng) -> Edges {
    let mut known = Adjacency::of(&edges, peers);
    let mut degrees = vec![0_u32; peers as usize];
    for &(a, b) in &edges {
        degrees[a as usize] += 1;
        degrees[b as usize] += 1;
    }
    for (from, to) in &mut edges {
        // A peer that knows everybody has nobody to move a connection to.
        let left = peers - 1 - degrees[*from as usize];
        if seeds::unit(rng) >= rewire || left == 0 {
            continue;
        }
        let Some(other) = stranger(&known, *from, peers, left, rng) else {
            continue;
        };
        known.part(*from, *to);
        known.connect(*from, other);
        degrees[*to as usize] -= 1;
        degrees[other as usize] += 1;
        *to = other;
    }
    edges
}

/// One of the `left` peers that `from` does not know, each equally likely.
fn stranger(known: &Adjacency, from: u32, peers: u32, left: u32, rng: &mut impl Rng) -> Option<u32> {
    let tried = (0..TRIES)
        .map(|_| seeds::below(rng, peers))
        .find(|&other| other != from && !known.has(from, other));
    tried.or_else(|| {
        let place = seeds::below(rng, left);
        known.strangers(from).nth(place as usize)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::draws::Counted, *};

    fn rng() -> Counted<impl Rng> {
        Counted::new(seeds::rng(42, "topology.test", 0, 0))
    }

    /// The nearly complete graph of the report that stopped an operator, and others: so much chance a connection and no more.
    #[test]
    fn a_small_world_takes_a_bounded_number_of_draws() {
        for (peers, degree, most) in [
            (1_414, 1_412, 66),
            (300, 298, 66),
            (8, 6, 66),
            (300, 150, 5),
            (3_000, 4, 3),
        ] {
            let lattice = circulant(peers, degree);
            let rng = &mut rng();
            let edges = rewired(lattice.clone(), peers, 1.0, rng);
            let numbers = rng.numbers();
            // `below` throws a number away once in millions.
            let bound = most * lattice.len() as u64 + 100;
            assert!(
                numbers <= bound,
                "{peers} peers, {degree}: {numbers} numbers for {} connections",
                lattice.len()
            );
            let pairs: HashSet<_> = edges.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            assert_eq!(pairs.len(), lattice.len());
            assert!(pairs.iter().all(|(a, b)| a < b && *b < peers));
        }
    }

    /// Where tries are in vain the peer is taken from the few that are left, each as often.
    #[test]
    fn every_stranger_is_as_likely() {
        let peers = 5_000;
        let star: Edges = (3..peers).map(|other| (0, other)).collect();
        let known = Adjacency::of(&star, peers);
        let rng = &mut rng();
        let mut counts = [0; 3];
        for _ in 0..400 {
            let found = stranger(&known, 0, peers, 2, rng).unwrap();
            counts[found as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        // 200 ± 4.5 standard deviations.
        assert!((155..=245).contains(&counts[1]), "{counts:?}");
    }
}
