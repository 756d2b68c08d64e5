//! What an earlier process of a peer has kept is not fetched again.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use fltorrent_swarm::{
    Action, Beginning, ChunkId, Config, EarlierUpdates, Kept, Message, Recall, StopRecord,
    message::State,
    test_utils::{Solo, origin_data},
};
use support::{Setup, edges};

const CHUNKS: u32 = 3;

/// Peer 0 of four, with neighbours 1, 2 and 3, whose earlier process has kept chunks of these rounds.
fn config(rounds: impl IntoIterator<Item = u32>, has_model: bool) -> Config {
    let setup = Setup {
        peers: 4,
        chunks: CHUNKS,
        elements: 12,
        rounds: 4,
        goes_on: true,
        ..Setup::default()
    };
    Config {
        kept: Kept {
            rounds: rounds.into_iter().collect(),
            has_model,
        },
        ..setup.config(0, &edges("star", 4))
    }
}

fn bench(rounds: impl IntoIterator<Item = u32>) -> Solo {
    Solo::of(config(rounds, false)).connected()
}

fn have(positions: impl IntoIterator<Item = u32>) -> Message {
    Message::Have {
        round: 0,
        positions: positions.into_iter().collect(),
    }
}

fn recalls(bench: &Solo) -> Vec<Recall> {
    let of = |action: &Action| match action {
        Action::Recall(recall) => Some(recall.clone()),
        _ => None,
    };
    bench.actions.iter().filter_map(of).collect()
}

/// Answers that these chunks are there, and no other.
fn answer(bench: &mut Solo, recall: u64, found: &[u32]) -> Vec<Option<ChunkId>> {
    let taken = found
        .iter()
        .map(|&index| bench.swarm.handle_recalled(bench.now, recall, index))
        .collect();
    bench.swarm.handle_recall_ended(bench.now, recall);
    bench.drain();
    taken
}

#[test]
fn neighbours_are_asked_only_for_what_was_not_kept() {
    let mut bench = bench([0]);
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    bench.hear_metainfo(2, 1);
    let [recall] = &recalls(&bench)[..] else {
        panic!("{:?}", bench.actions);
    };
    assert_eq!((recall.round, recall.origin, recall.hashes.len()), (0, 1, 3));
    let layout = bench.config.layout;
    for (index, hash) in (0..).zip(&recall.hashes) {
        let chunk = ChunkId {
            round: 0,
            origin: 1,
            index,
        };
        assert_eq!(blake3::hash(&origin_data(&layout, chunk)).as_bytes(), hash);
    }
    assert!(bench.requests(1).is_empty(), "it is not known yet");
    bench.swarm.check().unwrap();
    let chunk = |index| {
        Some(ChunkId {
            round: 0,
            origin: 1,
            index,
        })
    };
    // One that there is not, and one that was found before.
    assert_eq!(
        answer(&mut bench, recall.id, &[0, 2, 3, 2]),
        [chunk(0), chunk(2), None, None]
    );
    let asked: Vec<u32> = bench.requests(1).iter().map(|(_, chunk)| chunk.index).collect();
    assert_eq!(asked, [1]);
    assert!(bench.sent(3).contains(&have([3, 5])) || bench.sent(3).contains(&have([3])));
    let stats = bench.swarm.stats();
    assert_eq!((stats.recalled, stats.payload_received), (32, 0));
    bench.swarm.check().unwrap();
    // It is over.
    assert_eq!(answer(&mut bench, recall.id, &[1]), [None]);
}

#[test]
fn a_round_may_close_with_what_was_kept() {
    let mut bench = bench([0]);
    for origin in 1..4 {
        bench.hear_metainfo(1, origin);
    }
    bench.publish();
    let recalls = recalls(&bench);
    let origins: Vec<u32> = recalls.iter().map(|recall| recall.origin).collect();
    assert_eq!(origins, [1, 2, 3], "its own update is its own");
    for recall in recalls {
        assert!(!bench.completed(0));
        answer(&mut bench, recall.id, &[0, 1, 2]);
    }
    assert!(bench.completed(0));
    assert_eq!(bench.swarm.stats().payload_received, 0);
}

#[test]
fn rounds_of_which_nothing_was_kept_are_not_looked_for() {
    let mut bench = bench([1]);
    bench.complete_round(0);
    assert!(recalls(&bench).is_empty());
    // Those that are known of the next one before it begins are.
    for origin in 1..3 {
        let metainfo = fltorrent_swarm::test_utils::origin_metainfo(&bench.config, 1, origin);
        bench.hear(
            1,
            Message::Metainfo(fltorrent_swarm::test_utils::sign(origin, &metainfo)),
        );
    }
    assert!(recalls(&bench).is_empty());
    bench.swarm.begin_round(bench.now);
    bench.drain();
    bench.hear_metainfo(1, 3);
    let found = recalls(&bench);
    let origins: Vec<(u32, u32)> = found.iter().map(|recall| (recall.round, recall.origin)).collect();
    assert_eq!(origins, [(1, 1), (1, 2), (1, 3)]);
    bench.swarm.check().unwrap();
}

#[test]
fn a_model_that_was_kept_is_not_fetched() {
    for kept in [config([], true), config([2], false)] {
        let mut bench = Solo::of(Config {
            beginning: Beginning::CatchUp(EarlierUpdates::Nothing),
            has_first_model: false,
            ..kept
        });
        bench.connect(1);
        let state = State {
            round: 2,
            set_hash: [1; 32],
            stop: StopRecord::default(),
            model: [2; 32],
            hashes: vec![[3; 32]; CHUNKS as usize],
        };
        bench.hear(1, Message::State(state));
        bench.hear(1, Message::Unchoke);
        let [recall] = &recalls(&bench)[..] else {
            panic!("{:?}", bench.actions);
        };
        assert_eq!((recall.round, recall.origin, recall.hashes[1]), (2, 4, [3; 32]));
        assert!(bench.requests(1).is_empty());
        let taken = answer(&mut bench, recall.id, &[0, 1, 2]);
        let expected = |index| {
            Some(ChunkId {
                round: 2,
                origin: 4,
                index,
            })
        };
        assert_eq!(taken, [0, 1, 2].map(expected));
        let is_adopted = |action: &Action| matches!(action, Action::Adopt(adoption) if adoption.round == 2);
        assert!(bench.actions.iter().any(is_adopted));
        assert!(bench.requests(1).is_empty());
    }
}

#[test]
fn a_model_that_was_not_kept_is_fetched() {
    let mut bench = Solo::of(Config {
        beginning: Beginning::CatchUp(EarlierUpdates::Nothing),
        has_first_model: false,
        ..config([1], true)
    });
    bench.connect(1);
    bench.hear(1, Message::Unchoke);
    for (round, model) in [(2, [2; 32]), (3, [4; 32])] {
        let hashes = vec![model; CHUNKS as usize];
        let state = State {
            round: round - 1,
            set_hash: [1; 32],
            stop: StopRecord::default(),
            model,
            hashes,
        };
        bench.hear(1, Message::State(state));
    }
    // What answers the first offer is nothing for the second one.
    let [first, second] = &recalls(&bench)[..] else {
        panic!("{:?}", bench.actions);
    };
    assert_eq!(answer(&mut bench, first.id, &[0]), [None]);
    assert!(bench.requests(1).is_empty());
    answer(&mut bench, second.id, &[]);
    let mut asked: Vec<u32> = bench.requests(1).iter().map(|(_, chunk)| chunk.index).collect();
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2]);
    bench.swarm.check().unwrap();
}
