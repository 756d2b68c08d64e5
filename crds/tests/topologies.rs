//! Every topology is a connected graph without loops, seen alike from both ends.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use fltorrent_crds::Plan;
use proptest::prelude::*;
use serde_json::{Value, json};

use support::{manifest, put};

fn neighbours(topology: &Value, peers: u32) -> Vec<Vec<u32>> {
    let mut document = manifest();
    put(&mut document, "groups", json!([{"name": "a", "count": peers}]));
    put(&mut document, "topology", topology.clone());
    put(&mut document, "training/batchSize", json!(1));
    let plan = Plan::load(&document.to_string(), &[]).unwrap();
    plan.peers.into_iter().map(|peer| peer.neighbours).collect()
}

#[test]
fn small_graphs_are_as_drawn() {
    let ring = json!({"type": "ring"});
    assert_eq!(neighbours(&ring, 1), [[0; 0]]);
    assert_eq!(neighbours(&ring, 2), [[1], [0]]);
    assert_eq!(neighbours(&ring, 3), [[1, 2], [0, 2], [0, 1]]);
    assert_eq!(neighbours(&ring, 4), [[1, 3], [0, 2], [1, 3], [0, 2]]);
    let star = json!({"type": "star", "star": {"hub": 1}});
    assert_eq!(neighbours(&star, 3), [vec![1], vec![0, 2], vec![1]]);
    assert_eq!(neighbours(&json!({"type": "star"}), 1), [[0; 0]]);
    let tree = json!({"type": "tree", "tree": {"arity": 2}});
    assert_eq!(
        neighbours(&tree, 6),
        [vec![1, 2], vec![0, 3, 4], vec![0, 5], vec![1], vec![1], vec![2]]
    );
    assert_eq!(neighbours(&json!({"type": "mesh"}), 3), [[1, 2], [0, 2], [0, 1]]);
    let custom = json!({"type": "custom", "custom": {"edges": [[2, 0], [1, 2]]}});
    assert_eq!(neighbours(&custom, 3), [vec![2], vec![2], vec![0, 1]]);
    let alone = json!({"type": "custom", "custom": {"edges": []}});
    assert_eq!(neighbours(&alone, 1), [[0; 0]]);
}

#[test]
fn a_graph_in_many_parts_is_shortened() {
    let mut document = manifest();
    put(&mut document, "groups", json!([{"name": "a", "count": 1000}]));
    put(&mut document, "training/batchSize", json!(1));
    let edges: Vec<[u32; 2]> = (2..100).map(|i| [0, 2 * i]).collect();
    put(
        &mut document,
        "topology",
        json!({"type": "custom", "custom": {"edges": edges}}),
    );
    let found = Plan::load(&document.to_string(), &[]).unwrap_err().to_string();
    assert_eq!(
        found,
        "topology.custom.edges: the graph is not connected, it has 902 parts: {0, 4, 6, 8, 10, 12, …}, {1}, {2}, {3}, \
         {5}, {7} and 896 more; add connections between them"
    );
}

#[test]
fn peers_are_counted_through_the_groups() {
    let plan = Plan::load(&manifest().to_string(), &[]).unwrap();
    let groups: Vec<&str> = plan.peers.iter().map(|peer| peer.group.as_str()).collect();
    assert_eq!(groups, ["a", "a", "a", "a", "a", "b", "b", "b"]);
    assert!(plan.peers.iter().zip(0..).all(|(peer, index)| peer.index == index));
}

#[test]
fn warnings_say_what_was_probably_not_meant() {
    for (changes, expected) in [
        (
            vec![("topology", json!({"type": "star"}))],
            vec![("topology.star.hub", "through peer 0")],
        ),
        (
            vec![("exchange/uploadSlots", json!(2))],
            vec![("exchange.uploadSlots", "nobody is ever choked")],
        ),
        (vec![("exchange/uploadSlots", json!(1))], vec![]),
        (
            vec![
                ("groups", json!([{"name": "a", "count": 200}])),
                ("training/batchSize", json!(1)),
            ],
            vec![("data", "7 training samples on average")],
        ),
        (
            vec![
                ("groups", json!([{"name": "a", "count": 30}])),
                ("topology", json!({"type": "mesh"})),
                ("training/batchSize", json!(1)),
            ],
            vec![("topology", "29 neighbours")],
        ),
        (
            vec![
                ("groups", json!([{"name": "a", "count": 2}])),
                (
                    "data/partition",
                    json!({"type": "explicit", "explicit": {"shards": [[[0, 100]], [[90, 1400]]]}}),
                ),
            ],
            vec![
                ("data.partition.explicit.shards", "sample 90 belongs to peers 0 and 1"),
                (
                    "data.partition.explicit.shards",
                    "38 of 1438 training samples belong to no peer",
                ),
            ],
        ),
    ] {
        let mut document = manifest();
        for (place, value) in changes {
            put(&mut document, place, value);
        }
        let warnings = Plan::load(&document.to_string(), &[]).unwrap().warnings;
        assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
        for (warning, (path, message)) in warnings.iter().zip(expected) {
            assert_eq!(warning.path, path);
            assert!(warning.message.contains(message), "{warning:?}");
        }
    }
}

