//! What a neighbour could say that is not so, and what becomes of it: either nothing, or its link is closed and the
//! reason reported. With a second path the peers complete in any case.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use fltorrent_swarm::{
    ChunkId, Config, Departure, Failure, Hello, HelloMismatch, Message, Metainfo, Miscount, Notice, OriginCounts,
    PieceHeader, Signed, Verifier, Violation,
    message::DecodeError,
    test_utils::{KeyedVerifier, Outcome, Solo, origin_data, origin_metainfo, sign},
};
use support::{LONG, Setup};

/// Changes one thing of what is true.
type Lie<T> = fn(&mut T);

/// Peer 0 of four, with neighbours 1, 2 and 3.
fn bench() -> Solo {
    let setup = Setup {
        peers: 4,
        chunks: 3,
        elements: 12,
        rounds: 4,
        ..Setup::default()
    };
    setup.bench("star")
}

/// A neighbour's violation, the only one, after which the link is closed.
fn closes(bench: &mut Solo, message: Message) -> Violation {
    bench.hear(1, message);
    assert_eq!(bench.swarm.open_neighbours(), 2, "the other links stay");
    assert_eq!(bench.swarm.stats().violations, 1);
    bench.swarm.check().unwrap();
    bench.disconnected(1).expect("the link is closed")
}

#[test]
fn the_first_message_must_be_a_hello() {
    let mut bench = bench();
    bench.connect_silently(1);
    bench.connect(2);
    bench.connect(3);
    assert_eq!(closes(&mut bench, Message::Interested), Violation::NoHello);
}

#[test]
fn a_second_hello_closes_the_link() {
    let mut bench = bench().connected();
    let hello = bench.hello(1);
    assert_eq!(closes(&mut bench, Message::Hello(hello)), Violation::SecondHello);
}

#[test]
fn each_field_of_a_hello_must_fit() {
    let lies: [(Lie<Hello>, &str); 7] = [
        (
            |it| it.run = [8; 16],
            "it belongs to run 08080808080808080808080808080808, this peer to 07070707070707070707070707070707",
        ),
        (|it| it.attempt = 3, "it belongs to attempt 3, this peer to 0"),
        (
            |it| it.peer = 2,
            "it says that it is peer 2, its connection belongs to peer 1",
        ),
        (|it| it.plan[0] = 0xaa, "its plan's hash is aa01"),
        (|it| it.data[0] = 0xbb, "its data's hash is bb02"),
        (
            |it| it.first_round = 4,
            "it starts with round 5, this peer with round 1; resume",
        ),
        (|it| it.model[0] = 0xcc, "the model that it starts from has hash cc03"),
    ];
    for (lie, reason) in lies {
        let mut bench = bench();
        bench.connect_silently(1);
        bench.connect(2);
        bench.connect(3);
        let mut hello = bench.hello(1);
        lie(&mut hello);
        let violation = closes(&mut bench, Message::Hello(hello));
        assert!(matches!(violation, Violation::Hello(_)), "{violation:?}");
        assert!(violation.to_string().starts_with(reason), "{violation}");
    }
}

#[test]
fn a_neighbour_of_another_plan_counts_as_lost_with_that_reason_however_often_it_comes_back() {
    let mut bench = bench().connected();
    bench
        .swarm
        .handle_disconnected(bench.now, 1, Departure::Broken("cut".to_owned()));
    let mut failure = None;
    for _ in 0..100 {
        bench.pass(Duration::from_millis(500));
        bench.connect_silently(1);
        let hello = Hello {
            plan: [9; 32],
            ..bench.hello(1)
        };
        bench.hear(1, Message::Hello(hello));
        failure = bench.failure();
        if failure.is_some() {
            break;
        }
    }
    let Some(Failure::Lost { peer: 1, why, .. }) = failure else {
        panic!("{failure:?}");
    };
    assert!(why.starts_with("its plan's hash is 0909"), "{why}");
}

#[test]
fn a_neighbour_that_connects_and_says_nothing_counts_as_lost() {
    let mut bench = bench();
    bench.connect(2);
    bench.connect(3);
    bench.pass(Duration::from_secs(20));
    bench.connect_silently(1);
    bench.pass(Duration::from_secs(9));
    assert_eq!(bench.failure(), None);
    bench.pass(Duration::from_secs(2));
    let Some(Failure::Lost { peer: 1, why, .. }) = bench.failure() else {
        panic!("not lost");
    };
    assert_eq!(why, "it was connected, but sent no hello");
}

