//! The rules of asking, serving, announcing and leaving, each shown at one swarm whose neighbours the test plays.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use fltorrent_swarm::{
    Bitfield, ChokePolicyKind, ChunkId, ChunkSelection, Config, Departure, Failure, Message, Metainfo, Notice, Time,
    Violation,
    test_utils::{Solo, origin_metainfo, sign},
};
use support::Setup;

const MS: Duration = Duration::from_millis(1);

/// Peer 0 of four, with neighbours 1, 2 and 3; `chunks` chunks an update of four elements each.
fn config(chunks: u32) -> Config {
    let setup = Setup {
        peers: 4,
        chunks,
        elements: u64::from(4 * chunks),
        rounds: 4,
        ..Setup::default()
    };
    setup.config(0, &support::edges("star", 4))
}

fn bench(chunks: u32) -> Solo {
    Solo::of(config(chunks)).connected()
}

fn have(positions: impl IntoIterator<Item = u32>) -> Message {
    Message::Have {
        round: 0,
        positions: positions.into_iter().collect(),
    }
}

/// Positions that were asked of a neighbour, in order.
fn asked(bench: &Solo, peer: u32) -> Vec<u32> {
    let chunks = bench.config.layout.chunks();
    let position = |(_, chunk): (u32, ChunkId)| chunk.origin * chunks + chunk.index;
    bench.requests(peer).into_iter().map(position).collect()
}

#[test]
fn a_hello_is_the_first_message_and_what_is_held_follows_the_neighbours() {
    let mut bench = Solo::of(config(3));
    bench.publish();
    bench.connect_silently(1);
    assert!(matches!(bench.sent(1)[..], [Message::Hello(_)]));
    let hello = bench.hello(1);
    bench.hear(1, Message::Hello(hello));
    let mut own = Bitfield::new(12);
    for position in 0..3 {
        own.insert(position);
    }
    let sent = bench.sent(1);
    assert!(
        matches!(&sent[1..], [Message::Metainfo(_), Message::Bitfield { round: 0, held }] if *held == own),
        "{sent:?}"
    );
}

#[test]
fn nothing_is_asked_before_an_unchoke() {
    let mut bench = bench(3);
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(3..6));
    assert_eq!(bench.sent(1), [Message::Interested], "links start choked");
    bench.hear(1, Message::Unchoke);
    assert_eq!(bench.requests(1).len(), 3);
}

#[test]
fn requests_wait_for_the_metainfo() {
    let mut bench = bench(3);
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    assert!(bench.requests(1).is_empty());
    bench.hear_metainfo(2, 1);
    assert_eq!(bench.requests(1).len(), 3);
}

#[test]
fn the_rarest_is_asked_first() {
    let mut bench = bench(3);
    bench.hear_metainfo(1, 1);
    bench.hear(2, have([3, 5]));
    bench.hear(3, have([3]));
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    assert_eq!(asked(&bench, 1), [4, 5, 3]);
}

#[test]
fn sequential_selection_asks_in_order_and_random_does_not_look_at_rarity() {
    let order = |selection| {
        let mut bench = Solo::of(Config {
            selection,
            seed: 7,
            ..config(6)
        })
        .connected();
        bench.hear_metainfo(1, 1);
        bench.hear(2, have([6, 8]));
        bench.hear(1, have(6..12));
        bench.hear(1, Message::Unchoke);
        asked(&bench, 1)
    };
    assert_eq!(order(ChunkSelection::Sequential), [6, 7, 8, 9, 10, 11]);
    let rarest = order(ChunkSelection::RarestFirst);
    assert!(rarest[4..].contains(&6) && rarest[4..].contains(&8), "{rarest:?}");
    let random = order(ChunkSelection::Random);
    let without = |order: &[u32]| -> Vec<u32> {
        let rare = |at: &u32| ![6, 8].contains(at);
        order.iter().copied().filter(rare).collect()
    };
    assert_eq!(without(&random), without(&rarest), "ties are broken alike");
    assert_ne!(random, rarest);
}

