//! Random graphs whose peers differ in their number of neighbours: small worlds and Erdős–Rényi graphs.

use std::collections::HashSet;

use rand_core::Rng;

use super::{DRAWS, Edges, MAX_EDGES, check_size, first_connected, pairs, regular::circulant};
use crate::{
    FieldError,
    experiment::{ErdosRenyiTopology, SmallWorldTopology},
    seeds,
};

/// A ring in which every peer knows its nearest, with some connections moved: one end stays, the other goes to any peer
/// that is not a neighbour yet.
///
/// Source: Watts and Strogatz, "Collective dynamics of small-world networks" (Nature 393, 1998).
pub(super) fn small_world(
    settings: SmallWorldTopology,
    peers: u32,
    seed: u64,
) -> Result<Edges, FieldError> {
    const PATH: &str = "topology.smallWorld.degree";
    let SmallWorldTopology { degree, rewire } = settings;
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
    first_connected(peers, |draw| {
        let rng = &mut seeds::rng(seed, "topology.smallWorld", 0, draw);
        rewired(lattice.clone(), peers, rewire, rng)
    })
    .ok_or_else(|| {
        FieldError::new(
            PATH,
            format!(
                "none of {DRAWS} graphs with {degree} neighbours and rewire {rewire} was connected"
            ),
            "take more neighbours or a smaller rewire",
        )
    })
}

fn rewired(mut edges: Edges, peers: u32, rewire: f64, rng: &mut impl Rng) -> Edges {
    let ordered = |a: u32, b: u32| (a.min(b), a.max(b));
    // Asked only whether something is in it, so its order does not matter.
    let mut known: HashSet<(u32, u32)> = edges.iter().map(|&(a, b)| ordered(a, b)).collect();
    let mut degrees = vec![0_u32; peers as usize];
    for &(a, b) in &edges {
        degrees[a as usize] += 1;
        degrees[b as usize] += 1;
    }
    for (from, to) in &mut edges {
        // A peer that knows everybody has nobody to move a connection to.
        if seeds::unit(rng) >= rewire || degrees[*from as usize] + 1 >= peers {
            continue;
        }
        let other = loop {
            let other = seeds::below(rng, peers);
            if other != *from && !known.contains(&ordered(*from, other)) {
                break other;
            }
        };
        known.remove(&ordered(*from, *to));
        known.insert(ordered(*from, other));
        degrees[*to as usize] -= 1;
        degrees[other as usize] += 1;
        *to = other;
    }
    edges
}

/// A graph in which every two peers are neighbours with the same probability, drawn until it is connected.
///
/// Source of the method, which costs a step a connection: Batagelj and Brandes, "Efficient generation of large random
/// networks" (Physical Review E 71, 2005), algorithm 1. Source of the bound that an error names, ln n ÷ n: Erdős and
/// Rényi, "On random graphs I" (1959).
pub(super) fn erdos_renyi(
    settings: ErdosRenyiTopology,
    peers: u32,
    seed: u64,
) -> Result<Edges, FieldError> {
    const PATH: &str = "topology.erdosRenyi.probability";
    let probability = settings.probability;
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
    first_connected(peers, |draw| {
        let rng = &mut seeds::rng(seed, "topology.erdosRenyi", 0, draw);
        drawn(probability, peers, rng)
    })
    .ok_or_else(|| {
        let n = f64::from(peers);
        FieldError::new(
            PATH,
            format!(
                "{probability} is too low: none of {DRAWS} graphs of {peers} peers was connected"
            ),
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
