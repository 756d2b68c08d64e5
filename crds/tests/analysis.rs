//! The figures of a plan, against closed forms and against other ways to compute them.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use std::collections::BTreeSet;

use fltorrent_crds::{
    Plan,
    analysis::{Bound, CutVertex, Limit, Rates, exchange_bound, memory, traffic, wiring},
};
use petgraph::{
    algo::{articulation_points::articulation_points, bridges::bridges, connected_components},
    graph::UnGraph,
    visit::EdgeRef,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use support::{manifest, put};

fn plan(topology: &Value, peers: u32) -> Plan {
    let mut document = manifest();
    put(&mut document, "groups", json!([{"name": "a", "count": peers}]));
    put(&mut document, "topology", topology.clone());
    put(&mut document, "data", json!({"type": "idx", "idx": {"path": "x"}}));
    Plan::load(&document.to_string(), &[]).unwrap()
}

fn kind(name: &str) -> Value {
    json!({"type": name})
}

/// Connections, degrees, diameter, mean distance, cut vertices and bridges by their formulas.
#[test]
fn figures_are_those_of_the_formulas() {
    let n = 16.0;
    for (topology, connections, degrees, diameter, mean, cuts, bridges) in [
        (kind("ring"), 16, (2, 2), 8, n * n / (4.0 * (n - 1.0)), 0, 0),
        (kind("mesh"), 120, (15, 15), 1, 1.0, 0, 0),
        (kind("star"), 15, (1, 15), 2, 2.0 - 2.0 / n, 1, 15),
        (kind("hypercube"), 32, (4, 4), 4, 4.0 * 8.0 / 15.0, 0, 0),
        (kind("torus"), 32, (4, 4), 4, 32.0 / 15.0, 0, 0),
        (kind("exponential"), 56, (7, 7), 2, 23.0 / 15.0, 0, 0),
        (
            json!({"type": "tree", "tree": {"arity": 1}}),
            15,
            (1, 2),
            15,
            (n + 1.0) / 3.0,
            14,
            15,
        ),
    ] {
        let wiring = wiring(&plan(&topology, 16));
        assert_eq!(wiring.connections, connections, "{topology}");
        assert_eq!((wiring.least_neighbours, wiring.most_neighbours), degrees, "{topology}");
        assert_eq!(wiring.diameter, diameter, "{topology}");
        assert!((wiring.mean_distance - mean).abs() < 1e-12, "{topology}: {wiring:?}");
        assert_eq!(wiring.cuts.cut_vertices.len(), cuts, "{topology}");
        assert_eq!(wiring.cuts.bridges.len(), bridges, "{topology}");
    }
    let star = wiring(&plan(&json!({"type": "star", "star": {"hub": 3}}), 16));
    assert_eq!(star.cuts.cut_vertices, [CutVertex { peer: 3, parts: 15 }]);
    assert_eq!(star.cuts.parts(3), 15);
    assert_eq!(star.cuts.parts(4), 1);
    let alone = wiring(&plan(&kind("ring"), 1));
    assert_eq!((alone.diameter, alone.connections), (0, 0));
    assert_eq!(alone.mean_distance, 0.0);
}

/// The eigenvalues of a circulant matrix are known: on a ring (1 + 2·cos(2πk÷n)) ÷ 3.
#[test]
fn the_spectral_gap_is_that_of_the_matrix() {
    let gap = |topology: &Value, peers| wiring(&plan(topology, peers)).spectral_gap;
    for peers in [3_u32, 8, 50] {
        let turn = std::f64::consts::TAU / f64::from(peers);
        let second = (1..peers)
            .map(|k| ((1.0 + 2.0 * (turn * f64::from(k)).cos()) / 3.0).abs())
            .fold(0.0, f64::max);
        let found = gap(&kind("ring"), peers).unwrap();
        assert!((found - (1.0 - second)).abs() < 1e-6, "{peers}: {found}");
    }
    assert!((gap(&kind("mesh"), 9).unwrap() - 1.0).abs() < 1e-6);
    // 1 − 2÷5: four bits, of which each halves to (5 − 2)÷5.
    assert!((gap(&kind("hypercube"), 16).unwrap() - 0.4).abs() < 1e-6);
    assert_eq!(gap(&kind("ring"), 1), Some(1.0));
    assert_eq!(gap(&kind("ring"), 10_000), None);
}

const EQUAL: Rates = Rates { up: 1e6, down: 1e6 };

/// The bound in units of (n − 1)·S÷u, and what it waits for.
fn factor(plan: &Plan, rates: impl Fn(u32) -> Rates) -> (f64, Limit) {
    let wiring = wiring(plan);
    let Bound { seconds, limit } = exchange_bound(plan, &wiring, rates);
    let unit = (plan.peers.len() as f64 - 1.0) * plan.model.bytes as f64 / 1e6;
    (seconds / unit, limit)
}

#[test]
fn the_bound_is_that_of_the_closed_forms() {
    let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-9;
    for name in ["ring", "mesh", "hypercube", "torus", "exponential"] {
        let (found, limit) = factor(&plan(&kind(name), 16), |_| EQUAL);
        assert!(close(found, 1.0), "{name}: {found}");
        assert_eq!(limit, Limit::Downlink { peer: 0 });
    }
    // A hub sends (n − 1)² updates.
    let star = plan(&json!({"type": "star", "star": {"hub": 5}}), 16);
    assert_eq!(factor(&star, |_| EQUAL), (15.0, Limit::Uplink { peer: 5 }));
    // A fast hub sends no faster than all leaves together receive, however few slots it has.
    let hub = |peer| Rates {
        up: if peer == 5 { 1e8 } else { 1e6 },
        down: 1e6,
    };
    let mut one_slot = star.clone();
    one_slot.exchange.upload_slots = 1;
    for star in [star, one_slot] {
        assert!(close(factor(&star, hub).0, 1.0));
    }
    // An inner peer of a binary tree: (3n − n + 1) updates.
    let (found, limit) = factor(&plan(&kind("tree"), 15), |_| EQUAL);
    assert!(close(found, 31.0 / 14.0), "{found}");
    assert_eq!(limit, Limit::Uplink { peer: 1 });
    // Slow uplinks, fast downlinks: all that is received has to be sent.
    let slow = |peer| Rates {
        up: if peer == 0 { 0.8e6 } else { 0.5e6 },
        down: 1e6,
    };
    let (found, limit) = factor(&plan(&kind("mesh"), 4), slow);
    assert!(close(found, 4.0 / 2.3), "{found}");
    assert_eq!(limit, Limit::AllUplinks);
    // A leaf that cannot send.
    let (found, limit) = factor(&plan(&kind("mesh"), 4), |peer| Rates {
        up: if peer == 2 { 1e3 } else { 1e6 },
        down: 1e6,
    });
    assert!(close(found, 1000.0 / 3.0), "{found}");
    assert_eq!(limit, Limit::Uplink { peer: 2 });
    // Two slow neighbours on a ring.
    let (found, limit) = factor(&plan(&kind("ring"), 6), |peer| Rates {
        up: if peer % 2 == 0 { 0.25e6 } else { 10e6 },
        down: 10e6,
    });
    assert!(close(found, 2.0), "{found}");
    assert_eq!(limit, Limit::NeighboursUplinks { peer: 1 });
    let alone = plan(&kind("ring"), 1);
    assert_eq!(exchange_bound(&alone, &wiring(&alone), |_| EQUAL).seconds, 0.0);
}

#[test]
fn bytes_of_a_round_add_up() {
    let star = plan(&kind("star"), 8);
    let update = star.model.bytes;
    let found = traffic(&star, &wiring(&star));
    assert_eq!(found.received_by_each, 7 * update);
    assert_eq!(found.total, 56 * update);
    // On a star there is no other way: what is sent at least is all that is sent.
    assert_eq!(found.least_sent[0], 49 * update);
    assert_eq!(found.least_sent.iter().sum::<u64>(), found.total);
    let alone = plan(&kind("ring"), 1);
    assert_eq!(traffic(&alone, &wiring(&alone)).least_sent, [0]);
}

#[test]
fn chunks_beyond_the_budget_are_in_the_file() {
    let mut large = plan(&kind("ring"), 8);
    large.model.bytes = 100 << 20;
    large.model.parameters = 25 << 20;
    large.exchange.num_chunks = 400;
    let found = memory(&large, 2);
    assert_eq!(found.chunks, 256 << 20);
    assert_eq!(found.chunks_in_file, (1600 - 256) << 20);
    assert_eq!(found.model, 400 << 20);
    assert_eq!(found.connections, 2 * (5 << 20));
    assert!(memory(&large, 3).total() > found.total());
    large.training.rounds = 1;
    assert_eq!(memory(&large, 2).chunks_in_file, (800 - 256) << 20);
}

/// A graph of up to 40 peers that is connected: a random tree and some connections more.
fn connected() -> impl Strategy<Value = (u32, BTreeSet<(u32, u32)>)> {
    (2_u32..40).prop_flat_map(|peers| {
        let parents = (1..peers).map(|peer| 0..peer).collect::<Vec<_>>();
        let more = prop::collection::vec((0..peers, 0..peers), 0..12);
        (parents, more).prop_map(move |(parents, more)| {
            let mut edges: BTreeSet<(u32, u32)> = parents.into_iter().zip(1..).collect();
            edges.extend(
                more.into_iter()
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| (a.min(b), a.max(b))),
            );
            (peers, edges)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn cuts_and_distances_are_those_of_petgraph((peers, edges) in connected()) {
        let listed: Vec<[u32; 2]> = edges.iter().map(|&(a, b)| [a, b]).collect();
        let found = wiring(&plan(&json!({"type": "custom", "custom": {"edges": listed}}), peers));
        let graph = UnGraph::<(), ()>::from_edges(edges.iter().copied());
        let points: BTreeSet<u32> = articulation_points(&graph).into_iter().map(|node| node.index() as u32).collect();
        let ours: BTreeSet<u32> = found.cuts.cut_vertices.iter().map(|cut| cut.peer).collect();
        prop_assert_eq!(ours, points);
        let between: BTreeSet<(u32, u32)> = bridges(&graph)
            .map(|edge| (edge.source().index() as u32, edge.target().index() as u32))
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        prop_assert_eq!(found.cuts.bridges.iter().copied().collect::<BTreeSet<_>>(), between);
        for cut in &found.cuts.cut_vertices {
            let mut rest = graph.clone();
            rest.remove_node(cut.peer.into());
            prop_assert_eq!(connected_components(&rest), cut.parts as usize);
        }
        let lengths = petgraph::algo::floyd_warshall(&graph, |_| 1_u32).unwrap();
        prop_assert_eq!(*lengths.values().max().unwrap(), found.diameter);
        let mean = f64::from(lengths.values().sum::<u32>()) / (f64::from(peers) * f64::from(peers - 1));
        prop_assert!((mean - found.mean_distance).abs() < 1e-9);
    }
}