#[test]
fn receivers_break_ties_differently() {
    let order = |seed| {
        let mut bench = Solo::of(Config { seed, ..config(12) }).connected();
        bench.hear_metainfo(1, 1);
        bench.hear(1, have(12..24));
        bench.hear(1, Message::Unchoke);
        asked(&bench, 1)
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_chunk_has_one_owner() {
    let mut bench = bench(12);
    bench.hear_metainfo(1, 1);
    for peer in [1, 2, 3] {
        bench.hear(peer, have(12..24));
        bench.hear(peer, Message::Unchoke);
    }
    let mut all: Vec<u32> = [1, 2, 3].iter().flat_map(|&peer| asked(&bench, peer)).collect();
    all.sort_unstable();
    assert_eq!(all, (12..24).collect::<Vec<_>>());
}

#[test]
fn endgame_asks_two_at_most_when_nothing_else_is_left_and_cancels_at_the_first_piece() {
    let mut bench = bench(1);
    bench.publish();
    for origin in 1..4 {
        bench.hear_metainfo(1, origin);
    }
    for peer in [1, 2, 3] {
        bench.hear(peer, have([1]));
        bench.hear(peer, Message::Unchoke);
    }
    let owner = [1, 2, 3]
        .into_iter()
        .find(|&peer| !bench.requests(peer).is_empty())
        .unwrap();
    bench.pass(5 * 1000 * MS);
    let total = |bench: &Solo| [1, 2, 3].iter().map(|&peer| asked(bench, peer).len()).sum::<usize>();
    assert_eq!(
        total(&bench),
        1,
        "two chunks are still to be asked for when somebody has them"
    );
    bench.hear(2, have([2, 3]));
    let again = |bench: &Solo, peer| asked(bench, peer).iter().filter(|&&at| at == 1).count();
    let second = [1, 2, 3]
        .into_iter()
        .find(|&peer| peer != owner && again(&bench, peer) == 1)
        .unwrap();
    bench.pass(60 * MS);
    bench.hear(3, Message::Unchoke);
    assert_eq!([1, 2, 3].iter().map(|&peer| again(&bench, peer)).sum::<usize>(), 2);

    let first = bench.requests(owner)[0].0;
    let request = *bench
        .requests(second)
        .iter()
        .find(|(_, chunk)| chunk.origin == 1)
        .unwrap();
    bench.answer(second, request);
    assert!(bench.sent(owner).contains(&Message::Cancel { request: first }));
    assert!(bench.aborted(owner, first));
    bench.swarm.check().unwrap();
}

#[test]
fn the_pipeline_is_as_deep_as_the_bandwidth_delay_product() {
    // 16,000 bytes a chunk.
    let setup = Setup {
        peers: 4,
        chunks: 40,
        elements: 160_000,
        ..Setup::default()
    };
    let mut bench = setup.bench("star").connected();
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(40..80));
    bench.hear(1, Message::Unchoke);
    // 64 KiB before the rate is known, the last chunk reaching beyond.
    assert_eq!(bench.requests(1).len(), 5);
    // One chunk each 100 ms: 160 kB/s × 100 ms × 1.5 and a chunk are 40,000 bytes, which three chunks reach.
    let mut answered = 0;
    for _ in 0..20 {
        bench.now += 100 * MS;
        let next = bench.requests(1)[answered];
        bench.answer(1, next);
        answered += 1;
        bench.swarm.check().unwrap();
    }
    assert_eq!(bench.requests(1).len() - answered, 3);
}

#[test]
fn requests_go_to_the_holder_with_the_least_outstanding_divided_by_its_rate() {
    let setup = Setup {
        peers: 4,
        chunks: 40,
        elements: 160_000,
        ..Setup::default()
    };
    let mut bench = setup.bench("star").connected();
    bench.hear_metainfo(3, 1);
    // Rates become known: neighbour 1 takes 100 ms a chunk, neighbour 2 takes 10 ms. Then each is asked for one more.
    for (peer, position, time) in [(1, 40, 100), (2, 50, 10)] {
        bench.hear(peer, have([position, position + 1]));
        bench.hear(peer, Message::Unchoke);
        for request in bench.requests(peer) {
            bench.now += time * MS;
            bench.answer(peer, request);
        }
        bench.hear(peer, have([position + 2]));
        assert_eq!(bench.requests(peer).len(), 3);
    }
    // Two chunks that both have can be asked for as soon as their metainfo comes.
    bench.hear(1, have([80, 81]));
    bench.hear(2, have([80, 81]));
    bench.forget_sent();
    bench.hear_metainfo(3, 2);
    let all = (asked(&bench, 1).len(), asked(&bench, 2).len());
    assert_eq!(
        all,
        (0, 2),
        "three chunks of the fast one take less time than one of the slow one"
    );
}

/// Peer 1 takes 100 ms a chunk and peer 2 so long. The only chunk that is left is late at peer 1, and peer 2 has it too:
/// whether that one is asked as well.
fn second_is_asked(milliseconds: u32) -> bool {
    let setup = Setup {
        peers: 3,
        chunks: 2,
        elements: 2_000,
        ..Setup::default()
    };
    let mut bench = setup.bench("mesh").connected();
    bench.publish();
    bench.hear_metainfo(1, 1);
    bench.hear_metainfo(2, 2);
    // Two chunks make the rates known.
    for (peer, position, time) in [(1, 2, 100), (2, 4, milliseconds)] {
        bench.hear(peer, Message::Unchoke);
        bench.hear(peer, have([position]));
        let request = bench.requests(peer)[0];
        bench.now += time * MS;
        bench.answer(peer, request);
    }
    // The others are all in flight.
    bench.hear(1, have([3, 5]));
    assert_eq!(asked(&bench, 1)[1..].len(), 2);
    bench.hear(2, have([3, 5]));
    bench.pass(1000 * MS);
    bench.hear(2, Message::Unchoke);
    let all = asked(&bench, 2).len();
    bench.swarm.check().unwrap();
    all > 1
}

#[test]
fn a_second_holder_is_asked_near_the_end_only_when_it_is_much_faster() {
    assert!(second_is_asked(10));
    assert!(!second_is_asked(100));
    assert!(!second_is_asked(1000));
}

#[test]
fn a_choke_gives_back_what_was_not_started() {
    let mut bench = bench(3);
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    let requests = bench.requests(1);
    bench.hear(2, Message::Unchoke);
    bench.hear(2, have(3..6));
    assert!(bench.requests(2).is_empty());
    bench.hear(
        1,
        Message::Choke {
            last_started: 1,
            skipped: Vec::new(),
        },
    );
    let others: Vec<_> = bench.requests(2).iter().map(|it| it.1).collect();
    assert_eq!(others, [requests[1].1, requests[2].1]);
    bench.answer(1, requests[0]);
    assert_eq!(bench.swarm.held().count(), 1, "what was started still ends");
}

#[test]
fn a_request_that_crossed_a_choke_is_ignored_and_asked_again_after_the_unchoke() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.publish();
    bench.hear(1, Message::Interested);
    bench.hear(2, Message::Interested);
    let own = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    // Neighbour 1 asks for nothing, so that its slot goes to neighbour 2.
    bench.pass(5 * 1000 * MS);
    assert!(bench.sent(1).contains(&Message::Choke {
        last_started: 0,
        skipped: Vec::new()
    }));
    bench.forget_sent();
    bench.hear(1, asks(1, own));
    assert!(bench.uploads(1).is_empty());
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

#[test]
fn a_slot_that_is_free_is_filled_at_once() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.publish();
    bench.hear(1, Message::Interested);
    assert!(bench.sent(1).contains(&Message::Unchoke));
    bench.hear(2, Message::Interested);
    assert!(!bench.sent(2).contains(&Message::Unchoke));
    bench.hear(1, Message::NotInterested);
    assert!(bench.sent(2).contains(&Message::Unchoke));
    assert_eq!(bench.swarm.check(), Ok(()));
    // A neighbour that goes frees its slot too.
    bench.hear(3, Message::Interested);
    assert!(!bench.sent(3).contains(&Message::Unchoke));
    bench
        .swarm
        .handle_disconnected(bench.now, 2, Departure::Broken("cut".to_owned()));
    bench.drain();
    assert!(bench.sent(3).contains(&Message::Unchoke));
}