#[test]
fn bytes_that_are_no_message_close_the_link() {
    let mut bench = bench().connected();
    bench.swarm.handle_garbage(bench.now, 1, DecodeError::UnknownId(99));
    bench.drain();
    assert_eq!(
        bench.disconnected(1),
        Some(Violation::Decode(DecodeError::UnknownId(99)))
    );
}

#[test]
fn rounds_that_nobody_can_be_in_close_the_link() {
    let messages: [fn(u32) -> Message; 4] = [
        |round| Message::Complete { round },
        |round| Message::Have {
            round,
            positions: vec![0],
        },
        |round| Message::Bitfield {
            round,
            held: fltorrent_swarm::Bitfield::new(12),
        },
        |round| Message::Request {
            request: 1,
            chokes: 0,
            chunk: ChunkId {
                round,
                origin: 0,
                index: 0,
            },
        },
    ];
    for message in messages {
        for round in [2, 3, 4, u32::MAX] {
            let mut bench = bench().connected();
            let violation = closes(&mut bench, message(round));
            assert_eq!(
                violation,
                Violation::FutureRound {
                    found: round,
                    current: 0
                }
            );
        }
    }
    let mut bench = bench().connected();
    let metainfo = sign(1, &origin_metainfo(&bench.config, 2, 1));
    assert_eq!(
        closes(&mut bench, Message::Metainfo(metainfo)),
        Violation::FutureRound { found: 2, current: 0 }
    );
}

#[test]
fn the_next_round_is_kept_for_later() {
    let mut bench = bench().connected();
    let metainfo = sign(1, &origin_metainfo(&bench.config, 1, 1));
    bench.hear(1, Message::Metainfo(metainfo.clone()));
    bench.hear(
        1,
        Message::Have {
            round: 1,
            positions: vec![3, 4, 5],
        },
    );
    assert!(
        bench.sent(2).contains(&Message::Metainfo(metainfo)),
        "it is flooded at once"
    );
    bench.hear(1, Message::Unchoke);
    assert!(
        bench.requests(1).is_empty(),
        "nothing is asked of a round that has not begun"
    );
    bench.complete_round(0);
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert_eq!(bench.requests(1).len(), 3);
}

#[test]
fn rounds_that_are_over_are_ignored() {
    let mut bench = bench().connected();
    for round in 0..2 {
        bench.complete_round(round);
        bench.swarm.begin_round(bench.now);
        bench.drain();
    }
    let before = *bench.swarm.stats();
    for message in [
        Message::Complete { round: 0 },
        Message::Have {
            round: 0,
            positions: vec![1],
        },
        Message::Metainfo(sign(1, &origin_metainfo(&bench.config, 0, 1))),
    ] {
        bench.hear(1, message);
    }
    assert_eq!(*bench.swarm.stats(), before);
    let chunk = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    bench.hear(
        1,
        Message::Request {
            request: 1,
            chokes: 0,
            chunk,
        },
    );
    assert_eq!(bench.swarm.stats().refused, before.refused + 1);
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

#[test]
fn a_have_of_what_it_has_not_is_asked_elsewhere_in_time() {
    let mut bench = bench().connected();
    bench.hear_metainfo(1, 3);
    bench.hear(
        1,
        Message::Have {
            round: 0,
            positions: vec![9],
        },
    );
    bench.hear(1, Message::Unchoke);
    assert_eq!(bench.requests(1).len(), 1);
    // An honest one comes long after the liar was given up, so that no timer of the first request is left.
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.requests(2).len(), 0);
    bench.hear(2, Message::Unchoke);
    bench.hear(
        2,
        Message::Have {
            round: 0,
            positions: vec![9],
        },
    );
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.requests(2).len(), 1);
    assert_eq!(bench.swarm.stats().overdue, 1);
    assert!(matches!(bench.notices()[..], [Notice::Overdue { from: 1, .. }]));
    assert_eq!(bench.swarm.open_neighbours(), 3, "it may only be slow");
}

#[test]
fn a_cancel_of_nothing_is_ignored() {
    let mut bench = bench().connected();
    for request in [0, 1, u32::MAX] {
        bench.hear(1, Message::Cancel { request });
    }
    assert_eq!(bench.swarm.open_neighbours(), 3);
    bench.swarm.check().unwrap();
}

