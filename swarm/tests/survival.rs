//! Peers that die, links that break, peers that are slow: whoever is left goes on, with the same bits.

mod support;

use std::{collections::BTreeMap, time::Duration};

use fltorrent_swarm::{
    Action, Bottleneck, Deadline, Departure, EarlierUpdates, EndCause, Failure, Notice, Repair, RoundEnd, RoundPhase,
    RoundRules,
    simulation::{LinkProfile, Network},
    test_utils::Outcome,
};
use support::{LONG, Setup, edges};

fn setup(peers: u32, rounds: u32) -> Setup {
    Setup {
        peers,
        rounds,
        goes_on: true,
        ..Setup::default()
    }
}

/// Those nodes have left after the last round, and ended each round alike.
fn assert_survived(setup: &Setup, network: &Network, survivors: &[u32], what: &str) {
    for &node in survivors {
        assert_eq!(
            network.outcome(node),
            &Outcome::Left,
            "{what}: peer {node} at {:?}",
            network.progress(node)
        );
        if network.adopted(node).is_empty() && network.incarnation(node) == 0 {
            assert_eq!(network.ends(node).len() as u32, setup.rounds, "{what}: peer {node}");
        }
        let last = network.ends(node).last().map(|end| end.round);
        assert_eq!(last, Some(setup.rounds - 1), "{what}: peer {node}");
    }
    let mut rounds: BTreeMap<u32, ([u8; 32], &RoundEnd)> = BTreeMap::new();
    for &node in survivors {
        for (end, &model) in network.ends(node).iter().zip(network.digests(node)) {
            let (first, known) = rounds.entry(end.round).or_insert((model, end));
            assert_eq!(end.missing, known.missing, "{what}: peer {node}, round {}", end.round);
            assert_eq!(end.digest, known.digest, "{what}: peer {node}, round {}", end.round);
            assert_eq!(model, *first, "{what}: peer {node}, round {}", end.round);
        }
    }
}

fn run_until(network: &mut Network, time: Duration) {
    network.run_until(time);
}

/// Kills nodes at a time, and starts them anew later.
fn restarted(topology: &str, victims: &[u32], at: u64, after: u64, is_known: bool) -> Network {
    let setup = setup(6, 6);
    let mut network = setup.network(topology);
    run_until(&mut network, Duration::from_millis(at));
    victims.iter().for_each(|&node| network.kill(node));
    run_until(&mut network, Duration::from_millis(at + after));
    for &node in victims {
        let last = network.signed(node).last();
        let earlier = last.map_or(EarlierUpdates::Nothing, |&round| EarlierUpdates::UpTo(round));
        network.restart(node, if is_known { earlier } else { EarlierUpdates::Unknown });
    }
    for &node in victims {
        let of = edges(topology, 6).into_iter().filter(|&(a, b)| a == node || b == node);
        of.for_each(|(a, b)| network.mend(a, b));
    }
    let is_over = network.run(LONG);
    let what = format!("{topology}, {victims:?} killed at {at}, back after {after}, {is_known}");
    if !is_over {
        for node in 0..6 {
            println!("{node}: {:?} at {:?}", network.outcome(node), network.progress(node));
        }
    }
    assert!(is_over, "{what}: wedged");
    assert_survived(&setup, &network, &(0..6).collect::<Vec<u32>>(), &what);
    network
}

#[test]
fn whoever_died_comes_back_with_another_process_and_takes_part_again() {
    let mut recalled = 0;
    for topology in ["mesh", "ring", "chords"] {
        for at in 0..20 {
            let network = restarted(topology, &[(at % 6) as u32], at * 29, 40, at % 4 != 3 || at > 9);
            let what = format!("{topology}, {at}");
            let node = (at % 6) as u32;
            let last = network.ends(0).last().unwrap();
            assert!(last.missing.is_empty(), "{what}: {last:?}");
            assert!(network.signed(node).contains(&5), "{what}");
            recalled += network.stats(node).recalled;
        }
    }
    assert!(recalled > 0, "what was kept was fetched again");
}