#[test]
fn whoever_waited_for_what_was_not_there_has_no_right_to_a_slot_that_others_fill() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.publish();
    let (round, positions) = (0, vec![6]);
    bench.hear(1, Message::Interested);
    bench.hear(1, Message::Want { round, positions });
    assert!(bench.sent(1).contains(&Message::Unchoke));
    bench.hear(2, Message::Interested);
    assert!(bench.sent(2).contains(&Message::Unchoke), "the first one only waits");
    let chunk = ChunkId {
        round,
        origin: 0,
        index: 0,
    };
    let (request, chokes) = (1, 0);
    bench.hear(2, Message::Request { request, chokes, chunk });
    let positions = vec![6];
    bench.hear(1, Message::Unwant { round, positions });
    let chokes = |peer| {
        bench
            .sent(peer)
            .iter()
            .any(|message| matches!(message, Message::Choke { .. }))
    };
    assert_eq!(
        (chokes(1), chokes(2)),
        (true, false),
        "the second one is sent something"
    );
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn own_chunks_that_nobody_was_sent_take_precedence() {
    let mut bench = bench(3);
    bench.publish();
    let own = |index| ChunkId {
        round: 0,
        origin: 0,
        index,
    };
    let (request, chokes) = (1, 0);
    for peer in [1, 2] {
        bench.hear(peer, Message::Interested);
        let chunk = own(0);
        bench.hear(peer, Message::Request { request, chokes, chunk });
        assert_eq!(bench.swarm.precedence(peer, chunk).is_first, peer == 1);
    }
    assert!(bench.swarm.precedence(2, own(1)).is_first);
    let of_another = ChunkId { origin: 1, ..own(0) };
    assert!(!bench.swarm.precedence(2, of_another).is_first);
}

#[test]
fn the_most_deprived_is_served_first_once_complete() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.complete_round(0);
    bench.hear(1, Message::Interested);
    bench.hear(2, have([0, 1, 2]));
    bench.hear(3, have([0]));
    bench.hear(2, Message::Interested);
    bench.hear(3, Message::Interested);
    bench.forget_sent();
    bench.hear(1, Message::NotInterested);
    assert!(bench.sent(3).contains(&Message::Unchoke));
    assert!(!bench.sent(2).contains(&Message::Unchoke));
}

