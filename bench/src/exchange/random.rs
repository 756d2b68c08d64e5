//! Cases that nobody has chosen: a graph and links that follow from a seed.

use fltorrent_crds::seeds;
use rand_core::Rng;

use super::{
    case::{Case, custom},
    lab::Link,
};

const LEAST_PEERS: u32 = 6;
const MOST_PEERS: u32 = 24;
const UPDATE: u64 = 1_000_000;
/// Mbit/s.
const SLOWEST: f64 = 2.0;
/// The fastest uplink, of the slowest one.
const SPREAD: f64 = 10.0;
/// Mbit/s.
const DOWN: u64 = 20;

/// A tree in which every peer but the first is wired to any one before it, with up to twice as many further connections as
/// there are peers; uplinks whose logarithms are equally likely.
pub(super) fn case(seed: u64) -> Case {
    let mut rng = seeds::rng(seed, "bench.exchange.random", 0, 0);
    let peers = LEAST_PEERS + seeds::below(&mut rng, MOST_PEERS - LEAST_PEERS + 1);
    let edges = edges(&mut rng, peers);
    Case {
        name: format!("random-{seed}"),
        topology: custom(&edges),
        update: UPDATE,
        links: (0..peers).map(|_| link(&mut rng)).collect(),
        way: None,
        queue: None,
        target: None,
        is_random: true,
    }
}

fn edges(rng: &mut impl Rng, peers: u32) -> Vec<[u32; 2]> {
    let tree: Vec<[u32; 2]> = (1..peers).map(|peer| [seeds::below(rng, peer), peer]).collect();
    let mut others: Vec<[u32; 2]> = (0..peers)
        .flat_map(|a| (a + 1..peers).map(move |b| [a, b]))
        .filter(|edge| !tree.contains(edge))
        .collect();
    // A few peers have fewer pairs than that, and are a mesh then.
    let further = seeds::below(rng, 2 * peers + 1) as usize;
    seeds::shuffle(rng, &mut others);
    others.truncate(further);
    [tree, others].concat()
}

fn link(rng: &mut impl Rng) -> Link {
    let up = SLOWEST * SPREAD.powf(seeds::unit(rng));
    Link {
        // To a kilobit, so that machines whose powers differ in the last bit have the same links.
        up: (up * 1e3).round() as u64 * 1000,
        down: DOWN * 1_000_000,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fltorrent_crds::analysis;

    use super::*;

    const SEEDS: std::ops::Range<u64> = 0..200;

    fn drawn(seed: u64) -> (u32, Vec<[u32; 2]>) {
        let mut rng = seeds::rng(seed, "test", 0, 0);
        let peers = LEAST_PEERS + (seed % u64::from(MOST_PEERS - LEAST_PEERS + 1)) as u32;
        (peers, edges(&mut rng, peers))
    }

    #[test]
    fn a_seed_gives_the_same_case_and_another_seed_another_one() {
        let of = |seed| {
            let case = case(seed);
            (case.topology, case.links)
        };
        for seed in SEEDS {
            assert_eq!(of(seed), of(seed));
            assert_ne!(of(seed), of(seed + 1));
        }
        assert_eq!(case(7).name, "random-7");
    }

    #[test]
    fn no_connection_is_there_twice_and_every_peer_is_connected() {
        let mut further = BTreeSet::new();
        for seed in SEEDS {
            let (peers, edges) = drawn(seed);
            assert!(edges.iter().all(|[a, b]| a < b && *b < peers));
            assert_eq!(edges.iter().collect::<BTreeSet<_>>().len(), edges.len());
            let more = edges.len() as u32 + 1 - peers;
            assert!(more <= 2 * peers);
            further.insert(more * 4 / peers);
            let mut reached = BTreeSet::from([0]);
            for _ in 0..peers {
                let next = edges.iter().filter(|edge| edge.iter().any(|end| reached.contains(end)));
                reached = next.copied().flatten().collect();
            }
            assert_eq!(reached.len() as u32, peers, "{seed}");
        }
        assert!(further.contains(&0) && further.contains(&7), "{further:?}");
    }

    #[test]
    fn sizes_and_rates_are_in_their_ranges_and_half_of_the_rates_below_the_geometric_mean() {
        let mut sizes = BTreeSet::new();
        let mut rates = Vec::new();
        for case in SEEDS.map(case) {
            sizes.insert(case.machines());
            assert!(case.links.iter().all(|link| link.down == 20_000_000));
            rates.extend(case.links.iter().map(|link| link.up));
        }
        assert_eq!(sizes, (LEAST_PEERS..=MOST_PEERS).collect());
        assert!(rates.iter().all(|rate| (2_000_000..=20_000_000).contains(rate)));
        let slow = rates.iter().filter(|rate| **rate < 6_324_555).count() as f64;
        assert!((slow / rates.len() as f64 - 0.5).abs() < 0.05);
    }

    #[test]
    fn every_case_is_an_experiment_that_takes_some_time_at_least() {
        for case in (0..20).map(case) {
            let plan = case.resolve(2, &[]).unwrap().plan;
            assert_eq!(plan.peers.len() as u32, case.machines());
            let others = f64::from(case.machines() - 1);
            let downlink = others * UPDATE as f64 / 2.5e6;
            assert!(case.bound(&plan).seconds >= downlink - 1e-6, "{}", case.name);
            assert_eq!(analysis::declared_rates(&plan), None);
        }
    }
}