#[test]
fn requests_of_a_choked_neighbour_and_for_what_is_not_held_are_refused() {
    let mut bench = bench().connected();
    bench.publish();
    let own = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    bench.hear(
        1,
        Message::Request {
            request: 1,
            chokes: 0,
            chunk: own,
        },
    );
    assert_eq!(bench.swarm.stats().refused, 1, "links start choked");
    bench.hear(1, Message::Interested);
    assert!(bench.sent(1).contains(&Message::Unchoke));
    let other = ChunkId { origin: 2, ..own };
    bench.hear(
        1,
        Message::Request {
            request: 2,
            chokes: 0,
            chunk: other,
        },
    );
    bench.hear(
        1,
        Message::Request {
            request: 3,
            chokes: 5,
            chunk: own,
        },
    );
    assert_eq!(bench.swarm.stats().refused, 3);
    assert!(bench.uploads(1).is_empty());
    bench.hear(
        1,
        Message::Request {
            request: 4,
            chokes: 0,
            chunk: own,
        },
    );
    assert_eq!(bench.uploads(1), [(4, own)]);
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

#[test]
fn request_ids_must_ascend() {
    let own = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    for second in [0, 4, 5] {
        let mut bench = bench().connected();
        bench.publish();
        bench.hear(1, Message::Interested);
        bench.hear(
            1,
            Message::Request {
                request: 5,
                chokes: 0,
                chunk: own,
            },
        );
        let again = Message::Request {
            request: second,
            chokes: 0,
            chunk: own,
        };
        assert_eq!(
            closes(&mut bench, again),
            Violation::RequestOrder { found: second, last: 5 }
        );
    }
}

#[test]
fn a_flood_of_requests_closes_the_link() {
    let mut bench = bench().connected();
    bench.publish();
    bench.hear(1, Message::Interested);
    let own = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    // One is being sent, 128 wait.
    for request in 1..=129 {
        bench.hear(
            1,
            Message::Request {
                request,
                chokes: 0,
                chunk: own,
            },
        );
        bench.swarm.check().unwrap();
    }
    assert_eq!(bench.swarm.open_neighbours(), 3);
    let last = Message::Request {
        request: 130,
        chokes: 0,
        chunk: own,
    };
    assert_eq!(closes(&mut bench, last), Violation::Flood(128));
}

#[test]
fn metainfos_that_do_not_hold_close_the_link() {
    let lies: [(Lie<Metainfo>, u32, &str); 5] = [
        (|it| it.origin = 4, 4, "there is no such peer"),
        (|it| it.run = [1; 16], 2, "it belongs to another run"),
        (|it| it.attempt = 1, 2, "it belongs to another run"),
        (|_| {}, 3, "the certificate is another origin's"),
        (|it| it.origin = 3, 2, "the certificate is another origin's"),
    ];
    for (lie, signer, reason) in lies {
        let mut bench = bench().connected();
        let mut metainfo = origin_metainfo(&bench.config, 0, 2);
        lie(&mut metainfo);
        let message = Message::Metainfo(sign(signer, &metainfo));
        let Violation::Metainfo { origin, why } = closes(&mut bench, message) else {
            panic!("{reason} was not seen");
        };
        assert_eq!((origin, why.as_str()), (metainfo.origin, reason));
        assert_eq!(bench.swarm.metainfo(2), None, "nothing of it is kept");
    }
}

#[test]
fn a_metainfo_with_a_changed_signature_or_body_closes_the_link() {
    let mut bench = bench().connected();
    let mut signed = sign(2, &origin_metainfo(&bench.config, 0, 2));
    signed.signature = Bytes::from_static(&[0; 32]);
    let violation = closes(&mut bench, Message::Metainfo(signed));
    assert_eq!(
        violation.to_string(),
        "it sent a metainfo of origin 2 that does not hold: the signature is not the origin's"
    );
    // Also when the origin's true metainfo is known already.
    let mut bench = self::bench().connected();
    bench.hear_metainfo(2, 2);
    let mut signed = sign(2, &origin_metainfo(&bench.config, 0, 2));
    let mut body = signed.body.to_vec();
    body[36] ^= 1;
    signed.body = body.into();
    assert!(matches!(
        closes(&mut bench, Message::Metainfo(signed)),
        Violation::Metainfo { origin: 2, .. }
    ));
}

#[test]
fn a_metainfo_with_a_wrong_number_of_chunks_closes_the_link() {
    let mut bench = bench().connected();
    let mut metainfo = origin_metainfo(&bench.config, 0, 2);
    metainfo.hashes.pop();
    assert_eq!(
        closes(&mut bench, Message::Metainfo(sign(2, &metainfo))),
        Violation::Decode(DecodeError::ChunkCount { found: 2, expected: 3 })
    );
}

/// Peer 0 of four that knows what each origin has to sign: what an honest one does here.
fn counting() -> Solo {
    let counts = (1..5).map(|samples| OriginCounts {
        samples,
        evaluated: 100,
    });
    let config = Config {
        counts: Some(counts.collect()),
        ..bench().config
    };
    Solo::of(config).connected()
}

#[test]
fn counts_that_the_plan_does_not_give_end_the_run_with_their_origins_signature() {
    // 2^60 samples would replace everybody's model by the liar's.
    let lies: [(u32, Lie<Metainfo>, &str); 4] = [
        (
            0,
            |it| it.samples = 1 << 60,
            "peer 2 signed training on 1152921504606846976 samples; the plan gives it 3 in round 0",
        ),
        (
            0,
            |it| it.samples = u64::MAX,
            "peer 2 signed training on 18446744073709551615 samples",
        ),
        (
            0,
            |it| it.evaluation.total = 100,
            "peer 2 signed an evaluation on 100 test samples; the plan gives it 0 in round 0",
        ),
        (
            1,
            |it| it.evaluation.total = 101,
            "peer 2 signed an evaluation on 101 test samples; the plan gives it 100 in round 1",
        ),
    ];
    for (round, lie, words) in lies {
        let mut bench = counting();
        let mut metainfo = origin_metainfo(&bench.config, round, 2);
        lie(&mut metainfo);
        let signed = sign(2, &metainfo);
        // The neighbour that passes it on is not at fault, nor is it asked for anything of it.
        bench.hear(1, Message::Metainfo(signed.clone()));
        let Some(failure @ Failure::Miscount { origin: 2, .. }) = bench.failure() else {
            panic!("{words}: {:?}", bench.failure());
        };
        assert!(failure.to_string().starts_with(words), "{failure}");
        assert_eq!(bench.swarm.stats().violations, 0);
        assert_eq!(bench.swarm.metainfo(2), None);
        let frame = Message::Metainfo(signed.clone()).encode();
        let digits: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(failure.proof(), Some(digits));
        for other in [2, 3] {
            assert_eq!(bench.sent(other), [Message::Metainfo(signed.clone())]);
        }
    }
    let mut bench = counting();
    for origin in 1..4 {
        bench.hear_metainfo(1, origin);
    }
    bench.publish();
    assert_eq!((bench.failure(), bench.swarm.open_neighbours()), (None, 3));
}

#[test]
fn a_peer_whose_own_counts_are_wrong_tells_nobody() {
    let mut bench = counting();
    let wrong = Metainfo {
        samples: 2,
        ..origin_metainfo(&bench.config, 0, 0)
    };
    bench.swarm.publish(bench.now, sign(0, &wrong));
    bench.drain();
    let miscount = Miscount::Samples { found: 2, expected: 1 };
    assert_eq!(bench.failure(), Some(Failure::Miscounted(miscount)));
    assert_eq!(bench.sent(1), []);
}

#[test]
fn models_that_differ_end_the_run_when_the_round_is_complete() {
    let mut bench = bench().connected();
    bench.publish();
    for origin in [1, 2] {
        bench.hear_metainfo(1, origin);
    }
    let other = Metainfo {
        base: [7; 32],
        ..origin_metainfo(&bench.config, 0, 3)
    };
    bench.hear(1, Message::Metainfo(sign(3, &other)));
    bench.hear(1, Message::Complete { round: 0 });
    bench.hear(1, Message::Unchoke);
    while !bench.swarm.held().is_full() {
        let asked = bench.requests(1);
        bench.forget_sent();
        for request in asked {
            bench.answer(1, request);
        }
    }
    let failure = bench.failure().unwrap();
    let own = sign(0, &origin_metainfo(&bench.config, 0, 0));
    assert_eq!(failure, models_differ(own.clone(), sign(3, &other)));
    let frames = [own, sign(3, &other)].map(|it| Message::Metainfo(it).encode());
    let digits: String = frames.concat().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(failure.proof(), Some(digits));
    assert!(!bench.completed(0), "such a round is not aggregated");
    let words = "peer 3 trained round 0 from model 070707070707, this peer from 000000000000";
    assert!(failure.to_string().starts_with(words), "{failure}");
}

/// Origin 3 trained from another model than this peer.
fn models_differ(own: Signed, other: Signed) -> Failure {
    Failure::ModelsDiffer {
        origin: 3,
        round: 0,
        theirs: [7; 32],
        ours: [0; 32],
        proof: Box::new([own, other]),
    }
}

/// Whoever is complete first sees it first and leaves with a word; the others have the signatures, if not all chunks.
#[test]
fn models_that_differ_are_seen_by_who_hears_of_the_end_before_its_round_is_complete() {
    let mut bench = bench().connected();
    bench.publish();
    let other = Metainfo {
        base: [7; 32],
        ..origin_metainfo(&bench.config, 0, 3)
    };
    bench.hear(1, Message::Metainfo(sign(3, &other)));
    assert_eq!(bench.failure(), None);
    let word = Departure::Failed("peer 1 failed: whatever it says".to_owned());
    bench.swarm.handle_disconnected(bench.now, 1, word);
    bench.drain();
    let own = sign(0, &origin_metainfo(&bench.config, 0, 0));
    assert_eq!(bench.failure(), Some(models_differ(own, sign(3, &other))));
}

/// Peer 0 in round 1, which neighbour 1 has helped it to; 2 and 3 have not said that they have completed round 0.
fn ahead_of_two() -> (Solo, Signed) {
    let mut bench = bench().connected();
    bench.complete_round(0);
    bench.swarm.begin_round(bench.now);
    bench.drain();
    bench.forget_sent();
    let early = sign(1, &origin_metainfo(&bench.config, 2, 1));
    (bench, early)
}

/// They would take it for a lie of this peer, close its link, and call it lost in the end.
#[test]
fn a_metainfo_that_comes_too_early_is_not_passed_on_to_who_could_not_take_it() {
    let (mut bench, early) = ahead_of_two();
    let message = Message::Metainfo(early.clone());
    bench.hear(1, message.clone());
    assert!(!bench.sent(2).contains(&message));
    // Not after a reconnect either.
    let cut = Departure::Broken("cut".to_owned());
    bench.swarm.handle_disconnected(bench.now, 2, cut);
    bench.connect(2);
    assert!(!bench.sent(2).contains(&message));
    bench.hear(2, Message::Complete { round: 0 });
    assert!(bench.sent(2).contains(&message));
    assert!(!bench.sent(3).contains(&message));
    // Once this peer's own round is complete, everybody has completed the one before.
    bench.complete_round(1);
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert_eq!(bench.sent(2), []);
    assert!(bench.sent(3).contains(&message));
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

/// A neighbour that had no room was not told of the first one; with the second one alone it would have no proof.
#[test]
fn a_neighbour_that_had_no_room_gets_both_of_two_metainfos_that_differ() {
    let setup = Setup {
        peers: 3000,
        chunks: 1,
        elements: 4,
        ..Setup::default()
    };
    let mut bench = setup.bench("tree").connected();
    for origin in 1..3000 {
        bench.hear_metainfo(1, origin);
    }
    assert_eq!(bench.fences(2), 1);
    let first = origin_metainfo(&bench.config, 0, 2999);
    let second = Metainfo {
        samples: 77,
        ..first.clone()
    };
    let both = [first, second].map(|it| Message::Metainfo(sign(2999, &it)));
    assert!(!bench.sent(2).contains(&both[0]));
    bench.forget_sent();
    bench.hear(1, both[1].clone());
    assert_eq!(bench.sent(2), both);
}

#[test]
fn a_conviction_of_the_next_round_is_not_shown_to_who_could_not_take_it() {
    let (mut bench, early) = ahead_of_two();
    bench.hear(2, Message::Complete { round: 0 });
    let other = Metainfo {
        samples: 77,
        ..origin_metainfo(&bench.config, 2, 1)
    };
    bench.hear(1, Message::Metainfo(early.clone()));
    bench.hear(1, Message::Metainfo(sign(1, &other)));
    assert!(matches!(bench.failure(), Some(Failure::Equivocation { origin: 1, .. })));
    let both = [early, sign(1, &other)].map(Message::Metainfo);
    assert_eq!(bench.sent(2), both);
    assert_eq!(bench.sent(3), []);
}

#[test]
fn nobody_else_makes_this_peers_update() {
    let mut bench = bench().connected();
    let other = Metainfo {
        samples: 77,
        ..origin_metainfo(&bench.config, 0, 0)
    };
    bench.hear(1, Message::Metainfo(sign(0, &other)));
    assert_eq!(bench.swarm.metainfo(0), None);
    bench.publish();
    assert_eq!(bench.swarm.metainfo(0).map(|own| own.samples), Some(1));
    assert_eq!(bench.swarm.held().count(), 3);
}

/// Neighbour 1 has origin 3's update, and this peer has asked for it.
fn asked() -> (Solo, u32, ChunkId) {
    let mut bench = bench().connected();
    bench.hear_metainfo(1, 3);
    bench.hear(
        1,
        Message::Have {
            round: 0,
            positions: vec![9, 10],
        },
    );
    bench.hear(1, Message::Unchoke);
    let (request, chunk) = bench.requests(1)[0];
    (bench, request, chunk)
}

#[test]
fn a_piece_other_than_asked_for_closes_the_link() {
    let (_, request, chunk) = asked();
    let honest = PieceHeader {
        request,
        chunk,
        length: 16,
    };
    for header in [
        PieceHeader { length: 15, ..honest },
        PieceHeader {
            length: u32::MAX,
            ..honest
        },
        PieceHeader {
            chunk: ChunkId {
                index: (chunk.index + 1) % 3,
                ..chunk
            },
            ..honest
        },
        PieceHeader {
            chunk: ChunkId { round: 1, ..chunk },
            ..honest
        },
        PieceHeader {
            chunk: ChunkId {
                origin: u32::MAX,
                ..chunk
            },
            ..honest
        },
        PieceHeader { request: 0, ..honest },
        PieceHeader { request: 3, ..honest },
        PieceHeader {
            request: u32::MAX,
            ..honest
        },
    ] {
        let (mut bench, ..) = asked();
        let verdict = bench.swarm.handle_piece_header(1, &header);
        assert_eq!(verdict, None, "{header:?}");
        bench.drain();
        let request = header.request;
        assert_eq!(bench.disconnected(1), Some(Violation::Piece { request }));
        assert_eq!(bench.swarm.stats().unrequested, 1);
        bench.swarm.check().unwrap();
        // The chunks are asked of the next one that has them.
        bench.hear(2, Message::Unchoke);
        bench.hear(
            2,
            Message::Have {
                round: 0,
                positions: vec![9, 10],
            },
        );
        assert_eq!(bench.requests(2).len(), 2);
    }
    let (mut bench, ..) = asked();
    let hash = *blake3::hash(&origin_data(&bench.config.layout, chunk)).as_bytes();
    assert_eq!(bench.swarm.handle_piece_header(1, &honest), Some(hash));
}

#[test]
fn a_second_beginning_of_a_piece_that_is_being_read_closes_the_link() {
    let (mut bench, request, chunk) = asked();
    let header = PieceHeader {
        request,
        chunk,
        length: bench.config.layout.bytes(chunk.index),
    };
    let verdict = bench.swarm.handle_piece_header(1, &header);
    assert!(verdict.is_some());
    let verdict = bench.swarm.handle_piece_header(1, &header);
    bench.drain();
    assert_eq!(verdict, None);
    assert_eq!(bench.disconnected(1), Some(Violation::PieceTwice { request }));
    assert_eq!(bench.swarm.open_neighbours(), 2);
    bench.swarm.check().unwrap();
}

#[test]
fn a_piece_that_was_withdrawn_on_its_way_is_nobodys_fault() {
    let (mut bench, request, chunk) = asked();
    bench.hear(
        1,
        Message::Choke {
            last_started: 0,
            skipped: Vec::new(),
        },
    );
    let header = PieceHeader {
        request,
        chunk,
        length: 16,
    };
    assert_eq!(bench.swarm.handle_piece_header(1, &header), None);
    assert_eq!(bench.swarm.open_neighbours(), 3);
    assert_eq!(bench.swarm.handle_piece(bench.now, 1, &header, Ok(())), None);
    assert_eq!(bench.swarm.stats().duplicate, 16);
    assert_eq!(bench.swarm.held().count(), 0);
}

#[test]
fn pieces_from_nobody_are_stopped() {
    let (mut bench, request, chunk) = asked();
    let header = PieceHeader {
        request,
        chunk,
        length: 16,
    };
    assert_eq!(bench.swarm.handle_piece_header(77, &header), None);
    assert_eq!(bench.swarm.handle_piece(bench.now, 77, &header, Ok(())), None);
    bench.swarm.handle_message(bench.now, 77, Message::Unchoke);
    bench.drain();
    assert_eq!(bench.swarm.open_neighbours(), 3);
}

#[test]
fn nan_and_infinity_name_their_origin() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bench = bench().connected();
        let mut metainfo = origin_metainfo(&bench.config, 0, 3);
        let data: Vec<u8> = [1.0, bad, 2.0, 3.0]
            .iter()
            .flat_map(|it: &f32| it.to_le_bytes())
            .collect();
        metainfo.hashes[0] = *blake3::hash(&data).as_bytes();
        bench.hear(1, Message::Metainfo(sign(3, &metainfo)));
        bench.hear(
            1,
            Message::Have {
                round: 0,
                positions: vec![9],
            },
        );
        bench.hear(1, Message::Unchoke);
        bench.answer_with(1, bench.requests(1)[0], &data);
        assert_eq!(bench.failure(), Some(Failure::NotFinite { origin: 3, round: 0 }));
    }
}