#[test]
fn whoever_gives_most_is_served_while_chunks_are_missing() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.publish();
    bench.hear(1, Message::Interested);
    for peer in [2, 3] {
        bench.hear_metainfo(peer, peer);
    }
    bench.hear(3, have([9, 10]));
    bench.hear(2, have([6]));
    for peer in [2, 3] {
        bench.hear(peer, Message::Unchoke);
        for request in bench.requests(peer) {
            bench.answer(peer, request);
        }
        bench.hear(peer, Message::Interested);
    }
    bench.forget_sent();
    bench.hear(1, Message::NotInterested);
    assert!(bench.sent(3).contains(&Message::Unchoke), "it gave two chunks");
    assert!(!bench.sent(2).contains(&Message::Unchoke), "it gave one");
}

/// A slot that nobody uses stays a second, and choices are half a second apart: seven neighbours in two slots have their turn
/// in six.
#[test]
fn by_turns_every_interested_neighbour_is_served_within_bounded_time() {
    let setup = Setup {
        slots: 2,
        choke_policy: ChokePolicyKind::RoundRobin,
        ..Setup::default()
    };
    let mut bench = setup.bench("mesh").connected();
    bench.publish();
    for peer in 1..8 {
        bench.hear(peer, Message::Interested);
    }
    for turn in 0..20 {
        bench.forget_sent();
        bench.pass(Duration::from_secs(6));
        for peer in 1..8 {
            let is_served = bench.sent(peer).contains(&Message::Unchoke);
            assert!(is_served, "peer {peer} waits in turn {turn}");
        }
    }
}

/// Times between choices while somebody waits for a slot, after a round of two seconds.
fn time_between_choices(unchoke_interval: Duration) -> Duration {
    let config = Config {
        upload_slots: 1,
        unchoke_interval,
        ..config(3)
    };
    let mut bench = Solo::of(config).connected();
    bench.publish();
    bench.pass(2000 * MS);
    bench.complete_round(0);
    bench.hear(2, Message::Interested);
    bench.hear(3, Message::Interested);
    let choice = |bench: &mut Solo| -> Time {
        let due = bench.swarm.poll_timeout().unwrap().max(bench.now);
        bench.pass(due - bench.now);
        due
    };
    choice(&mut bench);
    let first = choice(&mut bench);
    choice(&mut bench) - first
}

#[test]
fn choices_are_made_each_twentieth_of_the_last_round_and_at_least_each_interval() {
    assert_eq!(time_between_choices(Duration::from_secs(10)), 100 * MS);
    assert_eq!(time_between_choices(30 * MS), 30 * MS);
}

#[test]
fn haves_go_at_once_on_an_idle_link_and_are_gathered_on_a_busy_one() {
    let mut bench = bench(40);
    bench.publish();
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(40..46));
    bench.hear(1, Message::Unchoke);
    let requests = bench.requests(1);
    bench.forget_sent();
    let haves = |bench: &Solo, peer| -> usize {
        let is_have = |message: &Message| matches!(message, Message::Have { .. });
        bench.sent(peer).iter().filter(|message| is_have(message)).count()
    };
    bench.now += MS;
    bench.answer(1, requests[0]);
    bench.answer(1, requests[1]);
    assert_eq!((haves(&bench, 2), haves(&bench, 3)), (2, 2), "both are idle");
    assert_eq!(haves(&bench, 1), 0, "it has them");
    // Neighbour 2 is being served.
    bench.hear(2, Message::Interested);
    let own = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    bench.hear(2, asks(1, own));
    bench.forget_sent();
    for &request in &requests[2..5] {
        bench.pass(MS);
        bench.answer(1, request);
    }
    assert_eq!((haves(&bench, 2), haves(&bench, 3)), (0, 3));
    bench.pass(7 * MS - Duration::from_nanos(1));
    assert_eq!(haves(&bench, 2), 0, "ten milliseconds are not over yet");
    bench.pass(Duration::from_nanos(1));
    assert_eq!(haves(&bench, 2), 1, "three chunks in one message");
}

#[test]
fn many_haves_become_a_bitfield() {
    let mut bench = bench(40);
    bench.publish();
    let sent = bench.sent(2);
    // Forty positions of 160 take 40 bytes, the bitfield 20.
    assert!(sent.iter().any(|message| matches!(message, Message::Bitfield { .. })));
    assert!(!sent.iter().any(|message| matches!(message, Message::Have { .. })));
}

#[test]
fn a_round_is_released_when_every_neighbour_has_completed_it() {
    let mut bench = bench(3);
    bench.complete_round(0);
    bench.swarm.begin_round(bench.now);
    bench.hear(2, Message::Complete { round: 0 });
    assert!(!bench.released(0));
    bench.hear(3, Message::Complete { round: 0 });
    assert!(bench.released(0));
    let old = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    bench.hear(1, Message::Interested);
    bench.hear(1, asks(1, old));
    assert!(bench.uploads(1).is_empty(), "its bytes may be gone");
}

