//! Whole runs in virtual time: every peer of a connected honest graph completes every round with the same bits.

mod support;

use std::time::Duration;

use fltorrent_swarm::{
    ChokePolicyKind, ChunkSelection, EarlyStop, Failure, StopRecord, StopRules, simulation::LinkProfile,
    test_utils::Outcome,
};
use support::{LONG, Setup};

const TOPOLOGIES: [&str; 5] = ["star", "ring", "mesh", "tree", "chords"];

#[test]
fn every_peer_completes_on_every_topology() {
    for topology in TOPOLOGIES {
        for seed in 0..6 {
            for peers in [1, 2, 3, 8, 17] {
                let setup = Setup {
                    peers,
                    seed,
                    ..Setup::default()
                };
                let mut network = setup.network(topology);
                assert!(network.run(LONG), "{topology} of {peers}, seed {seed}, wedged");
                setup.assert_complete(&network);
            }
        }
    }
}

#[test]
fn a_hundred_peers_complete() {
    for topology in ["star", "ring", "tree", "chords"] {
        let setup = Setup {
            peers: 100,
            chunks: 4,
            elements: 16,
            rounds: 1,
            ..Setup::default()
        };
        let mut network = setup.network(topology);
        assert!(network.run(LONG), "{topology} wedged");
        setup.assert_complete(&network);
    }
}

#[test]
fn every_order_of_asking_completes() {
    for &selection in ChunkSelection::ALL {
        let setup = Setup {
            selection,
            ..Setup::default()
        };
        let mut network = setup.network("chords");
        assert!(network.run(LONG));
        setup.assert_complete(&network);
    }
}

