//! Random scripts: whatever happens to links and pieces, every peer ends every round with the same bits.

mod support;

use std::time::Duration;

use fltorrent_swarm::{
    Bitfield, ChokePolicyKind, ChunkId, ChunkSelection, Message,
    simulation::{LinkProfile, Network},
    test_utils::{Outcome, origin_metainfo, sign},
};
use proptest::{collection::vec, prelude::*};
use support::{Setup, random_edges};

/// What a script does; edges are named by their position in the list of edges, modulo its length.
#[derive(Clone, Debug)]
enum Step {
    /// Lets so many events happen.
    Drive(u16),
    /// Lets so many milliseconds pass.
    Advance(u16),
    /// Changes an edge's delay, milliseconds.
    Delay(usize, u16),
    /// Changes one direction's rate, bytes a second.
    Rate(usize, bool, u32),
    /// Cuts a connection, which comes back.
    Disconnect(usize),
    /// Damages the next piece.
    Corrupt(usize, bool),
    /// Requests of one direction are not answered for so many milliseconds; then the connection is cut.
    Mute(usize, bool, u16),
    /// A message that the sender did not make arrives; then the connection is cut.
    Lie(usize, bool, Lie),
}

/// A message that is well formed and not true.
#[derive(Clone, Debug)]
enum Lie {
    Choke(u32),
    Unchoke,
    Interest(bool),
    Have(u32, Vec<u32>),
    Bitfield(u32, Vec<u32>),
    Request(u32, u32, u32),
    Cancel(u32),
    Metainfo(u32, u32, u64),
    Complete(u32),
    Hello,
}