#[test]
fn a_round_is_released_before_the_one_after_the_next_begins() {
    let mut bench = bench(3);
    bench.complete_round(0);
    bench.swarm.begin_round(bench.now);
    // Neighbours 2 and 3 never say that they have completed round 0; their updates of round 1 show it.
    bench.complete_round(1);
    assert!(!bench.released(0));
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert!(bench.released(0));
    assert!(!bench.released(1));
}

/// A swarm that holds everything of its only round, whose neighbours 2 and 3 have gone after completing it.
fn finished() -> Solo {
    let mut bench = Solo::of(Config { rounds: 1, ..config(3) }).connected();
    bench.complete_round(0);
    for peer in [2, 3] {
        bench.hear(peer, Message::Complete { round: 0 });
    }
    bench
}

#[test]
fn a_peer_leaves_when_all_neighbours_are_complete() {
    let mut bench = Solo::of(Config { rounds: 1, ..config(3) }).connected();
    bench.complete_round(0);
    for peer in [2, 3] {
        assert!(!bench.left());
        bench.hear(peer, Message::Complete { round: 0 });
    }
    assert!(bench.left());
}

#[test]
fn a_neighbour_that_has_finished_is_complete() {
    let mut bench = Solo::of(Config { rounds: 1, ..config(3) }).connected();
    bench.complete_round(0);
    for peer in [2, 3] {
        bench.swarm.handle_disconnected(bench.now, peer, Departure::Finished);
    }
    bench.drain();
    assert!(bench.left());
    assert!(finished().left());
}

#[test]
fn a_neighbour_that_left_too_early_counts_as_lost() {
    let mut bench = bench(3);
    bench.swarm.handle_disconnected(bench.now, 2, Departure::Finished);
    bench.pass(Duration::from_secs(31));
    let Some(Failure::Lost { peer: 2, why, .. }) = bench.failure() else {
        panic!("not lost");
    };
    assert_eq!(why, "it left before this peer was complete");
}

/// A swarm that has finished while the connection to neighbour 3 is broken.
fn finished_without_three(said_complete: bool) -> Solo {
    let mut bench = Solo::of(Config { rounds: 1, ..config(3) }).connected();
    if said_complete {
        bench.hear(3, Message::Complete { round: 0 });
    }
    bench
        .swarm
        .handle_disconnected(bench.now, 3, Departure::Broken("cut".to_owned()));
    bench.complete_round(0);
    bench.hear(2, Message::Complete { round: 0 });
    assert!(!bench.left(), "neighbour 3 may not know yet that nobody needs it");
    bench
}

#[test]
fn a_peer_that_has_finished_tells_a_neighbour_that_comes_back_before_it_leaves() {
    let mut bench = finished_without_three(true);
    bench.pass(1000 * MS);
    bench.connect(3);
    assert!(bench.sent(3).contains(&Message::Complete { round: 0 }));
    assert!(bench.left());
}

#[test]
fn a_peer_that_has_finished_waits_two_seconds_for_a_neighbour_that_has_finished_too() {
    let mut bench = finished_without_three(true);
    bench.pass(2000 * MS - Duration::from_nanos(1));
    assert!(!bench.left());
    bench.pass(Duration::from_nanos(1));
    assert!(bench.left());
    assert_eq!(bench.notices(), []);
}

#[test]
fn a_peer_that_has_finished_goes_without_a_neighbour_that_stays_away() {
    let mut bench = finished_without_three(false);
    bench.pass(Duration::from_secs(29));
    assert!(!bench.left(), "it may still need something");
    bench.pass(Duration::from_secs(1));
    assert!(bench.left());
    assert_eq!(bench.notices(), [Notice::NoGoodbye { peer: 3 }]);
    assert_eq!(bench.failure(), None);
}

#[test]
fn a_neighbours_failure_ends_the_run_with_its_words() {
    let mut bench = bench(3);
    let message = "peer 9 is lost".to_owned();
    bench
        .swarm
        .handle_disconnected(bench.now, 2, Departure::Failed(message.clone()));
    bench.drain();
    assert_eq!(
        bench.failure(),
        Some(Failure::Neighbour {
            peer: 2,
            message: message.clone()
        })
    );
    let words = format!("{message} (so peer 2 says)");
    assert_eq!(bench.failure().unwrap().to_string(), words);
}

#[test]
fn why_a_neighbour_is_unreachable_is_in_the_failure() {
    let mut bench = Solo::of(config(3));
    bench.connect(1);
    bench.connect(2);
    bench.swarm.handle_unreachable(3, "connection refused".to_owned());
    bench.pass(Duration::from_secs(30));
    let failure = bench.failure().unwrap().to_string();
    assert_eq!(failure, "peer 3 is lost: not reachable for 30s (connection refused)");
}

