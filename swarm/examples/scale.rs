//! What a simulation costs: one round of ten chunks a peer on a random 10-regular graph.
//!
//! `cargo run --release -p fltorrent-swarm --example scale PEERS[/CHUNKS[/UNITS[/COHORT]]]…` prints seconds, memory and the
//! round's time; a chunk travels in so many units (1 without it), 0: in packets; so many peers' updates travel as one.
#![allow(clippy::expect_used, reason = "an example on fixed input")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fltorrent_swarm::{
    ChunkLayout, Config, Forest,
    simulation::{Access, Lane, PeerScenario, Scenario, Simulation, TransportModel},
    test_utils::config,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const DEGREE: u32 = 10;
const CHUNKS: u32 = 10;
/// Parameters: chunks of 40 kB.
const ELEMENTS: u64 = 100_000;
/// 100 Mbit/s.
const RATE: f64 = 12.5e6;

fn main() {
    println!("peers  deliveries    events  CPU s  µs/delivery  peak MiB  round s  ÷ bound  control");
    for argument in std::env::args().skip(1) {
        let mut numbers = argument.split('/').map(|text| text.parse().expect("a number"));
        let peers = numbers.next().expect("a number of peers");
        let chunks = numbers.next().unwrap_or(CHUNKS);
        let parts = numbers.next().unwrap_or(1);
        let cohort = numbers.next().unwrap_or(1);
        run(peers, chunks, (parts > 0).then_some(parts), cohort);
    }
}

/// Five random rings over each other, without double edges: 10-regular.
fn edges(peers: u32) -> BTreeSet<(u32, u32)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut edges = BTreeSet::new();
    while edges.len() < (peers * DEGREE / 2) as usize {
        let mut order: Vec<u32> = (0..peers).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, rng.next_u64() as usize % (last + 1));
        }
        let ring = (0..order.len()).map(|at| {
            let (a, b) = (order[at], order[(at + 1) % order.len()]);
            (a.min(b), a.max(b))
        });
        edges.extend(ring);
    }
    edges
}

fn run(peers: u32, chunks: u32, unit: Option<u32>, cohort: u32) {
    let mut neighbours = vec![Vec::new(); peers as usize];
    for (a, b) in edges(peers) {
        neighbours[a as usize].push(b);
        neighbours[b as usize].push(a);
    }
    let layout = ChunkLayout::new(ELEMENTS, chunks).expect("a layout");
    let lane = Lane::new(RATE, Duration::from_millis(50));
    let began = cpu_seconds();
    neighbours.iter_mut().for_each(|of| of.sort_unstable());
    // A cohort's update has no supplier.
    let forest = (cohort == 1).then(|| {
        let unknown = vec![None; peers as usize];
        Arc::new(Forest::new(neighbours.clone().into(), &unknown, chunks))
    });
    let peer = |(me, neighbours): (u32, Vec<u32>)| PeerScenario {
        config: Config {
            upload_slots: 32,
            seed: u64::from(me) * 1_000_003,
            forest: forest.clone(),
            ..config(me, peers, neighbours, layout)
        },
        access: Access {
            up: Some(lane),
            down: Some(lane),
            delay: Duration::from_millis(5),
            ..Access::default()
        },
        is_rate_aware: false,
        is_paced: false,
        train: Duration::ZERO,

        churn: Vec::new(),
    };
    let scenario = Scenario {
        peers: (0..).zip(neighbours).map(peer).collect(),
        transport: TransportModel {
            unit: unit.map(|parts| layout.longest().div_ceil(parts)),
            ..TransportModel::default()
        },
        seed: 1,
        order: Vec::new(),
    };
    let scenario = scenario.in_cohorts(cohort).expect("cohorts");
    let mut simulation = Simulation::new(scenario);
    simulation.run(Duration::from_secs(1_000_000)).expect("a run");
    let seconds = cpu_seconds() - began;
    let figures = simulation.figures();
    let last = figures.iter().map(|peer| peer.rounds[0].completed).max();
    let round = last.unwrap_or_default().as_secs_f64();
    let bound = f64::from(peers - 1) * ELEMENTS as f64 * 4.0 / RATE;
    let control: u64 = figures.iter().map(|peer| peer.control).sum();
    let payload: u64 = figures.iter().map(|peer| peer.stats.payload_received).sum();
    let deliveries = payload / u64::from(layout.longest() * cohort);
    println!(
        "{peers:>5} {deliveries:>11} {:>9} {seconds:>6.1} {:>12.2} {:>9} {round:>8.2} {:>8.3} {:>7.2}%",
        simulation.steps(),
        seconds * 1e6 / deliveries as f64,
        peak_memory() >> 20,
        round / bound,
        100.0 * control as f64 / payload as f64,
    );
}

/// Seconds that this process has computed, by proc(5): ticks of a hundredth.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Bytes that this process had in memory at most, by proc(5).
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}