/// Numbers of connections that a definition gives, and graphs that can be drawn by hand.
#[test]
fn lattices_are_as_defined() {
    let exponential = json!({"type": "exponential"});
    assert_eq!(neighbours(&exponential, 1), [[0; 0]]);
    assert_eq!(neighbours(&exponential, 2), [[1], [0]]);
    assert_eq!(neighbours(&exponential, 8)[0], [1, 2, 4, 6, 7]);
    assert_eq!(neighbours(&exponential, 11)[3], [0, 1, 2, 4, 5, 6, 7, 10]);
    let hypercube = json!({"type": "hypercube"});
    assert_eq!(neighbours(&hypercube, 1), [[0; 0]]);
    assert_eq!(neighbours(&hypercube, 4), [[1, 2], [0, 3], [0, 3], [1, 2]]);
    assert_eq!(neighbours(&hypercube, 16)[5], [1, 4, 7, 13]);
    let torus = json!({"type": "torus"});
    assert_eq!(neighbours(&torus, 1), [[0; 0]]);
    assert_eq!(neighbours(&torus, 12)[0], [1, 3, 4, 8]);
    assert_eq!(neighbours(&torus, 12)[6], [2, 5, 7, 10]);
    assert_eq!(neighbours(&torus, 7), neighbours(&json!({"type": "ring"}), 7));
    let flat = json!({"type": "torus", "torus": {"rows": 2}});
    assert_eq!(neighbours(&flat, 12)[0], [1, 5, 6]);
    let turned = json!({"type": "torus", "torus": {"rows": 4, "cols": 3}});
    assert_eq!(neighbours(&turned, 12)[0], [1, 2, 3, 9]);
}

fn seeded(topology: &Value, peers: u32, seed: u64) -> Vec<Vec<u32>> {
    let mut document = manifest();
    put(&mut document, "seed", json!(seed));
    put(&mut document, "groups", json!([{"name": "a", "count": peers}]));
    put(&mut document, "topology", topology.clone());
    put(&mut document, "data", json!({"type": "idx", "idx": {"path": "x"}}));
    let plan = Plan::load(&document.to_string(), &[]).unwrap();
    plan.peers.into_iter().map(|peer| peer.neighbours).collect()
}

/// The same wiring on every machine and in every version: who is whose neighbour is part of what peers agree on.
#[test]
fn random_wirings_follow_from_the_seed() {
    let regular = json!({"type": "randomRegular", "randomRegular": {"degree": 3}});
    let pairs = json!({"type": "randomRegular", "randomRegular": {"degree": 2}});
    let small = json!({"type": "smallWorld", "smallWorld": {"degree": 4, "rewire": 0.3}});
    let erdos = json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.4}});
    let golden: Value = serde_json::from_str(include_str!("golden/topologies.json")).unwrap();
    let mut found = serde_json::Map::new();
    for (name, topology) in [
        ("randomRegular 3", &regular),
        ("randomRegular 2", &pairs),
        ("smallWorld 4, 0.3", &small),
        ("erdosRenyi 0.4", &erdos),
    ] {
        let graph = seeded(topology, 10, 42);
        assert_eq!(graph, seeded(topology, 10, 42), "{name}");
        assert_ne!(graph, seeded(topology, 10, 43), "{name}: the seed is ignored");
        found.insert(name.to_owned(), json!(graph));
    }
    assert_eq!(Value::from(found.clone()), golden, "{}", Value::from(found));
}

