//! Networks for the tests: topologies, configurations, and what every run has to fulfil.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part; these are tests"
)]

pub(crate) mod interaction;

use std::{sync::Arc, time::Duration};

use fltorrent_swarm::{
    ChokePolicyKind, ChunkLayout, ChunkSelection, Config, EarlyStop, Forest, OnPeerLoss, Repair, RoundRules, Time,
    simulation::{LinkProfile, Network, NetworkConfig},
    test_utils::{Outcome, Solo, config},
};

/// Edges of named topologies.
pub(crate) fn edges(topology: &str, peers: u32) -> Vec<(u32, u32)> {
    match topology {
        "star" => (1..peers).map(|leaf| (0, leaf)).collect(),
        "ring" if peers > 2 => (0..peers).map(|at| (at, (at + 1) % peers)).collect(),
        "ring" | "line" => (1..peers).map(|at| (at - 1, at)).collect(),
        "mesh" => (0..peers).flat_map(|a| (a + 1..peers).map(move |b| (a, b))).collect(),
        "tree" => (1..peers).map(|child| ((child - 1) / 2, child)).collect(),
        // A ring with chords: connected, of degree about four.
        "chords" => {
            let mut edges = edges("ring", peers);
            let chords = (0..peers)
                .map(|at| (at, (at + peers / 3 + 1) % peers))
                .filter(|(a, b)| a != b);
            edges.extend(chords);
            edges
                .iter_mut()
                .for_each(|edge| *edge = (edge.0.min(edge.1), edge.0.max(edge.1)));
            edges.sort_unstable();
            edges.dedup();
            edges
        }
        other => panic!("no topology {other}"),
    }
}

fn neighbours_of(peer: u32, edges: &[(u32, u32)]) -> Vec<u32> {
    let other = |&(a, b): &(u32, u32)| if a == peer { Some(b) } else { (b == peer).then_some(a) };
    let mut neighbours: Vec<u32> = edges.iter().filter_map(other).collect();
    neighbours.sort_unstable();
    neighbours
}