/// It dies when some of its neighbours have closed a round, and heard that it has, while others lack what it alone could pass on.
#[test]
fn whoever_holds_the_others_together_comes_back_with_nothing_and_they_go_on() {
    for (topology, node, lack) in [("star", 0, &[3, 4, 5][..]), ("tree", 1, &[3, 4]), ("line", 2, &[3])] {
        let setup = Setup {
            chunks: 1,
            ..setup(6, 5)
        };
        let train = Duration::from_millis(300);
        let mut network = setup.network_whose(&edges(topology, 6), |_| train);
        let has_ended = |network: &Network, node: u32, round: usize| network.ends(node).len() > round;
        while !(0..6).all(|node| has_ended(&network, node, 0)) {
            assert!(network.step());
        }
        let slow = LinkProfile {
            rate: 400.0,
            ..setup.link
        };
        lack.iter().for_each(|&other| network.set_profile(node, other, slow));
        let fast: Vec<u32> = (0..6).filter(|other| !lack.contains(other) && *other <= 2).collect();
        while !fast.iter().all(|&node| has_ended(&network, node, 1)) {
            assert!(network.step());
        }
        let later = network.now() + Duration::from_millis(50);
        run_until(&mut network, later);
        assert!(lack.iter().all(|&node| !has_ended(&network, node, 1)), "{topology}");
        network.kill(node);
        network.forget(node);
        lack.iter()
            .for_each(|&other| network.set_profile(node, other, setup.link));
        let later = network.now() + Duration::from_millis(40);
        run_until(&mut network, later);
        let last = network.signed(node).last().copied().unwrap();
        network.restart(node, EarlierUpdates::UpTo(last));
        edges(topology, 6).into_iter().for_each(|(a, b)| network.mend(a, b));
        assert!(network.run(LONG), "{topology}: wedged");
        assert_survived(&setup, &network, &(0..6).collect::<Vec<u32>>(), topology);
    }
}

/// Nodes join a run that has begun without them, once others are in a round.
fn joined(topology: &str, late: &[u32], round: u32) -> (Setup, Network) {
    let setup = Setup {
        late: late.to_vec(),
        ..setup(6, 8)
    };
    let mut network = setup.network(topology);
    network.check_always();
    let others = (0..6).filter(|node| !late.contains(node)).collect::<Vec<u32>>();
    while others.iter().all(|&node| network.progress(node).0 < round) {
        assert!(network.step(), "nobody comes to round {round}");
    }
    late.iter().for_each(|&node| network.join(node));
    let what = format!("{topology}, {late:?} join in round {round}");
    let is_over = network.run(LONG);
    if !is_over {
        for node in 0..6 {
            println!("{node}: {:?} at {:?}", network.outcome(node), network.progress(node));
        }
    }
    assert!(is_over, "{what}: wedged");
    assert_survived(&setup, &network, &(0..6).collect::<Vec<u32>>(), &what);
    (setup, network)
}

#[test]
fn whoever_joins_later_counts_by_its_second_round() {
    for topology in ["mesh", "ring", "chords"] {
        for round in 0..6 {
            // Whoever is left is connected.
            for late in [&[0][..], &[3], &[1, 2], &[5]] {
                let (_, network) = joined(topology, late, round);
                let what = format!("{topology}, {late:?} join in round {round}");
                let first = (0..6).find(|node| !late.contains(node)).unwrap();
                for &node in late {
                    let begins = network.ends(node)[0].round;
                    // Its neighbours may be in the round before.
                    assert!((round..=round + 3).contains(&(begins + 1)), "{what}: {begins}");
                    assert_eq!(network.incarnation(node), 0);
                    for end in network.ends(first) {
                        let is_missing = end.missing.contains(&node);
                        assert!(end.round >= begins || is_missing, "{what}: round {}", end.round);
                        assert!(end.round <= begins || !is_missing, "{what}: round {}", end.round);
                    }
                }
            }
        }
    }
}

#[test]
fn a_run_that_begins_with_too_few_waits_for_those_who_join() {
    let (_, network) = joined("mesh", &[1, 2, 5], 0);
    assert!((0..6).all(|node| network.ends(node).last().unwrap().missing.is_empty()));
    let is_pause = |notice: &Notice| matches!(notice, Notice::Paused { .. });
    let has_paused = |node: u32| network.notices(node).iter().any(is_pause);
    assert!([0, 3, 4].into_iter().all(has_paused));
}

