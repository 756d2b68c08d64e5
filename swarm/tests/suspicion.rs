//! Peers that take part, and do not vote as they should: nobody waits for them for ever.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use fltorrent_swarm::{
    Deadline, EarlierUpdates, Failure, Notice, Owed, RoundRules,
    simulation::{LinkProfile, Network, VoteLie},
    test_utils::Outcome,
};
use support::{LONG, Setup, edges};

const DEADLINE: Duration = Duration::from_secs(40);

fn setup(peers: u32, rounds: u32) -> Setup {
    Setup {
        peers,
        rounds,
        goes_on: true,
        rules: Some(RoundRules {
            quorum: peers,
            patience: Duration::from_millis(100),
            deadline: Deadline::After(DEADLINE),
        }),
        ..Setup::default()
    }
}

/// A node lies from the beginning, and another one dies in the second round, so that the others have to vote.
fn with_a_liar(setup: &Setup, topology: &str, liar: u32, lie: VoteLie, victim: u32) -> Network {
    let mut network = setup.network(topology);
    network.lie(liar, lie);
    while network.ends(victim).is_empty() {
        assert!(network.step());
    }
    // The first chunks of its update are on their way.
    let later = network.now() + Duration::from_millis(70);
    network.run_until(later);
    network.kill(victim);
    network
}

fn suspected(network: &Network, node: u32) -> Vec<(u32, Owed, u32)> {
    let of = |notice: &Notice| match *notice {
        Notice::Suspected { peer, owed, round } => Some((peer, owed, round)),
        _ => None,
    };
    network.notices(node).iter().filter_map(of).collect()
}

/// All but these have left after the last round, with the same models.
fn assert_survived(setup: &Setup, network: &Network, without: &[u32], what: &str) {
    let honest: Vec<u32> = (0..setup.peers).filter(|node| !without.contains(node)).collect();
    for &node in &honest {
        let progress = network.progress(node);
        assert_eq!(
            network.outcome(node),
            &Outcome::Left,
            "{what}: peer {node} at {progress:?}"
        );
        assert_eq!(network.ends(node).len() as u32, setup.rounds, "{what}: peer {node}");
        assert_eq!(network.digests(node), network.digests(honest[0]), "{what}: peer {node}");
    }
}

#[test]
fn whoever_does_not_vote_is_left_out_for_longer_each_time() {
    for topology in ["mesh", "chords", "ring"] {
        let setup = setup(6, 16);
        let mut network = with_a_liar(&setup, topology, 2, VoteLie::Silence, 4);
        assert!(network.run(LONG), "{topology}: wedged");
        assert_survived(&setup, &network, &[2, 4], topology);
        let suspected = suspected(&network, 1);
        let first = suspected[0].2;
        let of_silence = [0, 1, 3, 6, 11].map(|later| (2, Owed::Vote, first + later));
        assert_eq!(suspected, of_silence, "{topology}");
    }
}

#[test]
fn two_of_seven_that_vote_for_each_other_only_hold_nobody_up() {
    let setup = setup(7, 6);
    let mut network = setup.network("chords");
    network.lie(2, VoteLie::Silence);
    network.lie(3, VoteLie::HoldsAll);
    while network.ends(5).is_empty() {
        assert!(network.step());
    }
    network.kill(5);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[2, 3, 5], "two");
}

#[test]
fn nobody_waits_for_ever_for_chunks_that_somebody_has_only_voted_to_hold() {
    for topology in ["mesh", "chords"] {
        let setup = setup(6, 6);
        let mut network = with_a_liar(&setup, topology, 2, VoteLie::HoldsAll, 4);
        assert!(network.run(LONG), "{topology}: wedged");
        assert_survived(&setup, &network, &[2, 4], topology);
        let (peer, owed, _) = suspected(&network, 1)[0];
        assert_eq!((peer, owed), (2, Owed::Chunks), "{topology}");
        let missing: Vec<&[u32]> = network.ends(0).iter().map(|end| &end.missing[..]).collect();
        assert_eq!(
            missing.last(),
            Some(&&[4][..]),
            "{topology}: the liar's own updates count"
        );
    }
}