#[test]
fn every_neighbour_is_as_likely_as_any_other() {
    // Each of the 15 connections of 6 peers is there in 3/5 of the 3-regular graphs, and in p of the Erdős–Rényi graphs
    // (nearly: those that are not connected are left out). 400 draws: the deviation is at most 4.5 standard deviations.
    for (topology, share) in [
        (json!({"type": "randomRegular", "randomRegular": {"degree": 3}}), 0.6),
        (json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.9}}), 0.9),
    ] {
        let mut counts = [[0_u32; 6]; 6];
        for seed in 0..400 {
            for (peer, list) in seeded(&topology, 6, seed).iter().enumerate() {
                for &neighbour in list {
                    counts[peer][neighbour as usize] += 1;
                }
            }
        }
        let deviation = f64::sqrt(400.0 * share * (1.0 - share));
        for (a, row) in counts.iter().enumerate() {
            for (b, &count) in row.iter().enumerate().filter(|(b, _)| *b != a) {
                let away = (f64::from(count) - 400.0 * share).abs();
                assert!(away < 4.5 * deviation, "{topology}: {a}–{b} {count} times");
            }
        }
    }
}

#[test]
fn rewiring_keeps_the_number_of_connections_and_moves_as_many_as_asked() {
    let ends = |graph: &[Vec<u32>]| graph.iter().map(Vec::len).sum::<usize>();
    let world = |rewire: f64| {
        seeded(
            &json!({"type": "smallWorld", "smallWorld": {"degree": 6, "rewire": rewire}}),
            1000,
            7,
        )
    };
    let lattice = world(0.0);
    assert_eq!(lattice[0], [1, 2, 3, 997, 998, 999]);
    for rewire in [0.1, 1.0] {
        let graph = world(rewire);
        assert_eq!(ends(&graph), 6000);
        let kept = graph
            .iter()
            .zip(&lattice)
            .flat_map(|(new, old)| new.iter().filter(|peer| old.contains(peer)))
            .count();
        let moved = 1.0 - kept as f64 / 6000.0;
        assert!((moved - rewire).abs() < 0.03, "{moved} of {rewire}");
    }
}

#[test]
fn ten_thousand_peers_are_wired() {
    for topology in [
        json!({"type": "randomRegular", "randomRegular": {"degree": 10}}),
        json!({"type": "smallWorld", "smallWorld": {"degree": 10, "rewire": 0.2}}),
        json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.002}}),
        json!({"type": "exponential"}),
        json!({"type": "torus"}),
    ] {
        let graph = seeded(&topology, 10_000, 1);
        assert_eq!(graph.len(), 10_000);
        if topology["type"] == "randomRegular" {
            assert!(graph.iter().all(|list| list.len() == 10));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn graphs_are_connected_and_alike_from_both_ends(kind in 0..10, peers in 1_u32..120, setting in 1_u32..12) {
        let topology = match kind {
            0 => json!({"type": "ring"}),
            1 => json!({"type": "mesh"}),
            2 => json!({"type": "star", "star": {"hub": setting % peers}}),
            3 => json!({"type": "tree", "tree": {"arity": setting}}),
            4 => json!({"type": "exponential"}),
            5 => json!({"type": "torus"}),
            6 => json!({"type": "hypercube"}),
            7 => json!({"type": "randomRegular", "randomRegular": {"degree": setting + 1}}),
            8 => json!({"type": "smallWorld", "smallWorld": {"degree": 2 * setting.div_ceil(2) + 2, "rewire": 0.3}}),
            _ => json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.5}}),
        };
        // What the number of peers forbids is in the table of wrong manifests.
        let peers = match kind {
            6 => peers.next_power_of_two(),
            7 | 8 => 2 * peers.max(8),
            9 => peers.max(8),
            _ => peers,
        };
        let graph = neighbours(&topology, peers);
        if kind == 7 {
            prop_assert!(graph.iter().all(|list| list.len() == setting as usize + 1));
        }
        let mut reached = vec![false; graph.len()];
        let mut todo = vec![0_u32];
        while let Some(peer) = todo.pop() {
            if !std::mem::replace(&mut reached[peer as usize], true) {
                todo.extend(&graph[peer as usize]);
            }
        }
        prop_assert!(reached.iter().all(|reached| *reached));
        for (peer, list) in (0_u32..).zip(&graph) {
            prop_assert!(list.is_sorted_by(|a, b| a < b));
            prop_assert!(!list.contains(&peer));
            for neighbour in list {
                prop_assert!(graph[*neighbour as usize].contains(&peer));
            }
        }
    }
}
