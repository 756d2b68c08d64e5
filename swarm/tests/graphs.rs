//! Exchanges by suppliers on random graphs with unequal uplinks, in virtual time, beside a time that no exchange beats.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{sync::Arc, time::Duration};

use fltorrent_swarm::{
    ChunkLayout, Config, Forest, Graph, Trees,
    simulation::{Access, Lane, PeerScenario, Scenario, Simulation, TransportModel},
    test_utils::config,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

const MEGABIT: f64 = 125_000.0;
const UPDATE: u64 = 1_000_000;
const CHUNKS: u32 = 31;
const ROUNDS: u32 = 3;
/// Bytes a second of each downlink.
const DOWN: f64 = 20.0 * MEGABIT;

/// A connected graph of 6 to 24 peers with uplinks of 2 to 20 Mbit/s.
struct Case {
    wiring: Arc<[Vec<u32>]>,
    /// Bytes a second.
    up: Vec<f64>,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |below: u32| draws.next_u32() % below;
        let peers = 6 + draw(19);
        let mut edges: Vec<(u32, u32)> = (1..peers).map(|peer| (draw(peer), peer)).collect();
        for _ in 0..draw(2 * peers) {
            let (a, b) = (draw(peers), draw(peers));
            if a != b {
                edges.push((a.min(b), a.max(b)));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let mut wiring = vec![Vec::new(); peers as usize];
        for (a, b) in edges {
            wiring[a as usize].push(b);
            wiring[b as usize].push(a);
        }
        wiring.iter_mut().for_each(|of| of.sort_unstable());
        let rate = |_| 2.0 * MEGABIT * 10_f64.powf(f64::from(draw(1000)) / 1000.0);
        Self {
            up: (0..peers).map(rate).collect(),
            wiring: wiring.into(),
        }
    }

    fn peers(&self) -> u32 {
        self.up.len() as u32
    }

    /// Seconds that no exchange beats.
    fn bound(&self) -> f64 {
        let update = UPDATE as f64;
        let others = f64::from(self.peers() - 1) * update;
        let downlink = |of: &Vec<u32>| {
            let neighbours: f64 = of.iter().map(|&peer| self.up[peer as usize]).sum();
            others / neighbours.min(DOWN)
        };
        let uplinks = Trees::bound(&self.wiring, &self.up).unwrap() * update;
        self.wiring.iter().map(downlink).fold(uplinks, f64::max)
    }

    /// Where rates are not declared, hosts' queues show them, and trees take all for equal until peers have said so.
    fn scenario(&self, is_declared: bool) -> Scenario {
        let rates: Vec<Option<f64>> = self.up.iter().map(|&rate| is_declared.then_some(rate)).collect();
        let forest = Arc::new(Forest::new(Arc::clone(&self.wiring), &rates, CHUNKS));
        let layout = ChunkLayout::new(UPDATE / 4, CHUNKS).unwrap();
        let queue = Duration::from_millis(50);
        let peer = |me: u32| PeerScenario {
            config: Config {
                rounds: ROUNDS,
                upload_slots: 32,
                forest: Some(Arc::clone(&forest)),
                ..config(me, self.peers(), self.wiring[me as usize].clone(), layout)
            },
            access: Access {
                up: Some(Lane::new(self.up[me as usize], queue)),
                down: Some(Lane::new(DOWN, queue)),
                delay: Duration::from_millis(2),
                ..Access::default()
            },
            is_rate_aware: is_declared,
            is_paced: true,
            train: Duration::ZERO,
            churn: Vec::new(),
        };
        Scenario {
            peers: (0..self.peers()).map(peer).collect(),
            transport: TransportModel::default(),
            seed: 1,
            order: Vec::new(),
        }
    }

    /// The time of a round ÷ the bound.
    fn ratio(&self, is_declared: bool) -> f64 {
        let mut simulation = Simulation::new(self.scenario(is_declared));
        simulation.run(Duration::from_secs(100_000)).unwrap();
        let figures = simulation.figures();
        let began = figures.iter().map(|peer| peer.rounds[0].published).max().unwrap();
        let ended = figures
            .iter()
            .map(|peer| peer.rounds.last().unwrap().completed)
            .max()
            .unwrap();
        (ended - began).as_secs_f64() / f64::from(ROUNDS) / self.bound()
    }
}

/// The median of so many graphs and the worst one.
fn ratios(graphs: u64, is_declared: bool) -> (f64, (f64, u64)) {
    let ratio = |seed| (Case::random(seed).ratio(is_declared), seed);
    let mut ratios: Vec<(f64, u64)> = (1..=graphs).map(ratio).collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(ratios[0].0 >= 1.0, "faster than possible: {:?}", ratios[0]);
    let (median, worst) = (ratios[ratios.len() / 2].0, ratios[ratios.len() - 1]);
    println!("median {median:.3}, worst {worst:?}");
    (median, worst)
}

#[test]
fn random_graphs_come_close_to_what_no_exchange_beats() {
    let (median, worst) = ratios(50, true);
    assert!(median <= 1.09, "median {median:.3}");
    assert!(worst.0 <= 1.25, "{worst:?}");
}

#[test]
fn those_whose_rates_nobody_declares_do_so_too() {
    let (median, worst) = ratios(25, false);
    assert!(median <= 1.09, "median {median:.3}");
    assert!(worst.0 <= 1.25, "{worst:?}");
}

#[test]
fn trees_take_little_longer_than_the_bound_and_are_the_same_each_time() {
    for seed in 1..=50 {
        let case = Case::random(seed);
        let members: Vec<u32> = (0..case.peers()).collect();
        let graph = Graph::new(&case.wiring, &case.up, &members).unwrap();
        let trees = Trees::new(graph, CHUNKS).unwrap();
        let bound = Trees::bound(&case.wiring, &case.up).unwrap();
        let ratio = trees.load() / bound;
        assert!((0.999..1.1).contains(&ratio), "{seed}: {ratio}");
        assert_eq!(
            format!("{trees:?}"),
            format!("{:?}", Trees::new(graph, CHUNKS).unwrap())
        );
    }
}

#[test]
fn graphs_in_parts_and_rates_that_are_none_have_no_trees() {
    let apart = vec![vec![1], vec![0], vec![3], vec![2]];
    let all = [0, 1, 2, 3];
    let rates = [1.0; 4];
    let trees =
        |wiring: &[Vec<u32>], rates: &[f64], members: &[u32]| Trees::new(Graph::new(wiring, rates, members)?, 3);
    assert!(trees(&apart, &rates, &all).is_none());
    assert!(Trees::bound(&apart, &rates).is_none());
    assert!(
        trees(&apart, &rates, &[2, 3]).is_some(),
        "those who take part hang together"
    );
    assert!(trees(&apart, &rates, &[0]).is_none());
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(trees(&apart, &[1.0, wrong, 1.0, 1.0], &[0, 1]).is_none(), "{wrong}");
    }
}