#[test]
fn a_peer_without_neighbours_completes_alone() {
    let setup = Setup {
        peers: 1,
        rounds: 2,
        ..Setup::default()
    };
    let mut bench = setup.bench("ring");
    bench.publish();
    assert!(bench.completed(0));
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert!(bench.released(0));
    bench.publish();
    assert!(bench.completed(1));
    assert!(bench.left());
}

#[test]
fn a_broken_connection_loses_nothing() {
    let mut bench = bench(3);
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    let requests = bench.requests(1);
    bench.answer(1, requests[0]);
    bench
        .swarm
        .handle_disconnected(bench.now, 1, Departure::Broken("cut".to_owned()));
    bench.drain();
    bench.swarm.check().unwrap();
    bench.forget_sent();
    bench.connect(1);
    assert!(bench.requests(1).is_empty(), "a new connection starts choked");
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    let again: Vec<_> = bench.requests(1).iter().map(|it| it.1).collect();
    assert_eq!(
        again,
        [requests[1].1, requests[2].1],
        "what was on its way is asked anew"
    );
    assert_eq!(bench.requests(1)[0].0, 1, "ids start anew");
}

#[test]
fn an_update_that_nobody_would_accept_ends_the_run_here() {
    for wrong in [
        |metainfo: &mut Metainfo| metainfo.samples = 0,
        |metainfo: &mut Metainfo| metainfo.evaluation.loss_sum = f64::NAN,
    ] {
        let mut bench = bench(2);
        let mut metainfo = origin_metainfo(&bench.config, 0, 0);
        wrong(&mut metainfo);
        bench.swarm.publish(bench.now, sign(0, &metainfo));
        bench.drain();
        assert!(matches!(bench.failure(), Some(Failure::Unpublishable(_))));
    }
}

#[test]
fn a_neighbour_that_was_never_met_is_waited_for_longer_than_one_that_went_away() {
    let late = || {
        let mut bench = Solo::of(Config {
            join_within: Duration::from_secs(600),
            ..config(3)
        });
        bench.connect(2);
        bench.connect(3);
        bench.pass(Duration::from_secs(599));
        assert_eq!(bench.failure(), None);
        assert!(!bench.swarm.has_met(1));
        bench
    };
    let mut never = late();
    never.pass(Duration::from_secs(2));
    let Some(Failure::Lost { peer: 1, after, .. }) = never.failure() else {
        panic!("peer 1 is still waited for");
    };
    assert_eq!(after, Duration::from_secs(600));

    let mut met = late();
    met.connect(1);
    assert!(met.swarm.is_open(1));
    met.swarm
        .handle_disconnected(met.now, 1, Departure::Broken("cut".to_owned()));
    met.pass(Duration::from_secs(29));
    assert_eq!(met.failure(), None);
    met.pass(Duration::from_secs(2));
    let Some(Failure::Lost { peer: 1, after, .. }) = met.failure() else {
        panic!("peer 1 is still waited for");
    };
    assert_eq!(after, Duration::from_secs(30));
    assert!(met.swarm.has_met(1));
}

#[test]
fn a_time_that_passes_before_it_is_asked_for_is_still_due() {
    // Shrunk from random operations: two timers at one moment, of which only the first was ever called.
    let mut bench = bench(3);
    bench.hear_metainfo(1, 3);
    bench.hear(1, have([9]));
    bench.hear(1, Message::Unchoke);
    bench.answer_with(1, bench.requests(1)[0], &[7; 16]);
    bench.forget_sent();
    // The driver was busy for exactly as long as the sender is not asked again.
    bench.now = Duration::from_secs(1);
    assert_eq!(bench.swarm.poll_timeout(), Some(bench.now));
    bench.swarm.handle_timeout(bench.now);
    bench.drain();
    assert_eq!(asked(&bench, 1), [9]);
}

#[test]
fn who_breaks_the_rules_whenever_it_comes_back_counts_as_lost() {
    let mut bench = bench(3);
    for _ in 0..100 {
        bench.connect(1);
        bench.hear(1, Message::Complete { round: 9 });
        bench.pass(Duration::from_millis(500));
        if bench.failure().is_some() {
            break;
        }
    }
    let Some(Failure::Lost { peer: 1, why, .. }) = bench.failure() else {
        panic!("{:?}", bench.failure());
    };
    assert!(why.starts_with("it spoke of round 9"), "{why}");
    assert!(bench.now >= Duration::from_secs(30));
}

