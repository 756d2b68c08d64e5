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
    put(
        &mut document,
        "groups",
        json!([{"name": "a", "count": peers}]),
    );
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
        [
            vec![1, 2],
            vec![0, 3, 4],
            vec![0, 5],
            vec![1],
            vec![1],
            vec![2]
        ]
    );
    assert_eq!(
        neighbours(&json!({"type": "mesh"}), 3),
        [[1, 2], [0, 2], [0, 1]]
    );
    let custom = json!({"type": "custom", "custom": {"edges": [[2, 0], [1, 2]]}});
    assert_eq!(neighbours(&custom, 3), [vec![2], vec![2], vec![0, 1]]);
    let alone = json!({"type": "custom", "custom": {"edges": []}});
    assert_eq!(neighbours(&alone, 1), [[0; 0]]);
}

#[test]
fn a_graph_in_many_parts_is_shortened() {
    let mut document = manifest();
    put(
        &mut document,
        "groups",
        json!([{"name": "a", "count": 1000}]),
    );
    put(&mut document, "training/batchSize", json!(1));
    let edges: Vec<[u32; 2]> = (2..100).map(|i| [0, 2 * i]).collect();
    put(
        &mut document,
        "topology",
        json!({"type": "custom", "custom": {"edges": edges}}),
    );
    let found = Plan::load(&document.to_string(), &[])
        .unwrap_err()
        .to_string();
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
    assert!(
        plan.peers
            .iter()
            .zip(0..)
            .all(|(peer, index)| peer.index == index)
    );
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
                (
                    "data.partition.explicit.shards",
                    "sample 90 belongs to peers 0 and 1",
                ),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn graphs_are_connected_and_alike_from_both_ends(kind in 0..4, peers in 1_u32..120, setting in 1_u32..12) {
        let topology = match kind {
            0 => json!({"type": "ring"}),
            1 => json!({"type": "mesh"}),
            2 => json!({"type": "star", "star": {"hub": setting % peers}}),
            _ => json!({"type": "tree", "tree": {"arity": setting}}),
        };
        let graph = neighbours(&topology, peers);
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