/// A connected graph: a random spanning tree and some more edges, all drawn from `choices`.
pub(crate) fn random_edges(peers: u32, choices: &[u32]) -> Vec<(u32, u32)> {
    let mut choices = choices.iter().copied();
    let mut edges: Vec<(u32, u32)> = (1..peers)
        .map(|child| (choices.next().unwrap_or(0) % child, child))
        .collect();
    while let (Some(a), Some(b)) = (choices.next(), choices.next()) {
        let (a, b) = (a % peers, b % peers);
        if a != b {
            edges.push((a.min(b), a.max(b)));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// A connected graph of degree four or a little less: two rings, the second one through a shuffled order.
pub(crate) fn random_degree_four(peers: u32, seed: u64) -> Vec<(u32, u32)> {
    let mut order: Vec<u32> = (0..peers).collect();
    let mut state = seed;
    for at in (1..order.len()).rev() {
        // Knuth's linear congruential generator is random enough for a test's graph.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    let shuffled = edges("ring", peers)
        .into_iter()
        .map(|(a, b)| (order[a as usize], order[b as usize]));
    let mut edges: Vec<(u32, u32)> = edges("ring", peers)
        .into_iter()
        .chain(shuffled)
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

pub(crate) struct Setup {
    pub(crate) peers: u32,
    pub(crate) chunks: u32,
    pub(crate) elements: u64,
    pub(crate) rounds: u32,
    pub(crate) first_round: u32,
    pub(crate) early_stop: Option<EarlyStop>,
    pub(crate) slots: u32,
    pub(crate) seed: u64,
    pub(crate) choke_policy: ChokePolicyKind,
    pub(crate) selection: ChunkSelection,
    pub(crate) link: LinkProfile,
    pub(crate) train: Duration,
    /// A lost peer does not end the run.
    pub(crate) goes_on: bool,
    pub(crate) rules: Option<RoundRules>,
    pub(crate) repair: Repair,
    /// Peers that join later, ascending.
    pub(crate) late: Vec<u32>,
    /// Peers that have to take part; none: more than half.
    pub(crate) min_peers: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            peers: 8,
            chunks: 6,
            elements: 600,
            rounds: 2,
            first_round: 0,
            early_stop: None,
            slots: 4,
            seed: 1,
            choke_policy: ChokePolicyKind::default(),
            selection: ChunkSelection::RarestFirst,
            link: LinkProfile {
                rate: 100_000.0,
                delay: Duration::from_millis(5),
            },
            train: Duration::from_millis(20),
            goes_on: false,
            rules: None,
            repair: Repair::None,
            late: Vec::new(),
            min_peers: None,
        }
    }
}

impl Setup {
    pub(crate) fn config(&self, me: u32, edges: &[(u32, u32)]) -> Config {
        let neighbours = neighbours_of(me, edges);
        let layout = ChunkLayout::new(self.elements, self.chunks).unwrap();
        let wiring = || (0..self.peers).map(|peer| neighbours_of(peer, edges)).collect();
        let forest = || Arc::new(Forest::new(wiring(), &vec![None; self.peers as usize], self.chunks));
        let mut config = Config {
            forest: self.selection.has_suppliers().then(forest),
            rounds: self.rounds,
            early_stop: self.early_stop,
            upload_slots: self.slots,
            choke_policy: self.choke_policy,
            selection: self.selection,
            seed: self.seed.wrapping_mul(1_000_003) + u64::from(me),
            ..config(me, self.peers, neighbours, layout)
        };
        config.hello.first_round = self.first_round;
        config.hello.round = self.first_round;
        if self.goes_on {
            config.on_peer_loss = OnPeerLoss::Continue;
            config.repair = self.repair;
            config.late = self.late.clone().into();
            config.common_seed = self.seed;
            config.topology = (0..self.peers).map(|peer| neighbours_of(peer, edges)).collect();
        }
        config.round_rules = self.rules.unwrap_or(config.round_rules);
        config.min_peers = self.min_peers.unwrap_or(config.min_peers);
        config
    }

    /// Peer 0, alone.
    pub(crate) fn bench(&self, topology: &str) -> Solo {
        Solo::of(self.config(0, &edges(topology, self.peers)))
    }

    pub(crate) fn network(&self, topology: &str) -> Network {
        self.network_of(&edges(topology, self.peers))
    }

    pub(crate) fn network_of(&self, edges: &[(u32, u32)]) -> Network {
        // Peers do not train equally fast.
        self.network_whose(edges, |me| self.train * (1 + me % 3))
    }

    /// Each node trains so long.
    pub(crate) fn network_whose(&self, edges: &[(u32, u32)], train: impl Fn(u32) -> Duration) -> Network {
        Network::new(NetworkConfig {
            nodes: (0..self.peers).map(|me| self.config(me, edges)).collect(),
            link: self.link,
            train_times: (0..self.peers).map(train).collect(),
            reconnect: Duration::from_millis(200),
        })
    }

    /// Everybody has left, and holds the same bits in every round.
    pub(crate) fn assert_complete(&self, network: &Network) {
        for node in 0..self.peers {
            assert_eq!(
                network.outcome(node),
                &Outcome::Left,
                "peer {node}: {:?}",
                network.progress(node)
            );
            assert_eq!(network.digests(node).len(), (self.rounds - self.first_round) as usize);
            assert_eq!(
                network.digests(node),
                network.digests(0),
                "peer {node} differs from peer 0"
            );
            let received: u64 = network.received_from(node).map(|(_, bytes)| bytes).sum();
            assert_eq!(received, network.stats(node).payload_received);
        }
    }
}

/// Far more virtual time than any of the tests needs.
pub(crate) const LONG: Time = Duration::from_secs(3600);