#[test]
fn a_wrong_piece_makes_its_sender_wait_a_second_then_two_then_four() {
    let (mut bench, mut request, chunk) = asked();
    // Only this chunk is in play.
    bench.answer(1, bench.requests(1)[1]);
    for (turn, seconds) in [1, 2, 4, 8, 16, 32, 64, 64].into_iter().enumerate() {
        bench.answer_with(1, (request, chunk), &[7; 16]);
        bench.forget_sent();
        assert_eq!(bench.swarm.stats().corrupt, turn as u64 + 1);
        bench.pass(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert!(bench.requests(1).is_empty(), "asked before {seconds} s were over");
        bench.pass(Duration::from_millis(1));
        assert_eq!(
            bench.requests(1).len(),
            1,
            "the only path is asked again after {seconds} s"
        );
        request = bench.requests(1)[0].0;
    }
    bench.answer(1, (request, chunk));
    assert_eq!(bench.swarm.held().count(), 2);
}

#[test]
fn a_burst_of_wrong_pieces_makes_one_penalty() {
    let (mut bench, ..) = asked();
    for request in bench.requests(1) {
        bench.answer_with(1, request, &[7; 16]);
    }
    bench.forget_sent();
    bench.pass(Duration::from_secs(1));
    let [request] = bench.requests(1)[..] else {
        panic!("one request at a time until a piece is right");
    };
    bench.answer(1, request);
    assert_eq!(bench.requests(1).len(), 2);
}

#[test]
fn a_wrong_piece_is_asked_elsewhere_at_once() {
    let (mut bench, request, chunk) = asked();
    bench.hear(2, Message::Unchoke);
    bench.hear(
        2,
        Message::Have {
            round: 0,
            positions: vec![9, 10],
        },
    );
    assert!(bench.requests(2).is_empty(), "one owner a chunk");
    bench.answer_with(1, (request, chunk), &[7; 16]);
    assert_eq!(bench.notices(), [Notice::Corrupt { from: 1, chunk }]);
    assert_eq!(bench.requests(2).iter().map(|it| it.1).collect::<Vec<_>>(), [chunk]);
}

#[test]
fn a_neighbour_that_says_it_is_complete_and_is_not_gets_the_rest_on_another_path() {
    let setup = Setup::default();
    let mut network = setup.network("ring");
    network.check_always();
    network.run_until(Duration::from_millis(15));
    network.inject(3, 4, Message::Complete { round: 0 });
    network.run_until(Duration::from_millis(30));
    network.disconnect(3, 4);
    assert!(network.run(LONG));
    setup.assert_complete(&network);
}

/// Runs a ring of eight with one lie of peer 3 to peer 4; whatever the lie was, everybody completes.
fn tell_in_a_ring(message: Message, is_violation: bool) {
    let setup = Setup::default();
    for moment in [15, 30, 60, 100] {
        let mut network = setup.network("ring");
        network.check_always();
        network.run_until(Duration::from_millis(moment));
        network.inject(3, 4, message.clone());
        assert!(network.run(LONG), "{message:?} at {moment} ms wedged the ring");
        setup.assert_complete(&network);
        if is_violation {
            assert_eq!(network.stats(4).violations, 1, "{message:?} at {moment} ms");
        }
        for node in 0..8 {
            assert_eq!(network.outcome(node), &Outcome::Left);
        }
    }
}

#[test]
fn a_ring_completes_after_every_violation() {
    let setup = Setup::default();
    let config = setup.config(3, &support::edges("ring", 8));
    let forged = Metainfo {
        samples: 77,
        ..origin_metainfo(&config, 0, 5)
    };
    let forged = sign(3, &forged);
    let chunk = ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    };
    for message in [
        Message::Hello(config.hello.clone()),
        Message::Complete { round: 9 },
        Message::Metainfo(forged),
        Message::Request {
            request: 0,
            chokes: 0,
            chunk,
        },
    ] {
        tell_in_a_ring(message, true);
    }
}