#[test]
fn half_of_the_peers_die_at_once_and_the_run_goes_on_with_their_next_processes() {
    for at in 0..24 {
        restarted("mesh", &[0, 2, 4], at * 29, 100, true);
        restarted("ring", &[1, 2, 3, 5], at * 29, 100, at % 2 == 0);
    }
}

#[test]
fn whoever_is_left_goes_on_whenever_one_dies() {
    for topology in ["mesh", "ring", "chords"] {
        for at in 0..60 {
            let setup = setup(6, 3);
            let mut network = setup.network(topology);
            run_until(&mut network, Duration::from_millis(at * 29));
            let dead = (at % 6) as u32;
            let was_over = network.outcome(dead) == &Outcome::Left;
            if !was_over {
                network.kill(dead);
            }
            let what = format!("{topology}, peer {dead} dies at {:?}", network.now());
            assert!(network.run(LONG), "{what}: wedged");
            let survivors: Vec<u32> = (0..6).filter(|&node| node != dead || was_over).collect();
            assert_survived(&setup, &network, &survivors, &what);
        }
    }
}

#[test]
fn several_deaths_at_any_times_leave_a_majority_with_one_model() {
    for seed in 0..60u64 {
        let peers = 5 + (seed % 8) as u32;
        let setup = Setup {
            seed,
            ..setup(peers, 4)
        };
        let mut network = setup.network(["mesh", "chords"][seed as usize % 2]);
        if seed % 4 == 0 {
            network.check_always();
        }
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let most = (peers - 1) / 2;
        let mut dead = Vec::new();
        for _ in 0..1 + draw(u64::from(most)) {
            let next = network.now() + Duration::from_millis(draw(900));
            run_until(&mut network, next);
            let victim = draw(u64::from(peers)) as u32;
            if network.outcome(victim) == &Outcome::Running {
                network.kill(victim);
                dead.push(victim);
            }
        }
        let what = format!("seed {seed}, {dead:?} of {peers} dead");
        network.run(LONG);
        // Deaths may also take the links away by which the others reach each other.
        let survivors: Vec<u32> = (0..peers).filter(|node| !dead.contains(node)).collect();
        let is_split = survivors
            .iter()
            .any(|&node| matches!(network.outcome(node), Outcome::Failed(Failure::TooFew { .. })));
        if !is_split {
            assert_survived(&setup, &network, &survivors, &what);
        }
    }
}

#[test]
fn nobody_votes_while_all_are_there() {
    let setup = setup(8, 3);
    let mut network = setup.network("chords");
    assert!(network.run(LONG));
    setup.assert_complete(&network);
    for end in (0..8).flat_map(|node| network.ends(node)) {
        assert_eq!(end.cause, EndCause::All);
        assert_eq!(end.certified_before, (end.round > 0).then_some(true));
    }
}

#[test]
fn too_few_pause_and_go_on_when_the_others_are_back() {
    let setup = setup(6, 3);
    let mut network = setup.network("mesh");
    run_until(&mut network, Duration::from_millis(10));
    let cut: Vec<(u32, u32)> = (0..3).flat_map(|a| (3..6).map(move |b| (a, b))).collect();
    for &(a, b) in &cut {
        network.sever(a, b);
    }
    run_until(&mut network, Duration::from_secs(60));
    for node in 0..6 {
        assert_eq!(network.outcome(node), &Outcome::Running);
        assert_eq!(network.progress(node).0, 0, "three of six close no round");
    }
    for &(a, b) in &cut {
        network.mend(a, b);
    }
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[0, 1, 2, 3, 4, 5], "after the split");
}