#[test]
fn one_that_begins_anew_is_served_again_while_what_it_lost_is_kept() {
    let mut bench = bench(3);
    bench.complete_round(0);
    // Neighbour 1 had all of round 0, died, and has its own update only.
    bench.hear(1, have([3]));
    assert_eq!(bench.disconnected(1), Some(Violation::Restarted { round: 0 }));
    bench.connect(1);
    bench.hear(1, have([3, 4, 5]));
    bench.hear(1, Message::Interested);
    let chunk = ChunkId {
        round: 0,
        origin: 2,
        index: 0,
    };
    let request = asks(1, chunk);
    bench.hear(1, request);
    assert_eq!(bench.uploads(1), [(1, chunk)]);
    // Once the round is released there is no way back.
    bench.hear(1, Message::Complete { round: 0 });
    for peer in [2, 3] {
        bench.hear(peer, Message::Complete { round: 0 });
    }
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert!(bench.released(0));
    for _ in 0..100 {
        bench.hear(1, have([3]));
        bench.pass(Duration::from_millis(500));
        bench.connect(1);
    }
    let Some(Failure::Lost { peer: 1, why, .. }) = bench.failure() else {
        panic!("{:?}", bench.failure());
    };
    assert!(why.starts_with("it has started from scratch"), "{why}");
}

/// The neighbour's request of that number.
fn asks(request: u32, chunk: ChunkId) -> Message {
    Message::Request {
        request,
        chokes: 0,
        chunk,
    }
}

/// The same for a chunk of peer 0 in the first round.
fn request(request: u32, index: u32) -> Message {
    let chunk = ChunkId {
        round: 0,
        origin: 0,
        index,
    };
    asks(request, chunk)
}

/// A peer whose neighbours 1 and 2 ask for its own chunks: 0 goes to neighbour 1 and 1 to neighbour 2, which waits for 0 and 2.
fn uploading() -> Solo {
    let mut bench = bench(3);
    bench.publish();
    for peer in [1, 2] {
        bench.hear(peer, Message::Interested);
    }
    bench.hear(1, request(1, 0));
    for (id, index) in [(1, 1), (2, 0), (3, 2)] {
        bench.hear(2, request(id, index));
    }
    bench
}

fn started(bench: &Solo, peer: u32) -> Vec<u32> {
    bench.uploads(peer).iter().map(|(id, _)| *id).collect()
}

#[test]
fn first_copies_are_sent_before_second_ones() {
    let mut bench = uploading();
    assert_eq!(started(&bench, 2), [1]);
    for request in [1, 3] {
        let now = bench.now;
        bench.swarm.handle_upload_ended(now, 2, request, true);
        bench.drain();
        bench.swarm.check().unwrap();
    }
    assert_eq!(
        started(&bench, 2),
        [1, 3, 2],
        "neighbour 1 was sent the chunk of request 2"
    );
}