#[test]
fn a_ring_completes_after_lies_that_break_no_rule() {
    let everything = (0..48).collect();
    for message in [
        Message::Have {
            round: 0,
            positions: everything,
        },
        Message::Choke {
            last_started: 0,
            skipped: Vec::new(),
        },
        Message::Unchoke,
        Message::NotInterested,
        Message::Cancel { request: 1 },
    ] {
        tell_in_a_ring(message, false);
    }
}

#[test]
fn hello_mismatches_have_a_type_each() {
    let mut bench = bench();
    bench.connect_silently(1);
    let hello = Hello {
        attempt: 5,
        ..bench.hello(1)
    };
    bench.hear(1, Message::Hello(hello));
    assert_eq!(
        bench.disconnected(1),
        Some(Violation::Hello(HelloMismatch::Attempt { found: 5, expected: 0 }))
    );
}

/// The link state with which a process of a peer says that it catches up, signed by `signer`.
fn catches_up(peer: u32, incarnation: u32, signer: u32) -> Message {
    let numbers = |numbers: &[u32]| -> Vec<u8> { numbers.iter().flat_map(|it| it.to_be_bytes()).collect() };
    let body = [
        // Version and kind.
        vec![4, 0],
        vec![7; 16],
        // Attempt, peer, incarnation, sequence.
        numbers(&[0, peer, incarnation, 1]),
        vec![1],
        // Takes part from, gives from, and four empty lists.
        numbers(&[0, u32::MAX, 0, 0, 0, 0]),
    ];
    Message::Statement(KeyedVerifier { me: signer }.sign(body.concat().into()).unwrap())
}

