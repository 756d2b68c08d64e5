//! Predictions of runs in which something happens to peers: whoever is left comes to the end, and what it took is told.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fltorrent_swarm::{
    ChunkSelection, Deadline, EndCause, Forest, Repair, RoundRules,
    churn::{At, ChurnKind, ChurnPlan},
    simulation::{Access, Lane, PeerFigures, PeerScenario, Scenario, Simulation, TransportModel},
};
use support::{Setup, edges};

const SECOND: Duration = Duration::from_secs(1);
const ROUNDS: u32 = 12;

/// Ten peers with chords, a megabyte each, over 10 Mbit/s; a silent one counts as absent after 3 s.
fn scenario(churn: &[(u32, ChurnPlan)], unit: Option<u32>) -> Scenario {
    wired("chords", Repair::None, churn, unit)
}

fn wired(topology: &str, repair: Repair, churn: &[(u32, ChurnPlan)], unit: Option<u32>) -> Scenario {
    let setup = Setup {
        peers: 10,
        chunks: 10,
        elements: 25_000,
        rounds: ROUNDS,
        goes_on: true,
        repair,
        rules: Some(RoundRules {
            quorum: 10,
            patience: SECOND / 5,
            deadline: Deadline::After(20 * SECOND),
        }),
        ..Setup::default()
    };
    let edges = edges(topology, setup.peers);
    let lane = Lane::new(1.25e6, SECOND / 20);
    let peer = |me: u32| PeerScenario {
        config: fltorrent_swarm::Config {
            lost_after: 3 * SECOND,
            late: churn
                .iter()
                .filter(|(_, due)| due.event == ChurnKind::Join)
                .map(|(peer, _)| *peer)
                .collect(),
            ..setup.config(me, &edges)
        },
        access: Access {
            up: Some(lane),
            down: Some(lane),
            delay: SECOND / 200,
            ..Access::default()
        },
        is_rate_aware: false,
        is_paced: false,
        train: SECOND,
        churn: churn
            .iter()
            .filter(|(peer, _)| *peer == me)
            .map(|(_, due)| *due)
            .collect(),
    };
    Scenario {
        peers: (0..setup.peers).map(peer).collect(),
        transport: TransportModel {
            unit,
            ..TransportModel::default()
        },
        seed: 1,
        order: Vec::new(),
    }
}

fn run(churn: &[(u32, ChurnPlan)], unit: Option<u32>) -> Vec<PeerFigures> {
    run_with(churn, unit, ChunkSelection::RarestFirst)
}

fn run_with(churn: &[(u32, ChurnPlan)], unit: Option<u32>, selection: ChunkSelection) -> Vec<PeerFigures> {
    let mut scenario = scenario(churn, unit);
    let wiring: Arc<[Vec<u32>]> = scenario
        .peers
        .iter()
        .map(|peer| peer.config.neighbours.clone())
        .collect();
    let rates: Vec<Option<f64>> = scenario
        .peers
        .iter()
        .map(|peer| peer.access.up.map(|up| up.rate))
        .collect();
    if selection.has_suppliers() {
        let forest = Arc::new(Forest::new(wiring, &rates, scenario.peers[0].config.layout.chunks()));
        for peer in &mut scenario.peers {
            peer.config.forest = Some(Arc::clone(&forest));
            (peer.is_rate_aware, peer.is_paced) = (true, true);
        }
    }
    let mut simulation = Simulation::new(scenario);
    simulation.run(3600 * SECOND).unwrap();
    simulation.figures()
}

fn due(event: ChurnKind, round: u32, seconds: u32) -> ChurnPlan {
    ChurnPlan {
        event,
        at: At::Round(round),
        lasts: (seconds > 0).then(|| SECOND * seconds),
    }
}

/// Who is missing in a round, as the first peer has it.
fn missing(figures: &[PeerFigures], round: u32) -> Vec<u32> {
    let ends = figures[0].degraded.iter().find(|(of, ..)| *of == round);
    ends.map(|(.., missing)| missing.clone()).unwrap_or_default()
}