#[test]
fn too_few_for_too_long_fail_with_the_reason() {
    let setup = setup(5, 2);
    let mut network = setup.network("mesh");
    for node in 2..5 {
        network.kill(node);
    }
    assert!(network.run(LONG));
    for node in 0..2 {
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
fn a_star_goes_on_without_a_leaf() {
    let setup = setup(6, 3);
    let mut network = setup.network("star");
    run_until(&mut network, Duration::from_millis(300));
    network.kill(4);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &[0, 1, 2, 3, 5], "star");
}

#[test]
fn a_round_closes_with_a_quorum_without_the_slowest() {
    let setup = Setup {
        train: Duration::from_millis(20),
        rules: Some(RoundRules {
            quorum: 4,
            patience: Duration::from_secs(2),
            deadline: Deadline::None,
        }),
        ..setup(5, 3)
    };
    let mut network = setup.network_whose(&edges("mesh", 5), |node| match node {
        3 => Duration::from_secs(30),
        _ => Duration::from_millis(20),
    });
    assert!(network.run(LONG), "wedged");
    let mut missed = BTreeMap::new();
    assert_survived(&setup, &network, &[0, 1, 2, 3, 4], "quorum");
    for node in [0, 1, 2, 4] {
        for end in network.ends(node) {
            missed.insert(end.round, end.missing.clone());
        }
    }
    assert_eq!(missed[&0], [3]);
}

#[test]
fn whoever_trains_for_longest_is_waited_for_by_all_but_itself() {
    let setup = setup(5, 3);
    for topology in ["mesh", "ring", "star"] {
        let mut network = setup.network_whose(&edges(topology, 5), |node| match node {
            3 => Duration::from_secs(5),
            _ => Duration::from_millis(20),
        });
        assert!(network.run(LONG), "{topology}: wedged");
        for node in 0..5 {
            let expected = (node != 3).then_some(Bottleneck {
                peer: 3,
                phase: RoundPhase::Training,
            });
            assert_eq!(network.ends(node).len(), 3);
            for end in network.ends(node) {
                assert_eq!(end.bottleneck, expected, "{topology}: peer {node}, round {}", end.round);
            }
        }
    }
}

#[test]
fn whoever_was_away_takes_over_a_model_and_takes_part_again() {
    for topology in ["mesh", "ring", "chords"] {
        for away in [1, 4] {
            let setup = Setup {
                train: Duration::from_millis(500),
                ..setup(7, 14)
            };
            let mut network = setup.network(topology);
            network.check_always();
            let neighbours = setup.config(away, &edges(topology, 7)).neighbours;
            run_until(&mut network, Duration::from_millis(700));
            for &neighbour in &neighbours {
                network.sever(away, neighbour);
            }
            run_until(&mut network, Duration::from_secs(12));
            for &neighbour in &neighbours {
                network.mend(away, neighbour);
            }
            let what = format!("{topology}, {away} away");
            assert!(network.run(LONG), "{what}: wedged");
            assert_survived(&setup, &network, &[0, 1, 2, 3, 4, 5, 6], &what);
            let adopted = network.adopted(away).to_vec();
            assert_eq!(adopted.len(), 1, "{what}: {adopted:?}");
            let ends = network.ends(away);
            let first_again = ends.iter().find(|end| end.round > adopted[0]).map(|end| end.round);
            assert_eq!(first_again, Some(adopted[0] + 1), "{what}");
            // It counts in that round, or in the next one where the others had nearly closed that.
            let counts = |end: &&RoundEnd| end.round > adopted[0] && end.missing.is_empty();
            let counted = network.ends(0).iter().find(counts).map(|end| end.round);
            assert!(
                counted.is_some_and(|round| round <= adopted[0] + 2),
                "{what}: {counted:?}"
            );
        }
    }
}

#[test]
fn the_smaller_side_of_a_split_comes_back() {
    let setup = Setup {
        train: Duration::from_millis(500),
        ..setup(9, 16)
    };
    let mut network = setup.network("chords");
    run_until(&mut network, Duration::from_millis(500));
    let small = [0, 1, 2];
    let cut: Vec<(u32, u32)> = edges("chords", 9)
        .into_iter()
        .filter(|(a, b)| small.contains(a) != small.contains(b))
        .collect();
    for &(a, b) in &cut {
        network.sever(a, b);
    }
    run_until(&mut network, Duration::from_secs(15));
    for &(a, b) in &cut {
        network.mend(a, b);
    }
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &(0..9).collect::<Vec<_>>(), "split");
    for node in small {
        assert_eq!(network.adopted(node).len(), 1, "peer {node}");
    }
}

