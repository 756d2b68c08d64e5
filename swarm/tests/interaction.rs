//! Random operations, as noq's `random_interaction` does for a transport: whatever the order of messages, pieces, timers
//! and faults was, once the faults are over everything comes to its end in a bounded number of steps.

mod support;

use std::time::Duration;

use fltorrent_swarm::test_utils::Outcome;
use proptest::{collection::vec, prelude::*};
use support::{
    Setup,
    interaction::{Fate, World},
    random_edges,
};

/// What happens next. Numbers choose among what there is, modulo its count.
#[derive(Clone, Copy, Debug)]
enum Op {
    Connect(usize),
    Cut(usize, bool),
    Deliver(usize),
    /// So many messages, each from another direction.
    DeliverMany(u8),
    Damage(usize, u8),
    Piece(usize, usize, Fate),
    Ending(usize, usize),
    Train(u32),
    /// Its process dies and begins anew.
    Restart(u32),
    /// Milliseconds.
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0..64usize;
    let fate = prop_oneof![
        4 => Just(Fate::Whole),
        1 => Just(Fate::Header),
        1 => Just(Fate::Corrupt),
        1 => Just(Fate::BrokenOff),
        1 => Just(Fate::Twice),
    ];
    prop_oneof![
        2 => which.clone().prop_map(Op::Connect),
        1 => (which.clone(), any::<bool>()).prop_map(|(edge, back)| Op::Cut(edge, back)),
        6 => which.clone().prop_map(Op::Deliver),
        3 => any::<u8>().prop_map(Op::DeliverMany),
        1 => (which.clone(), 0..3u8).prop_map(|(choice, how)| Op::Damage(choice, how)),
        6 => (which.clone(), which.clone(), fate).prop_map(|(c, w, fate)| Op::Piece(c, w, fate)),
        3 => (which.clone(), which).prop_map(|(choice, which)| Op::Ending(choice, which)),
        2 => (0..8u32).prop_map(Op::Train),
        2 => (0..400u16).prop_map(Op::Pass),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    peers: u32,
    choices: Vec<u32>,
    chunks: u32,
    slots: u32,
    ops: Vec<Op>,
}

fn case(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Case> {
    let ops = vec(op, 0..300);
    let rest = (1..5u32, 1..4u32, vec(any::<u32>(), 20), ops);
    (2..=7u32, rest).prop_map(|(peers, (chunks, slots, choices, ops))| Case {
        peers,
        choices: choices.into_iter().take(3 * peers as usize).collect(),
        chunks,
        slots,
        ops,
    })
}

/// Most time that operations take: well below the time after which a neighbour counts as lost.
const MOST_TIME: Duration = Duration::from_secs(20);

impl Case {
    fn setup(&self) -> Setup {
        Setup {
            peers: self.peers,
            chunks: self.chunks,
            elements: 20,
            rounds: 3,
            slots: self.slots,
            ..Setup::default()
        }
    }

    fn perform(&self) -> World {
        let setup = self.setup();
        let mut world = World::new(&setup, &random_edges(self.peers, &self.choices));
        for &op in &self.ops {
            match op {
                Op::Connect(edge) => world.connect(edge),
                Op::Cut(edge, back) => world.cut(edge, back),
                Op::Deliver(choice) => world.deliver(choice),
                Op::DeliverMany(count) => (0..usize::from(count)).for_each(|it| world.deliver(it)),
                Op::Damage(choice, how) => world.damage(choice, how),
                Op::Piece(choice, which, fate) => world.piece(choice, which, fate),
                Op::Ending(choice, which) => world.ending(choice, which),
                Op::Train(node) => world.train(node % self.peers),
                Op::Restart(node) => world.restart(node % self.peers),
                Op::Pass(time) => {
                    let time = Duration::from_millis(time.into());
                    if world.now() + time < MOST_TIME {
                        world.pass(time);
                    }
                }
            }
        }
        world
    }

    /// Steps after the faults that are enough in any case: for each of the three rounds and each direction of an edge, a
    /// few for each chunk.
    fn most_steps(&self, world: &World) -> u64 {
        let directions = 2 * world.edges.len() as u64;
        let positions = u64::from(self.peers * self.chunks);
        world.steps + 500 + 3 * directions * (10 + 5 * positions)
    }

    fn play(&self) {
        let mut world = self.perform();
        let most = self.most_steps(&world);
        assert!(world.settle(most), "wedged: {}", self.describe(&world));
        for node in &world.nodes {
            assert_eq!(node.host.outcome, Outcome::Left, "{}", self.describe(&world));
            assert_eq!(node.host.digests.len(), 3);
            assert_eq!(node.host.digests, world.nodes[0].host.digests);
        }
        let is_damaged = |op: &Op| matches!(op, Op::Damage(..));
        if !self.ops.iter().any(is_damaged) {
            let violations = world.nodes.iter().map(|node| node.swarm.stats().violations);
            assert_eq!(violations.sum::<u64>(), 0, "nobody broke a rule");
        }
    }

    /// With peers that begin anew not everybody can complete what others have released: then all fail, and say so.
    fn play_with_restarts(&self) {
        let mut world = self.perform();
        // Reconnecting for as long as a lost neighbour is waited for takes steps too.
        let most = self.most_steps(&world) + 150 * 100 * world.edges.len() as u64;
        assert!(world.settle(most), "wedged: {}", self.describe(&world));
        let left = |node: &&support::interaction::Node| node.host.outcome == Outcome::Left;
        let digests = world.nodes.iter().filter(left).map(|node| &node.host.digests);
        let longest = digests.clone().max_by_key(|it| it.len());
        // One that began anew in the first round has counted it twice at most.
        assert!(
            digests.clone().all(|it| Some(it) == longest),
            "{}",
            self.describe(&world)
        );
    }

    fn describe(&self, world: &World) -> String {
        let nodes = world.nodes.iter().map(|node| {
            let (swarm, outcome) = (&node.swarm, &node.host.outcome);
            let (round, held) = (swarm.round(), swarm.held().count());
            format!("{outcome:?} in round {round} with {held} chunks")
        });
        nodes.collect::<Vec<_>>().join("; ")
    }
}

/// Found by the random operations below: the one that began anew asked for what its neighbour had released because it had
/// heard that it is complete, and had no chunk to announce that the neighbour did not have.
#[test]
fn one_that_begins_anew_and_only_asks_is_noticed() {
    let before = [
        Op::Train(0),
        Op::Connect(0),
        Op::DeliverMany(7),
        Op::Piece(0, 0, Fate::Whole),
        Op::Train(1),
        Op::DeliverMany(6),
        Op::Piece(0, 0, Fate::Whole),
        Op::Deliver(0),
        Op::Restart(0),
        Op::Connect(0),
    ];
    let case = Case {
        peers: 2,
        choices: vec![0; 6],
        chunks: 1,
        slots: 1,
        ops: before.into_iter().chain([Op::Deliver(0); 7]).collect(),
    };
    case.play_with_restarts();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_ends_in_bounded_steps_whatever_happened(case in case(op())) {
        case.play();
    }

    #[test]
    fn everything_ends_although_peers_begin_anew(
        case in case(prop_oneof![30 => op(), 1 => (0..8u32).prop_map(Op::Restart)])
    ) {
        case.play_with_restarts();
    }
}