#[test]
fn a_withdrawn_request_is_rejected_unless_its_piece_has_begun() {
    let mut bench = uploading();
    bench.hear(2, Message::Withdraw { request: 1 });
    assert!(!bench.sent(2).contains(&Message::Reject { request: 1 }));
    bench.hear(2, Message::Withdraw { request: 2 });
    assert!(bench.sent(2).contains(&Message::Reject { request: 2 }));
    for request in [1, 3] {
        let now = bench.now;
        bench.swarm.handle_upload_ended(now, 2, request, true);
        bench.drain();
    }
    assert_eq!(started(&bench, 2), [1, 3]);
    bench.hear(2, Message::Withdraw { request: 7 });
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

#[test]
fn a_choke_names_what_it_skipped() {
    let mut bench = Solo::of(Config {
        upload_slots: 1,
        ..config(3)
    })
    .connected();
    bench.publish();
    bench.hear(1, Message::Interested);
    for (id, index) in [(1, 0), (2, 1), (3, 2)] {
        bench.hear(1, request(id, index));
    }
    // Others have chunk 1 already.
    for peer in [2, 3] {
        bench.hear(peer, have([1]));
    }
    let now = bench.now;
    bench.swarm.handle_upload_ended(now, 1, 1, true);
    bench.drain();
    assert_eq!(started(&bench, 1), [1, 3]);
    bench.hear(2, Message::Interested);
    bench.pass(5 * 1000 * MS);
    assert!(bench.sent(1).contains(&Message::Choke {
        last_started: 3,
        skipped: vec![2]
    }));
}

#[test]
fn what_a_choke_skipped_is_asked_elsewhere() {
    let mut bench = bench(3);
    bench.hear_metainfo(1, 1);
    bench.hear(1, have(3..6));
    bench.hear(1, Message::Unchoke);
    let requests = bench.requests(1);
    bench.hear(2, Message::Unchoke);
    bench.hear(2, have(3..6));
    bench.hear(
        1,
        Message::Choke {
            last_started: 3,
            skipped: vec![2],
        },
    );
    let others: Vec<_> = bench.requests(2).iter().map(|it| it.1).collect();
    assert_eq!(others, [requests[1].1]);
}

/// Peer 1 takes a second a chunk and was asked for two more, peer 2 takes 10 ms, has them too, and has nothing else.
fn withdrawing() -> Solo {
    let setup = Setup {
        peers: 3,
        chunks: 3,
        elements: 3_000,
        ..Setup::default()
    };
    let mut bench = setup.bench("mesh").connected();
    bench.publish();
    bench.hear_metainfo(1, 1);
    bench.hear_metainfo(2, 2);
    for (peer, position, time) in [(1, 3, 1000), (2, 6, 10)] {
        bench.hear(peer, Message::Unchoke);
        bench.hear(peer, have([position]));
        let request = bench.requests(peer)[0];
        bench.now += time * MS;
        bench.answer(peer, request);
    }
    bench.hear(1, have([4, 5]));
    bench.forget_sent();
    bench.hear(2, have([4, 5]));
    bench
}

#[test]
fn requests_that_wait_at_a_slow_neighbour_move_to_a_fast_one() {
    let mut bench = withdrawing();
    let withdrawn: Vec<u32> = bench
        .sent(1)
        .into_iter()
        .filter_map(|message| match message {
            Message::Withdraw { request } => Some(request),
            _ => None,
        })
        .collect();
    assert_eq!(withdrawn, [3, 2], "the newest first");
    assert!(
        bench.requests(2).is_empty(),
        "it is not known yet whether they have begun"
    );
    bench.hear(1, Message::Reject { request: 3 });
    assert_eq!(bench.requests(2).len(), 1);
    bench.swarm.check().unwrap();
    // The other one had begun.
    let begun = (
        2,
        ChunkId {
            round: 0,
            origin: 1,
            index: if asked(&bench, 2) == [5] { 1 } else { 2 },
        },
    );
    bench.answer(1, begun);
    bench.hear(1, Message::Reject { request: 2 });
    assert_eq!(bench.swarm.open_neighbours(), 2);
    assert_eq!(bench.requests(2).len(), 1, "nothing is asked twice");
    bench.swarm.check().unwrap();
}

#[test]
fn a_rejection_of_what_was_not_withdrawn_closes_the_link() {
    for request in [1, 9] {
        let mut bench = bench(3);
        bench.hear_metainfo(1, 1);
        bench.hear(1, have(3..6));
        bench.hear(1, Message::Unchoke);
        bench.hear(1, Message::Reject { request });
        assert_eq!(bench.disconnected(1), Some(Violation::Reject { request }));
        bench.swarm.check().unwrap();
    }
}

/// Metainfos sent to a neighbour, and the bytes of all that was sent there.
fn told(bench: &Solo, peer: u32) -> (usize, u32) {
    let sent = bench.sent(peer);
    let metainfos = sent.iter().filter(|it| matches!(it, Message::Metainfo(_)));
    (metainfos.count(), sent.iter().map(Message::length).sum())
}

#[test]
fn what_thousands_of_origins_say_goes_out_as_a_neighbour_takes_it() {
    const PEERS: u32 = 5000;
    const AHEAD: u32 = 256 * 1024;
    let setup = Setup {
        peers: PEERS,
        chunks: 1,
        elements: 4,
        ..Setup::default()
    };
    let mut bench = setup.bench("tree").connected();
    bench.publish();
    for origin in 1..PEERS {
        bench.hear_metainfo(1, origin);
    }
    // Once as it comes, and once to a neighbour that comes back and knows nothing.
    for comes_back in [false, true] {
        if comes_back {
            let cut = Departure::Broken("cut".to_owned());
            bench.swarm.handle_disconnected(bench.now, 2, cut);
            bench.connect(2);
        }
        let (mut metainfos, mut steps) = (0, 0);
        loop {
            bench.swarm.check().unwrap();
            let (count, bytes) = told(&bench, 2);
            assert!(bytes < AHEAD + 2048, "{bytes} bytes wait for one neighbour");
            metainfos += count;
            if bench.fences(2) == 0 {
                break;
            }
            assert_eq!(bench.fences(2), 1);
            steps += 1;
            bench.forget_sent();
            bench.drained(2);
        }
        assert_eq!(metainfos, PEERS as usize, "each is told once");
        assert!(steps > 1);
        bench.forget_sent();
        // Nobody is heard of twice.
        bench.drained(2);
        assert_eq!(bench.sent(2), []);
    }
}

#[test]
fn haves_wait_for_a_neighbour_that_does_not_take_its_messages() {
    let setup = Setup {
        peers: 2400,
        chunks: 1,
        elements: 4,
        ..Setup::default()
    };
    let mut bench = setup.bench("tree").connected();
    bench.publish();
    for origin in 1..2400 {
        bench.hear_metainfo(1, origin);
    }
    assert_eq!(bench.fences(2), 1);
    bench.forget_sent();
    bench.hear(1, have([7, 8]));
    bench.hear(1, Message::Unchoke);
    for request in bench.requests(1) {
        bench.answer(1, request);
    }
    bench.pass(Duration::from_secs(5));
    let is_have = |message: &Message| matches!(message, Message::Have { .. });
    assert!(!bench.sent(2).iter().any(is_have));
    bench.drained(2);
    let haves: Vec<Message> = bench.sent(2).into_iter().filter(is_have).collect();
    assert_eq!(haves, [have([7, 8])]);
    bench.swarm.check().unwrap();
}