#[test]
fn where_it_is_needed_it_is_waited_for_as_long_as_one_that_is_missing() {
    // Three are needed, and without the liar two are left.
    let setup = setup(4, 4);
    let mut network = with_a_liar(&setup, "mesh", 2, VoteLie::Silence, 3);
    let config = setup.config(0, &[]);
    let due = network.now() + DEADLINE + config.lost_after + config.pause_limit;
    network.run_until(due - Duration::from_secs(1));
    assert_eq!(suspected(&network, 0), []);
    assert!(network.run(LONG), "wedged");
    for node in [0, 1] {
        assert_eq!(suspected(&network, node), [(2, Owed::Vote, 2)]);
        let outcome = network.outcome(node);
        let is_it = matches!(
            outcome,
            Outcome::Failed(Failure::TooFew {
                present: 2,
                needed: 3,
                ..
            })
        );
        assert!(is_it, "{outcome:?}");
    }
}

#[test]
fn without_a_deadline_a_vote_is_waited_for_as_long_as_one_that_is_missing() {
    let setup = setup(6, 4);
    let setup = Setup {
        rules: setup.rules.map(|rules| RoundRules {
            deadline: Deadline::None,
            ..rules
        }),
        ..setup
    };
    let mut network = with_a_liar(&setup, "mesh", 2, VoteLie::Silence, 4);
    let pause_limit = setup.config(0, &[]).pause_limit;
    let due = network.now() + pause_limit;
    network.run_until(due);
    assert_eq!(suspected(&network, 0), []);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[2, 4], "no deadline");
}

/// Peer 2 gets nothing for longer than the others wait for its vote. Then it gets everything, while they train on: as soon as it has enough to
/// vote on, it could complete the view that they have given up.
#[test]
fn whoever_is_suspected_since_it_is_slow_ends_the_round_as_the_others_have() {
    let setup = setup(6, 6);
    let train = 2 * DEADLINE;
    let rules = setup.rules.map(|rules| RoundRules {
        deadline: Deadline::After(2 * train),
        ..rules
    });
    let setup = Setup { rules, ..setup };
    let mut network = setup.network_whose(&edges("mesh", 6), |_| train);
    while network.ends(4).is_empty() {
        assert!(network.step());
    }
    network.kill(4);
    let set_rate = |network: &mut Network, rate| {
        let profile = LinkProfile { rate, ..setup.link };
        for other in [0, 1, 3, 5] {
            network.set_profile(other, 2, profile);
        }
    };
    set_rate(&mut network, 20.0);
    while network.ends(0).len() < 2 {
        assert!(network.step());
    }
    assert_eq!(suspected(&network, 0), [(2, Owed::Vote, 1)]);
    assert_eq!(network.ends(2).len(), 1, "it lacks something yet");
    set_rate(&mut network, setup.link.rate / 50.0);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[4], "slow");
    assert_eq!(suspected(&network, 2), [], "it is no judge");
}

#[test]
fn the_next_process_owes_nothing() {
    // Three are needed, and without the liar two are left.
    let setup = setup(4, 4);
    let mut network = with_a_liar(&setup, "mesh", 2, VoteLie::Silence, 3);
    while suspected(&network, 0).is_empty() || suspected(&network, 1).is_empty() {
        assert!(network.step());
    }
    network.kill(2);
    network.be_honest(2);
    let last = network.signed(2).last().copied().unwrap();
    network.restart(2, EarlierUpdates::UpTo(last));
    [0, 1].iter().for_each(|&other| network.mend(other, 2));
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[2, 3], "restarted");
    assert_eq!(network.outcome(2), &Outcome::Left);
}

#[test]
fn whoever_is_slow_and_votes_before_that_is_not_suspected() {
    let setup = setup(6, 6);
    let mut network = setup.network("mesh");
    for other in [0, 1, 3, 4, 5] {
        network.set_delay(2, other, Duration::from_secs(5));
    }
    while network.ends(4).is_empty() {
        assert!(network.step());
    }
    network.kill(4);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[4], "slow");
    for node in [0, 1, 2, 3, 5] {
        assert_eq!(suspected(&network, node), [], "peer {node}");
    }
}
