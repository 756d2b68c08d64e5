//! The time cases of `fltorrent-bench exchange` in virtual time: a laboratory for the rules of the swarm.
//!
//! `cargo run --release -p fltorrent-swarm --example exchange [CASE…]` prints each case's time ÷ bound, seconds a round, wire
//! bytes ÷ payload, and what the last peer of each round waited for. It takes a second a case.
#![allow(clippy::expect_used, reason = "an example on fixed input")]

use std::time::{Duration, Instant};

use fltorrent_swarm::{
    ChunkLayout, Config,
    simulation::{Access, Lane, PeerScenario, Scenario, Simulation, TransportModel},
    test_utils,
};

struct Case {
    name: &'static str,
    edges: Vec<(u32, u32)>,
    update: u64,
    /// Bytes a second up and down.
    links: Vec<(f64, f64)>,
    /// Seconds.
    bound: f64,
    way: Option<Way>,
}

/// A way that the peers' processes emulate, and go by its declared rate.
#[derive(Clone, Copy)]
struct Way {
    delay: Duration,
    loss: f64,
}

const MEGABIT: f64 = 125_000.0;
const QUEUE: Duration = Duration::from_millis(50);
const ROUNDS: u32 = 4;

fn cases() -> Vec<Case> {
    let ring = |n: u32| (0..n).map(|at| (at, (at + 1) % n)).collect::<Vec<_>>();
    let mesh: Vec<_> = (0..8).flat_map(|a| (a + 1..8).map(move |b| (a, b))).collect();
    let tens = |n| vec![(10.0 * MEGABIT, 10.0 * MEGABIT); n];
    let mut unequal = vec![(20.0 * MEGABIT, 20.0 * MEGABIT); 6];
    unequal.extend([(5.0 * MEGABIT, 20.0 * MEGABIT); 2]);
    let far = Way {
        delay: Duration::from_millis(50),
        loss: 0.0,
    };
    let lossy = Way {
        delay: Duration::from_millis(5),
        loss: 0.01,
    };
    // Two rings, the second one through every fifth peer: 4-regular and not far from random.
    let mut regular = ring(16);
    regular.extend((0..16).map(|at| (at, (at + 5) % 16)));
    let all = vec![
        Case {
            name: "mesh",
            edges: mesh.clone(),
            update: 2_500_000,
            links: tens(8),
            bound: 14.0,
            way: None,
        },
        Case {
            name: "ring",
            edges: ring(8),
            update: 1_000_000,
            links: tens(8),
            bound: 5.6,
            way: None,
        },
        Case {
            name: "star",
            edges: (1..8).map(|leaf| (0, leaf)).collect(),
            update: 1_000_000,
            links: tens(8),
            bound: 39.2,
            way: None,
        },
        Case {
            name: "tree",
            edges: (1..8).map(|child| ((child - 1) / 2, child)).collect(),
            update: 1_000_000,
            links: tens(8),
            bound: 13.6,
            way: None,
        },
        Case {
            name: "unequal",
            edges: mesh,
            update: 2_500_000,
            links: unequal,
            bound: 8.615,
            way: None,
        },
        Case {
            name: "regular",
            edges: regular,
            update: 1_000_000,
            links: tens(16),
            bound: 12.0,
            way: None,
        },
    ];
    let over = |name, at: usize, way| Case {
        name,
        way: Some(way),
        edges: all[at].edges.clone(),
        links: all[at].links.clone(),
        ..all[at]
    };
    let emulated = [
        over("mesh-far", 0, far),
        over("ring-far", 1, far),
        over("mesh-lossy", 0, lossy),
        over("ring-lossy", 1, lossy),
    ];
    all.into_iter().chain(emulated).collect()
}

fn config(case: &Case, me: u32, seed: u64) -> Config {
    let peers = case.links.len() as u32;
    let mut neighbours: Vec<u32> = case
        .edges
        .iter()
        .filter_map(|&(a, b)| if a == me { Some(b) } else { (b == me).then_some(a) })
        .collect();
    neighbours.sort_unstable();
    let chunks = case.update.div_ceil(32 * 1024).clamp(10, 40) as u32;
    let layout = ChunkLayout::new(case.update / 4, chunks).expect("a layout");
    Config {
        rounds: ROUNDS,
        upload_slots: 32,
        seed: seed.wrapping_mul(1_000_003) + u64::from(me),
        ..test_utils::config(me, peers, neighbours, layout)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("case       seed  ÷ bound  s a round   wire  control  duplicates  lost  nothing  choked   CPU s");
    for case in cases() {
        if !arguments.is_empty() && !arguments.iter().any(|name| name == case.name) {
            continue;
        }
        for seed in 1..=5 {
            run(&case, seed);
        }
    }
}

fn run(case: &Case, seed: u64) {
    let peers = case.links.len() as u32;
    let scenario = Scenario {
        peers: (0..peers)
            .map(|me| PeerScenario {
                config: config(case, me, seed),
                access: Access {
                    up: Some(Lane::new(case.links[me as usize].0, QUEUE)),
                    down: Some(Lane::new(case.links[me as usize].1, QUEUE)),
                    delay: case.way.map_or(Duration::ZERO, |way| way.delay),
                    loss: case.way.map_or(0.0, |way| way.loss),
                    ..Access::default()
                },
                is_rate_aware: case.way.is_some(),
                is_paced: false,
                train: Duration::ZERO,

                churn: Vec::new(),
            })
            .collect(),
        transport: match case.way {
            None => TransportModel::default(),
            Some(_) => TransportModel::emulated(),
        },
        seed,
        order: Vec::new(),
    };
    let began = Instant::now();
    let mut simulation = Simulation::new(scenario);
    if let Err(error) = simulation.run(Duration::from_secs(100_000)) {
        println!("{:<10} {error}", case.name);
        return;
    }
    let figures = simulation.figures();
    let first = figures.iter().map(|peer| peer.rounds[0].published).max();
    let last = figures
        .iter()
        .map(|peer| peer.rounds[ROUNDS as usize - 1].completed)
        .max();
    let seconds = (last.unwrap_or_default() - first.unwrap_or_default()).as_secs_f64() / f64::from(ROUNDS);
    let payload = f64::from(peers * (peers - 1) * ROUNDS) * case.update as f64;
    let sum = |what: fn(&fltorrent_swarm::simulation::PeerFigures) -> u64| figures.iter().map(what).sum::<u64>() as f64;
    // The last peer of the last round.
    let slowest = figures
        .iter()
        .map(|peer| peer.rounds[ROUNDS as usize - 1])
        .max_by_key(|round| round.completed)
        .expect("peers");
    let lasted = (slowest.completed - slowest.published).as_secs_f64();
    let ratio = seconds / case.bound;
    println!(
        "{:<10} {seed:>4} {ratio:>8.3} {seconds:>10.3} {:>6.3} {:>7.2}% {:>10.2}% {:>5} {:>7.0}% {:>6.0}% {:>7.2}",
        case.name,
        sum(|peer| peer.sent) / payload,
        100.0 * sum(|peer| peer.control) / payload,
        100.0 * sum(|peer| peer.stats.duplicate) / payload,
        sum(|peer| peer.lost),
        100.0 * slowest.nothing.as_secs_f64() / lasted,
        100.0 * slowest.choked.as_secs_f64() / lasted,
        began.elapsed().as_secs_f64(),
    );
}