fn lie() -> impl Strategy<Value = Lie> {
    let small = 0..6u32;
    prop_oneof![
        small.clone().prop_map(Lie::Choke),
        Just(Lie::Unchoke),
        any::<bool>().prop_map(Lie::Interest),
        (small.clone(), vec(any::<u32>(), 0..8)).prop_map(|(round, at)| Lie::Have(round, at)),
        (small.clone(), vec(any::<u32>(), 0..8)).prop_map(|(round, at)| Lie::Bitfield(round, at)),
        (0..300u32, small.clone(), any::<u32>()).prop_map(|(id, r, at)| Lie::Request(id, r, at)),
        (0..50u32).prop_map(Lie::Cancel),
        (small.clone(), any::<u32>(), 1..4u64).prop_map(|(r, o, s)| Lie::Metainfo(r, o, s)),
        // Only of rounds that there are not: a peer that says it needs nothing more of a round gets nothing more.
        (3..6u32).prop_map(Lie::Complete),
        Just(Lie::Hello),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let edge = 0..64usize;
    prop_oneof![
        3 => (1..300u16).prop_map(Step::Drive),
        3 => (1..400u16).prop_map(Step::Advance),
        1 => (edge.clone(), 0..300u16).prop_map(|(e, ms)| Step::Delay(e, ms)),
        1 => (edge.clone(), any::<bool>(), 5_000..1_000_000u32).prop_map(|(e, d, r)| Step::Rate(e, d, r)),
        2 => edge.clone().prop_map(Step::Disconnect),
        2 => (edge.clone(), any::<bool>()).prop_map(|(e, d)| Step::Corrupt(e, d)),
        1 => (edge.clone(), any::<bool>(), 1..3000u16).prop_map(|(e, d, ms)| Step::Mute(e, d, ms)),
        2 => (edge, any::<bool>(), lie()).prop_map(|(e, d, lie)| Step::Lie(e, d, lie)),
    ]
}

#[derive(Clone, Debug)]
struct Script {
    peers: u32,
    choices: Vec<u32>,
    chunks: u32,
    slots: u32,
    seed: u64,
    steps: Vec<Step>,
}

fn script() -> impl Strategy<Value = Script> {
    (2..=12u32).prop_flat_map(|peers| {
        let graph = vec(any::<u32>(), peers as usize..3 * peers as usize);
        (graph, 1..6u32, 1..4u32, any::<u64>(), vec(step(), 0..40)).prop_map(
            move |(choices, chunks, slots, seed, steps)| Script {
                peers,
                choices,
                chunks,
                slots,
                seed,
                steps,
            },
        )
    })
}

fn one_of<T: Copy>(all: &[T], number: u64) -> T {
    all[(number % all.len() as u64) as usize]
}

impl Script {
    fn setup(&self) -> Setup {
        Setup {
            peers: self.peers,
            chunks: self.chunks,
            elements: 200,
            rounds: 3,
            slots: self.slots,
            seed: self.seed,
            selection: one_of(ChunkSelection::ALL, self.seed),
            choke_policy: one_of(ChokePolicyKind::ALL, self.seed / 7),
            ..Setup::default()
        }
    }

    /// Runs the script, then lets the run end, and checks what every run has to fulfil.
    fn play(&self) {
        let setup = self.setup();
        let edges = random_edges(self.peers, &self.choices);
        let mut network = setup.network_of(&edges);
        network.check_always();
        for step in &self.steps {
            self.perform(step, &setup, &edges, &mut network);
        }
        for &(a, b) in &edges {
            network.mute(a, b, false);
            network.mute(b, a, false);
        }
        let (limit, most) = (network.now() + Duration::from_secs(3600), 200_000);
        while !network.is_over() && network.now() < limit && network.steps() < most {
            assert!(network.step(), "nothing happens any more");
        }
        assert!(network.is_over(), "wedged at {:?}", network.now());
        setup.assert_complete(&network);
    }

    fn perform(&self, step: &Step, setup: &Setup, edges: &[(u32, u32)], network: &mut Network) {
        let edge = |at: &usize| edges[at % edges.len()];
        let direction = |at: &usize, back: &bool| {
            let (a, b) = edge(at);
            if *back { (b, a) } else { (a, b) }
        };
        let milliseconds = |time: &u16| Duration::from_millis(u64::from(*time));
        match step {
            Step::Drive(events) => {
                for _ in 0..*events {
                    if network.is_over() || !network.step() {
                        break;
                    }
                }
            }
            Step::Advance(time) => network.run_until(network.now() + milliseconds(time)),
            Step::Delay(at, time) => {
                let (a, b) = edge(at);
                network.set_delay(a, b, milliseconds(time));
            }
            Step::Rate(at, back, rate) => {
                let (from, to) = direction(at, back);
                let profile = LinkProfile {
                    rate: f64::from(*rate),
                    ..setup.link
                };
                network.set_profile(from, to, profile);
            }
            Step::Disconnect(at) => {
                let (a, b) = edge(at);
                network.disconnect(a, b);
            }
            Step::Corrupt(at, back) => {
                let (from, to) = direction(at, back);
                network.corrupt_next(from, to);
            }
            Step::Mute(at, back, time) => {
                let (from, to) = direction(at, back);
                network.mute(from, to, true);
                network.run_until(network.now() + milliseconds(time));
                network.mute(from, to, false);
                network.disconnect(from, to);
            }
            Step::Lie(at, back, lie) => {
                let (from, to) = direction(at, back);
                network.inject(from, to, self.message(lie, setup, from, edges));
                network.run_until(network.now() + Duration::from_millis(50));
                network.disconnect(from, to);
            }
        }
    }

    fn message(&self, lie: &Lie, setup: &Setup, from: u32, edges: &[(u32, u32)]) -> Message {
        let positions = self.peers * self.chunks;
        let config = setup.config(from, edges);
        match lie {
            Lie::Choke(last_started) => Message::Choke {
                last_started: *last_started,
                skipped: (0..*last_started).step_by(2).take(8).collect(),
            },
            Lie::Unchoke => Message::Unchoke,
            Lie::Interest(true) => Message::Interested,
            Lie::Interest(false) => Message::NotInterested,
            Lie::Have(round, set) => {
                let mut positions: Vec<u32> = set.iter().map(|at| at % positions).collect();
                positions.sort_unstable();
                positions.dedup();
                Message::Have {
                    round: *round,
                    positions,
                }
            }
            Lie::Bitfield(round, set) => {
                let mut held = Bitfield::new(positions);
                for at in set {
                    held.insert(at % positions);
                }
                Message::Bitfield { round: *round, held }
            }
            Lie::Request(request, round, at) => Message::Request {
                request: *request,
                chokes: 0,
                chunk: ChunkId {
                    round: *round,
                    origin: at % self.peers,
                    index: (at / self.peers) % self.chunks,
                },
            },
            Lie::Cancel(request) => Message::Cancel { request: *request },
            Lie::Metainfo(round, origin, samples) => {
                // Signed by the liar: it holds only for the liar itself, whose own metainfo it may then be.
                let mut metainfo = origin_metainfo(&config, *round, origin % self.peers);
                metainfo.samples = *samples;
                metainfo.base = [9; 32];
                let signer = if origin % self.peers == from { self.peers } else { from };
                Message::Metainfo(sign(signer, &metainfo))
            }
            Lie::Complete(round) => Message::Complete { round: *round },
            Lie::Hello => Message::Hello(config.hello),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_peer_completes_whatever_happens(script in script()) {
        script.play();
    }
}

#[test]
fn a_slot_waits_for_requests_that_travel_longer_than_before() {
    // Shrunk from a random script: two children whose links become slow share their parent's only slot.
    let setup = Setup {
        peers: 3,
        slots: 1,
        rounds: 3,
        ..Setup::default()
    };
    let mut network = setup.network("star");
    network.run_until(Duration::from_millis(300));
    for leaf in [1, 2] {
        network.set_delay(0, leaf, Duration::from_millis(300));
    }
    assert!(network.run(support::LONG), "the slot moves too fast");
    setup.assert_complete(&network);
}

#[test]
fn cut_at_every_moment_of_the_end() {
    // A ring of three, once for each moment: one connection is cut there and comes back.
    let setup = Setup {
        peers: 3,
        chunks: 2,
        elements: 8,
        rounds: 1,
        ..Setup::default()
    };
    let mut whole = setup.network("ring");
    assert!(whole.run(support::LONG));
    for moment in 0..whole.steps() {
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let mut network = setup.network("ring");
            network.check_always();
            for _ in 0..moment {
                network.step();
            }
            network.disconnect(a, b);
            assert!(network.run(support::LONG), "cut {a}-{b} at {moment}: wedged");
            for node in 0..3 {
                assert_eq!(
                    network.outcome(node),
                    &Outcome::Left,
                    "cut {a}-{b} at {moment}: peer {node} stayed behind"
                );
            }
            setup.assert_complete(&network);
        }
    }
}