#[test]
fn one_slot_is_enough_under_every_choke_policy() {
    for &choke_policy in ChokePolicyKind::ALL {
        for topology in TOPOLOGIES {
            let setup = Setup {
                slots: 1,
                choke_policy,
                ..Setup::default()
            };
            let mut network = setup.network(topology);
            network.check_always();
            let what = choke_policy.name();
            assert!(network.run(LONG), "{topology} wedged with {what}");
            setup.assert_complete(&network);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let trace = |seed| {
        let setup = Setup {
            seed,
            peers: 12,
            ..Setup::default()
        };
        let mut network = setup.network("chords");
        assert!(network.run(LONG));
        let times: Vec<_> = (0..12).map(|node| network.completed_at(node).to_vec()).collect();
        (network.steps(), times)
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4), "the seed reaches the picker's ties");
}

#[test]
fn chunks_are_hardly_ever_sent_twice() {
    for topology in TOPOLOGIES {
        let setup = Setup {
            peers: 16,
            ..Setup::default()
        };
        let mut network = setup.network(topology);
        assert!(network.run(LONG));
        let (duplicate, payload) = (0..16).fold((0, 0), |(duplicate, payload), node| {
            let stats = network.stats(node);
            (duplicate + stats.duplicate, payload + stats.payload_received)
        });
        assert_eq!(
            payload,
            2 * 16 * 15 * 600 * 4,
            "each peer keeps each foreign chunk once"
        );
        assert!(
            duplicate * 200 <= payload,
            "{topology}: {duplicate} of {payload} bytes came twice"
        );
    }
}

#[test]
fn a_wrong_piece_is_asked_again_even_of_the_only_holder() {
    let setup = Setup {
        peers: 2,
        ..Setup::default()
    };
    let mut network = setup.network("ring");
    network.corrupt_next(0, 1);
    assert!(network.run(LONG));
    setup.assert_complete(&network);
    assert_eq!(network.stats(1).corrupt, 1);
    assert_eq!(network.notices(1).len(), 1);
    assert!(
        network.now() > Duration::from_secs(1),
        "its sender was not asked for a second"
    );
}

#[test]
fn a_peer_that_is_lost_ends_the_run_with_its_name() {
    let setup = Setup {
        rounds: 50,
        ..Setup::default()
    };
    let mut network = setup.network("tree");
    network.run_until(Duration::from_millis(300));
    network.kill(5);
    assert!(network.run(LONG));
    for node in (0..8).filter(|&node| node != 5) {
        let Outcome::Failed(failure) = network.outcome(node) else {
            panic!("{:?}", network.outcome(node))
        };
        assert!(
            failure.to_string().starts_with("peer 5 is lost"),
            "peer {node} says: {failure}"
        );
    }
    assert!(
        matches!(network.outcome(2), Outcome::Failed(Failure::Lost { peer: 5, .. })),
        "5's neighbour saw it"
    );
}

#[test]
fn a_neighbour_that_never_comes_is_named() {
    let setup = Setup {
        peers: 3,
        ..Setup::default()
    };
    let mut network = setup.network("ring");
    network.kill(2);
    assert!(network.run(LONG));
    for node in 0..2 {
        assert!(matches!(
            network.outcome(node),
            Outcome::Failed(Failure::Lost { peer: 2, .. } | Failure::Neighbour { .. })
        ));
    }
}

#[test]
fn the_star_takes_the_time_that_its_hub_needs() {
    // Closed form with a slot for every leaf: the hub sends n − 1 updates on each of its links.
    let setup = Setup {
        chunks: 10,
        elements: 100_000,
        rounds: 1,
        slots: 7,
        link: LinkProfile {
            rate: 1e6,
            delay: Duration::from_micros(100),
        },
        train: Duration::ZERO,
        ..Setup::default()
    };
    let mut network = setup.network("star");
    assert!(network.run(LONG));
    setup.assert_complete(&network);
    let bound = 7.0 * 400_000.0 / 1e6;
    let ratio = network.now().as_secs_f64() / bound;
    assert!((1.0..1.1).contains(&ratio), "{ratio}");
}

/// The simulated accuracy is 0.60, 0.74, 0.80, 0.84, 0.87, 0.89, 0.90, … after rounds 0, 1, 2, …
fn early_stop(target_accuracy: Option<f64>, patience: Option<u32>, min_delta: f64) -> EarlyStop {
    EarlyStop {
        rules: StopRules {
            target_accuracy,
            patience,
            min_delta,
        },
        record: StopRecord::default(),
    }
}

#[test]
fn all_peers_stop_early_after_the_same_round_on_every_topology() {
    let met = early_stop(Some(0.8), None, 0.0);
    // 0.84 is no gain above 0.05 on 0.80, 0.87 is one, 0.89 and 0.90 are none.
    let plateau = early_stop(None, Some(2), 0.05);
    for (early_stop, last) in [(met, 3), (plateau, 7)] {
        for topology in TOPOLOGIES {
            for (peers, seed) in [(1, 0), (2, 1), (8, 2), (8, 3), (17, 4)] {
                let setup = Setup {
                    peers,
                    seed,
                    rounds: 100,
                    early_stop: Some(early_stop),
                    ..Setup::default()
                };
                let mut network = setup.network(topology);
                if peers > 2 {
                    // The last peer's links are a hundred times slower than the others'.
                    for neighbour in setup.config(peers - 1, &support::edges(topology, peers)).neighbours {
                        let slow = LinkProfile {
                            rate: 1_000.0,
                            delay: Duration::from_millis(400),
                        };
                        network.set_profile(peers - 1, neighbour, slow);
                        network.set_profile(neighbour, peers - 1, slow);
                    }
                }
                assert!(network.run(24 * LONG), "{topology} of {peers} wedged");
                Setup {
                    rounds: last + 1,
                    ..setup
                }
                .assert_complete(&network);
            }
        }
    }
}

#[test]
fn a_link_that_breaks_at_the_early_end_holds_nobody_up() {
    for cut in (0..4000).step_by(97) {
        let setup = Setup {
            rounds: 100,
            early_stop: Some(early_stop(Some(0.6), None, 0.0)),
            ..Setup::default()
        };
        let mut network = setup.network("ring");
        network.run_until(Duration::from_millis(cut));
        network.disconnect(2, 3);
        assert!(network.run(LONG));
        Setup { rounds: 2, ..setup }.assert_complete(&network);
    }
}

#[test]
fn a_run_that_starts_in_the_middle_ends_as_the_whole_one() {
    for topology in TOPOLOGIES {
        let whole = Setup {
            rounds: 8,
            ..Setup::default()
        };
        let rest = Setup {
            first_round: 5,
            rounds: 8,
            ..Setup::default()
        };
        let digests = [whole, rest].map(|setup| {
            let mut network = setup.network(topology);
            assert!(network.run(LONG), "{topology} wedged");
            setup.assert_complete(&network);
            network.digests(0).to_vec()
        });
        assert_eq!(digests[0][5..], digests[1]);
    }
}