fn bench_that_goes_on() -> Solo {
    let setup = Setup {
        peers: 4,
        chunks: 3,
        elements: 12,
        rounds: 4,
        goes_on: true,
        ..Setup::default()
    };
    setup.bench("star")
}

#[test]
fn a_process_ends_that_sees_its_successors_signature_and_no_other() {
    let mut bench = bench_that_goes_on().connected();
    bench.hear(1, catches_up(0, 0, 0));
    assert_eq!(bench.failure(), None, "what itself says is nothing new");
    let violation = {
        let mut bench = bench_that_goes_on().connected();
        closes(&mut bench, catches_up(0, 1, 2))
    };
    assert!(matches!(violation, Violation::Statement { of: 0, .. }), "{violation:?}");
    bench.hear(1, catches_up(0, 1, 0));
    assert_eq!(bench.failure(), Some(Failure::Superseded { own: 0, latest: 1 }));
}

#[test]
fn an_earlier_process_gets_to_see_its_successor_and_is_not_let_in() {
    let mut bench = bench_that_goes_on().connected();
    let successor = catches_up(1, 1, 1);
    bench.hear(2, successor.clone());
    let cut = Departure::Broken("cut".to_owned());
    bench.swarm.handle_disconnected(bench.now, 1, cut);
    bench.drain();
    bench.connect_silently(1);
    bench.forget_sent();
    let hello = bench.hello(1);
    bench.hear(1, Message::Hello(hello.clone()));
    let superseded = HelloMismatch::Superseded { found: 0, latest: 1 };
    assert_eq!(bench.disconnected(1), Some(Violation::Hello(superseded)));
    assert!(bench.sent(1).contains(&successor));
    // The later one is let in.
    bench.connect_silently(1);
    bench.hear(
        1,
        Message::Hello(Hello {
            incarnation: 1,
            ..hello
        }),
    );
    assert_eq!(bench.swarm.open_neighbours(), 3);
    bench.swarm.check().unwrap();
}