#[test]
fn whoever_is_left_comes_to_the_end_in_packets_and_in_units() {
    let churn = [
        (1, due(ChurnKind::Crash, 4, 0)),
        (3, due(ChurnKind::Leave, 5, 0)),
        (5, due(ChurnKind::Pause, 6, 30)),
        (7, due(ChurnKind::Pause, 2, 1)),
        (8, due(ChurnKind::Wedge, 8, 0)),
    ];
    for (unit, selection) in [
        (None, ChunkSelection::RarestFirst),
        (Some(10_000), ChunkSelection::RarestFirst),
        (None, ChunkSelection::Supplier),
    ] {
        let figures = run_with(&churn, unit, selection);
        let lost: BTreeSet<usize> = (0..10).filter(|&peer| figures[peer].ended_early.is_some()).collect();
        assert!(lost.is_superset(&BTreeSet::from([1, 3])), "{unit:?}: {lost:?}");
        assert!(lost.is_subset(&BTreeSet::from([1, 3, 5])), "{unit:?}: {lost:?}");
        for (peer, it) in figures.iter().enumerate() {
            let happened: Vec<_> = it
                .churn
                .iter()
                .map(|&(what, round, _)| (peer as u32, what, round))
                .collect();
            let planned = churn.iter().filter(|(of, _)| *of == peer as u32);
            let planned: Vec<_> = planned
                .map(|&(of, due)| match due.at {
                    At::Round(round) => (of, due.event, round),
                    At::After(_) => panic!("all have rounds"),
                })
                .collect();
            assert_eq!(happened, planned);
            if !lost.contains(&peer) {
                assert_eq!(it.rounds.last().unwrap().round, ROUNDS - 1, "{unit:?}: {peer}");
            }
            assert_eq!(it.stats.corrupt, 0);
        }
        assert_eq!(missing(&figures, 3), [0; 0], "{unit:?}");
        assert_eq!(missing(&figures, 4), [1], "{unit:?}");
        assert_eq!(missing(&figures, 5), [1, 3], "{unit:?}");
        assert!(missing(&figures, 6).contains(&5), "{unit:?}");
        assert!(missing(&figures, ROUNDS - 1).contains(&8), "{unit:?}");
        // Of one that says goodbye the others know at once, of one that dies when it is silent, and of one that hangs by the deadline.
        let seconds = |round: usize| {
            let rounds = &figures[0].rounds;
            (rounds[round].completed - rounds[round - 1].completed).as_secs_f64()
        };
        // Some still lack chunks of round 3 when the one dies that gives them, and it may have been silent since before they completed round 2.
        let silence = seconds(3) + seconds(4);
        assert!((4.9..8.5).contains(&silence), "{unit:?}: {silence}");
        // Suppliers behind a peer that has gone are waited for a little.
        let soon = if selection.has_suppliers() { 5.0 } else { 3.5 };
        assert!(seconds(5) < soon, "{unit:?}: {}", seconds(5));
        assert!(seconds(8) >= 19.0, "{unit:?}: {}", seconds(8));
        assert_eq!(
            figures[0].degraded.iter().find(|it| it.0 == 8).unwrap().1,
            EndCause::Deadline
        );
    }
}

#[test]
fn nobody_waits_for_a_training_that_hangs() {
    let churn = [(8, due(ChurnKind::Wedge, 4, 8)), (3, due(ChurnKind::Wedge, 9, 0))];
    for unit in [None, Some(10_000)] {
        let mut scenario = scenario(&churn, unit);
        for peer in &mut scenario.peers {
            peer.config.round_rules.deadline = Deadline::None;
            peer.config.progress_lease = Deadline::After(4 * SECOND);
        }
        let mut simulation = Simulation::new(scenario);
        simulation.run(3600 * SECOND).unwrap();
        let figures = simulation.figures();
        assert!(figures[..3].iter().all(|peer| peer.ended_early.is_none()), "{unit:?}");
        assert_eq!(missing(&figures, 3), [0; 0], "{unit:?}");
        assert_eq!(missing(&figures, 4), [8], "{unit:?}");
        assert_eq!(missing(&figures, 8), [0; 0], "{unit:?}");
        assert_eq!(missing(&figures, 9), [3], "{unit:?}");
        assert_eq!(missing(&figures, ROUNDS - 1), [3], "{unit:?}");
        // The lease and patience pass once, not in each round.
        let seconds = |round: usize| {
            let rounds = &figures[0].rounds;
            (rounds[round].completed - rounds[round - 1].completed).as_secs_f64()
        };
        for (hangs, next) in [(4, 5), (9, 10)] {
            // The lease begins when it last made progress, a moment before the first peer has closed the round before.
            assert!((3.8..6.0).contains(&seconds(hangs)), "{unit:?}: {}", seconds(hangs));
            assert!(seconds(next) < seconds(2) + 0.5, "{unit:?}: {}", seconds(next));
        }
    }
}

#[test]
fn whoever_stood_still_takes_part_again() {
    let figures = run(&[(5, due(ChurnKind::Pause, 2, 15))], None);
    assert!(figures.iter().all(|peer| peer.ended_early.is_none()));
    assert!(missing(&figures, 2).contains(&5));
    assert_eq!(missing(&figures, ROUNDS - 1), [0; 0]);
    assert_eq!(figures[5].rounds.last().unwrap().round, ROUNDS - 1);
    assert!(figures[5].rounds.len() < ROUNDS as usize);
}

/// What has happened to a peer, and in which rounds.
fn happened(figures: &[PeerFigures], peer: usize) -> Vec<(ChurnKind, u32)> {
    let churn = figures[peer].churn.iter();
    churn.map(|&(what, round, _)| (what, round)).collect()
}

