//! Seeds, topologies, sizes, slots and unequal links: everybody completes, and nobody is left behind.

mod support;

use std::time::Duration;

use fltorrent_swarm::{
    Failure, Notice,
    simulation::{LinkProfile, Network},
    test_utils::Outcome,
};
use support::{LONG, Setup, edges, random_degree_four};

/// Rates and delays that differ by two orders of magnitude, in both directions of each link.
fn make_unequal(network: &mut Network, edges: &[(u32, u32)], seed: u64) {
    for (at, &(a, b)) in edges.iter().enumerate() {
        for (turn, (from, to)) in [(a, b), (b, a)].into_iter().enumerate() {
            let draw = ((seed + 1) * (at as u64 * 2 + turn as u64 + 1) * 2_654_435_761) >> 7;
            let profile = LinkProfile {
                rate: [20_000.0, 100_000.0, 500_000.0, 2_000_000.0][draw as usize % 4],
                delay: Duration::from_millis([1, 10, 40, 150][(draw >> 8) as usize % 4]),
            };
            network.set_profile(from, to, profile);
        }
    }
}

fn all_complete(setup: &Setup, topology: &str, edges: &[(u32, u32)], unequal: bool) {
    let mut network = setup.network_of(edges);
    if unequal {
        make_unequal(&mut network, edges, setup.seed);
    }
    let what = format!(
        "{topology} of {} with {} slots, seed {}, unequal links: {unequal}",
        setup.peers, setup.slots, setup.seed
    );
    assert!(network.run(LONG), "{what}: wedged");
    setup.assert_complete(&network);
}

fn edges_of(topology: &str, peers: u32, seed: u64) -> Vec<(u32, u32)> {
    match topology {
        "random" => random_degree_four(peers, seed),
        named => edges(named, peers),
    }
}

#[test]
fn eight_and_twenty_peers_with_every_number_of_slots() {
    for topology in ["star", "ring", "tree", "mesh", "chords", "random"] {
        for (peers, slots) in [(8, 1), (8, 2), (8, 4), (20, 1), (20, 2), (20, 4)] {
            for (seed, unequal) in [(1, false), (2, true), (3, true)] {
                let setup = Setup {
                    peers,
                    slots,
                    seed,
                    ..Setup::default()
                };
                all_complete(&setup, topology, &edges_of(topology, peers, seed), unequal);
            }
        }
    }
}

#[test]
fn fifty_and_a_hundred_peers_on_unequal_links() {
    for (topology, peers, slots) in [
        ("random", 50, 1),
        ("random", 100, 4),
        ("tree", 100, 2),
        ("star", 50, 4),
        ("ring", 50, 1),
    ] {
        let setup = Setup {
            peers,
            slots,
            seed: u64::from(peers + slots),
            chunks: 3,
            elements: 30,
            ..Setup::default()
        };
        all_complete(&setup, topology, &edges_of(topology, peers, setup.seed), true);
    }
}

#[test]
fn a_mesh_of_sixty_four_completes() {
    let setup = Setup {
        peers: 64,
        chunks: 2,
        elements: 8,
        rounds: 1,
        ..Setup::default()
    };
    all_complete(&setup, "mesh", &edges("mesh", 64), false);
}

#[test]
fn neighbours_that_never_answer_are_gone_around() {
    // Peer 3 unchokes peer 4, takes its requests and never answers them; the ring has the other way round.
    for moment in [0, 30, 60, 120] {
        let setup = Setup::default();
        let mut network = setup.network("ring");
        network.check_always();
        network.run_until(Duration::from_millis(moment));
        network.mute(3, 4, true);
        assert!(network.run(LONG), "wedged by a silence from {moment} ms on");
        setup.assert_complete(&network);
    }
}

#[test]
fn one_that_answers_nobody_is_gone_around_in_a_mesh() {
    let setup = Setup {
        peers: 6,
        ..Setup::default()
    };
    let mut network = setup.network("mesh");
    // It still serves one, or its own update could not be had at all.
    for to in 0..4 {
        network.mute(5, to, true);
    }
    assert!(network.run(LONG));
    setup.assert_complete(&network);
}

#[test]
fn a_peer_that_is_killed_is_named_by_all_wherever_it_was() {
    for topology in ["star", "ring", "mesh", "tree", "random"] {
        for (victim, moment) in [(0, 5), (4, 50), (7, 120), (3, 400)] {
            let setup = Setup {
                rounds: 50,
                ..Setup::default()
            };
            let mut network = setup.network_of(&edges_of(topology, 8, 1));
            network.run_until(Duration::from_millis(moment));
            network.kill(victim);
            assert!(network.run(LONG), "{topology}: wedged without {victim}");
            for node in (0..8).filter(|&node| node != victim) {
                let Outcome::Failed(failure) = network.outcome(node) else {
                    panic!("{topology}, {victim} killed: {node} is {:?}", network.outcome(node));
                };
                // Where the victim cut the graph in two, each part hears of it from the victim's own neighbours.
                assert!(
                    failure.to_string().starts_with(&format!("peer {victim} is lost")),
                    "{topology}: peer {node} says: {failure}"
                );
            }
        }
    }
}

#[test]
fn a_peer_that_is_killed_when_another_has_finished_does_not_fail_that_one() {
    let setup = Setup {
        peers: 2,
        rounds: 1,
        ..Setup::default()
    };
    let mut network = setup.network("ring");
    // Peer 1 trains longer, so that it holds everything before peer 0 does.
    while network.completed_at(1).is_empty() {
        network.step();
    }
    assert!(network.completed_at(0).is_empty());
    network.kill(0);
    assert!(network.run(LONG));
    assert_eq!(network.outcome(1), &Outcome::Left);
    assert_eq!(network.notices(1), [Notice::NoGoodbye { peer: 0 }]);
}

#[test]
fn links_that_break_all_the_time_only_take_time() {
    for topology in ["ring", "star", "random"] {
        let setup = Setup::default();
        let edges = edges_of(topology, 8, 5);
        let mut network = setup.network_of(&edges);
        network.check_always();
        for turn in 0..200 {
            let (a, b) = edges[turn * 7 % edges.len()];
            network.disconnect(a, b);
            network.run_until(network.now() + Duration::from_millis(37));
        }
        assert!(network.run(LONG), "{topology}: wedged");
        setup.assert_complete(&network);
    }
}

#[test]
fn a_link_that_is_cut_for_good_fails_the_run_with_both_names() {
    let setup = Setup {
        rounds: 1000,
        ..Setup::default()
    };
    let mut network = setup.network("ring");
    network.run_until(Duration::from_millis(100));
    network.sever(3, 4);
    assert!(network.run(LONG));
    let lost = |node| match network.outcome(node) {
        Outcome::Failed(Failure::Lost { peer, .. }) => Some(*peer),
        _ => None,
    };
    assert_eq!((lost(3), lost(4)), (Some(4), Some(3)));
}