#[test]
fn parts_that_train_on_apart_come_together_again() {
    // Alike fast, so that both are in about the same round when they meet; one far ahead; and three parts.
    let parts: [(&[u32], [u64; 3]); 4] = [
        (&[4, 4], [500, 500, 0]),
        (&[4, 4], [500, 1900, 0]),
        (&[5, 3], [1900, 300, 0]),
        (&[3, 3, 3], [900, 300, 500]),
    ];
    for (sizes, times) in parts {
        let peers = sizes.iter().sum();
        let setup = Setup {
            min_peers: Some(3),
            ..setup(peers, 30)
        };
        let ends = sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        let ends: Vec<u32> = ends.collect();
        let part = |node: u32| ends.iter().position(|&end| node < end).unwrap_or(0);
        let links = edges("mesh", peers);
        let mut network = setup.network_whose(&links, |node| Duration::from_millis(times[part(node)]));
        run_until(&mut network, Duration::from_secs(3));
        let cut: Vec<(u32, u32)> = links.into_iter().filter(|&(a, b)| part(a) != part(b)).collect();
        for &(a, b) in &cut {
            network.sever(a, b);
        }
        run_until(&mut network, Duration::from_secs(12));
        for &(a, b) in &cut {
            network.mend(a, b);
        }
        let what = format!("{sizes:?} {times:?}");
        assert!(network.run(LONG), "{what}: wedged");
        let last = |node: u32| (network.digests(node).last(), network.ends(node).last());
        for node in 0..peers {
            assert_eq!(network.outcome(node), &Outcome::Left, "{what}: peer {node}");
            assert_eq!(last(node).0, last(0).0, "{what}: peer {node}");
            assert_eq!(
                last(node).1.map(|end| end.digest),
                last(0).1.map(|end| end.digest),
                "{what}: peer {node}"
            );
        }
        assert_eq!(last(0).1.map(|end| end.missing.clone()), Some(vec![]), "{what}");
    }
}

/// A run over edges that no longer hold the survivors together once these have died, each at its time in milliseconds.
fn survives_with(repair: Repair, topology: &str, peers: u32, deaths: &[(u32, u64)]) {
    let setup = Setup {
        repair,
        ..setup(peers, 6)
    };
    let mut network = setup.network(topology);
    network.check_always();
    for &(dead, at) in deaths {
        run_until(&mut network, Duration::from_millis(at));
        network.kill(dead);
    }
    let what = format!("{topology} of {peers} with {repair:?} without {deaths:?}");
    assert!(network.run(LONG), "{what}: wedged");
    let is_left = |node: &u32| deaths.iter().all(|(dead, _)| dead != node);
    let survivors: Vec<u32> = (0..peers).filter(is_left).collect();
    assert_survived(&setup, &network, &survivors, &what);
}

#[test]
fn a_star_goes_on_without_its_hub_where_it_is_repaired() {
    for at in [0, 30, 150, 300, 450, 700, 1000] {
        for repair in [Repair::Ring, Repair::Reconnect] {
            survives_with(repair, "star", 8, &[(0, at)]);
        }
    }
}

#[test]
fn a_star_without_its_hub_pauses_where_it_is_not_repaired() {
    let setup = setup(8, 6);
    let mut network = setup.network("star");
    run_until(&mut network, Duration::from_millis(150));
    network.kill(0);
    assert!(network.run(LONG));
    for node in 1..8 {
        let outcome = network.outcome(node);
        assert!(
            matches!(outcome, Outcome::Failed(Failure::TooFew { present: 1, .. })),
            "{outcome:?}"
        );
    }
}