#[test]
fn whoever_is_started_anew_or_later_takes_part() {
    let churn = [
        (2, due(ChurnKind::Restart, 3, 0)),
        (2, due(ChurnKind::Pause, 5, 1)),
        (2, due(ChurnKind::Restart, 8, 0)),
        (5, due(ChurnKind::Restart, 6, 12)),
        (7, due(ChurnKind::Join, 3, 0)),
    ];
    for unit in [None, Some(10_000)] {
        let figures = run(&churn, unit);
        for (peer, it) in figures.iter().enumerate() {
            assert_eq!(it.ended_early, None, "{unit:?}: {peer}");
            assert_eq!(it.rounds.last().unwrap().round, ROUNDS - 1, "{unit:?}: {peer}");
            assert_eq!(it.stats.corrupt, 0);
        }
        let restarted = [(ChurnKind::Restart, 3), (ChurnKind::Pause, 5), (ChurnKind::Restart, 8)];
        assert_eq!(happened(&figures, 2), restarted, "{unit:?}");
        assert_eq!(happened(&figures, 5), [(ChurnKind::Restart, 6)], "{unit:?}");
        let [(ChurnKind::Join, 3 | 4)] = happened(&figures, 7)[..] else {
            panic!("{unit:?}: {:?}", happened(&figures, 7));
        };
        assert!((0..3).all(|round| missing(&figures, round) == [7]), "{unit:?}");
        assert!((5..6).all(|round| missing(&figures, round) == [0; 0]), "{unit:?}");
        assert!(missing(&figures, 6).contains(&5), "{unit:?}");
        assert_eq!(missing(&figures, ROUNDS - 1), [0; 0], "{unit:?}");
    }
}

#[test]
fn whoever_joins_at_a_time_does_so_and_its_clock_begins_with_the_run() {
    let after = |event, seconds: u32| ChurnPlan {
        event,
        at: At::After(SECOND * seconds),
        lasts: event.may_last().then_some(SECOND),
    };
    let churn = [(4, after(ChurnKind::Join, 6)), (4, after(ChurnKind::Pause, 20))];
    let figures = run(&churn, None);
    let times: Vec<u64> = figures[4].churn.iter().map(|(.., at)| at.as_secs()).collect();
    // Its clock stands still until its training begins.
    assert!(matches!(times[..], [6..=12, 20..=26]), "{times:?}");
    assert_eq!(missing(&figures, 0), [4]);
    assert_eq!(missing(&figures, ROUNDS - 1), [0; 0]);
    // By then the others have finished.
    let figures = run(&[(4, after(ChurnKind::Join, 3000))], None);
    let (why, at) = figures[4].ended_early.clone().unwrap();
    assert_eq!(why, "the others had finished before it was started");
    assert!(at < 100 * SECOND && figures[4].rounds.is_empty());
}

#[test]
fn whoever_would_join_with_a_round_that_nobody_is_left_to_begin_is_lost() {
    let crashes = (0..9).map(|peer| (peer, due(ChurnKind::Crash, 2, 0)));
    let churn: Vec<(u32, ChurnPlan)> = crashes.chain([(9, due(ChurnKind::Join, 5, 0))]).collect();
    let figures = run(&churn, None);
    let (why, at) = figures[9].ended_early.clone().unwrap();
    assert_eq!(why, "nobody was left to begin a round");
    assert!(
        figures[..9]
            .iter()
            .all(|peer| peer.ended_early.as_ref().unwrap().1 <= at)
    );
}

#[test]
fn a_star_without_its_hub_is_wired_anew() {
    let churn = [(0, due(ChurnKind::Crash, 3, 0))];
    let mut simulation = Simulation::new(wired("star", Repair::Ring, &churn, None));
    simulation.run(3600 * SECOND).unwrap();
    let figures = simulation.figures();
    assert!(figures[0].ended_early.is_some());
    for peer in &figures[1..] {
        assert_eq!(
            (&peer.ended_early, peer.rounds.last().unwrap().round),
            (&None, ROUNDS - 1)
        );
    }
}

#[test]
fn the_same_scenario_is_the_same_run_and_quiet_without_events() {
    let churn = [(2, due(ChurnKind::Pause, 1, 5)), (4, due(ChurnKind::Crash, 3, 0))];
    assert_eq!(run(&churn, None), run(&churn, None));
    let quiet = run(&[], None);
    assert!(
        quiet
            .iter()
            .all(|peer| peer.degraded.is_empty() && peer.churn.is_empty())
    );
}

#[test]
fn events_at_times_come_when_they_are_due() {
    let after = |event, seconds: u32| ChurnPlan {
        event,
        at: At::After(SECOND * seconds),
        lasts: Some(SECOND),
    };
    let figures = run(
        &[(2, after(ChurnKind::Pause, 4)), (2, after(ChurnKind::Pause, 7))],
        None,
    );
    let times: Vec<u64> = figures[2].churn.iter().map(|(.., at)| at.as_secs()).collect();
    assert_eq!(times, [4, 7]);
    assert!(figures[2].degraded.is_empty(), "a second is less than silence takes");
}