#[test]
fn pieces_of_a_ring_a_tree_and_a_line_find_each_other() {
    for repair in [Repair::Ring, Repair::Reconnect] {
        for at in [20, 300, 777] {
            survives_with(repair, "ring", 8, &[(1, at), (5, at)]);
            survives_with(repair, "ring", 9, &[(1, at), (2, at), (5, at + 200), (6, at + 200)]);
            survives_with(repair, "tree", 9, &[(1, at)]);
            survives_with(repair, "tree", 9, &[(0, at), (1, at + 100)]);
            survives_with(repair, "line", 7, &[(3, at)]);
            // What is next to a dead peer was never spoken of by anybody that is left.
            survives_with(repair, "line", 9, &[(3, at), (4, at), (5, at)]);
            survives_with(repair, "star", 9, &[(0, at), (4, at), (6, at)]);
        }
    }
}

#[test]
fn a_repair_is_undone_when_the_hub_is_back() {
    let setup = Setup {
        train: Duration::from_millis(500),
        repair: Repair::Ring,
        ..setup(7, 24)
    };
    let mut network = setup.network("star");
    network.check_always();
    run_until(&mut network, Duration::from_millis(700));
    for leaf in 1..7 {
        network.sever(0, leaf);
    }
    run_until(&mut network, Duration::from_secs(14));
    for leaf in 1..7 {
        assert_eq!(network.links(leaf), 2, "peer {leaf}");
        network.mend(0, leaf);
    }
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &(0..7).collect::<Vec<_>>(), "hub back");
    assert_eq!(network.adopted(0).len(), 1);
    for leaf in 1..7 {
        let rewired = network.notices(leaf).iter().filter_map(|notice| match notice {
            Notice::Rewired { neighbours, .. } => Some(neighbours.len()),
            _ => None,
        });
        assert_eq!(rewired.collect::<Vec<_>>(), [2, 0], "peer {leaf}");
        assert_eq!(network.links(leaf), 1, "peer {leaf}");
    }
    let is_whole = |end: &&RoundEnd| end.missing.is_empty();
    assert!(network.ends(3).iter().rev().take(4).all(|end| is_whole(&end)));
}

#[test]
fn a_leaf_without_its_link_comes_back_by_way_of_another() {
    let setup = Setup {
        train: Duration::from_millis(500),
        repair: Repair::Ring,
        ..setup(6, 30)
    };
    let mut network = setup.network("star");
    network.check_always();
    run_until(&mut network, Duration::from_millis(700));
    network.sever(0, 4);
    assert!(network.run(LONG), "wedged");
    assert_survived(&setup, &network, &(0..6).collect::<Vec<_>>(), "leaf apart");
    assert_eq!(network.ends(0).last().map(|end| end.missing.len()), Some(0));
}

#[test]
fn whoever_is_no_neighbour_is_taken_within_bounds_and_with_a_repair_only() {
    let bench = |repair| {
        let setup = Setup {
            repair,
            ..setup(100, 2)
        };
        setup.bench("ring")
    };
    let mut closed = bench(Repair::None);
    closed.connect(50);
    assert!(!closed.swarm.is_open(50));

    let mut open = bench(Repair::Ring);
    for stranger in 2..40 {
        open.connect(stranger);
    }
    let is_taken: Vec<u32> = (2..40).filter(|&peer| open.swarm.is_open(peer)).collect();
    assert_eq!(is_taken, (2..10).collect::<Vec<_>>());
    let hung_up = open.actions.iter().filter_map(|action| match action {
        Action::Hangup { peer } => Some(*peer),
        _ => None,
    });
    assert_eq!(hung_up.collect::<Vec<_>>(), (10..40).collect::<Vec<_>>());
    open.swarm.check().unwrap();

    // However they take turns, there is no place for more than so many.
    let mut open = bench(Repair::Ring);
    let mut ever = 0;
    for stranger in 2..99 {
        open.connect(stranger);
        ever += u32::from(open.swarm.is_open(stranger));
        let gone = Departure::Broken("it turns away".to_owned());
        open.swarm.handle_disconnected(open.now, stranger, gone);
    }
    assert_eq!(ever, 64);
    open.connect(2);
    assert!(open.swarm.is_open(2), "it had a place before");
    for nobody in [0, 100] {
        open.connect(nobody);
        assert!(!open.swarm.is_open(nobody));
    }
    open.swarm.check().unwrap();
}
