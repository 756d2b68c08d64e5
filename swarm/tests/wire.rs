//! The wire form, pinned in hex, and what becomes of bytes that are almost right.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::Bytes;
use fltorrent_swarm::{
    Bitfield, ChunkId, EvaluationCounts, Hello, Message, Metainfo, PieceHeader, Signed, fuzzing,
    message::{DecodeError, FrameDecoder, Limits},
};

/// Three peers of three chunks: nine positions.
const LIMITS: Limits = Limits { peers: 3, chunks: 3 };

const CHUNK: ChunkId = ChunkId {
    round: 2,
    origin: 1,
    index: 0,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn metainfo() -> Metainfo {
    Metainfo {
        run: [0x11; 16],
        attempt: 1,
        round: 2,
        origin: 1,
        incarnation: 5,
        samples: 300,
        evaluation: EvaluationCounts {
            correct: 9,
            total: 10,
            loss_sum: 1.5,
        },
        base: [0x22; 32],
        folded: [0x66; 32],
        hashes: vec![[0x33; 32], [0x44; 32], [0x55; 32]],
    }
}

/// Version, run, attempt, round, origin, incarnation, samples, correct, total, loss sum, base, folded, count, hashes.
const METAINFO: &str = "
    03 11111111111111111111111111111111 00000001 00000002 00000001 00000005 000000000000012c
    00000009 0000000a 3ff8000000000000
    2222222222222222222222222222222222222222222222222222222222222222
    6666666666666666666666666666666666666666666666666666666666666666
    00000003
    3333333333333333333333333333333333333333333333333333333333333333
    4444444444444444444444444444444444444444444444444444444444444444
    5555555555555555555555555555555555555555555555555555555555555555";

/// Length, id, request, round, origin, index, bytes that follow.
const PIECE_HEADER: &str = "00000015 07 00000005 00000002 00000001 00000000 00000400";

/// Every message with its frame.
fn vectors() -> Vec<(Message, Vec<u8>)> {
    let mut held = Bitfield::new(9);
    for position in [0, 3, 8] {
        held.insert(position);
    }
    let hello = Hello {
        run: [0x11; 16],
        attempt: 1,
        peer: 2,
        incarnation: 3,
        plan: [0x66; 32],
        data: [0x77; 32],
        first_round: 3,
        round: 4,
        catches_up: true,
        model: [0x88; 32],
    };
    let signed = Signed {
        body: metainfo().encode(),
        certificate: Bytes::from_static(&[0xca, 0xfe]),
        signature: Bytes::from_static(&[0x51, 0x60, 0x70]),
    };
    let table = [
        (
            Message::Choke {
                last_started: 7,
                skipped: vec![],
            },
            "00000005 00 00000007",
        ),
        (
            Message::Choke {
                last_started: 7,
                skipped: vec![3, 5],
            },
            "00000007 00 00000007 03 01",
        ),
        (Message::Withdraw { request: 5 }, "00000005 23 00000005"),
        (Message::Reject { request: 5 }, "00000005 10 00000005"),
        (Message::Unchoke, "00000001 01"),
        (Message::Interested, "00000001 02"),
        (Message::NotInterested, "00000001 03"),
        (
            Message::Have {
                round: 2,
                positions: vec![1, 8],
            },
            "00000007 04 00000002 01 06",
        ),
        (Message::Bitfield { round: 2, held }, "00000007 05 00000002 9080"),
        (
            Message::Request {
                request: 5,
                chokes: 1,
                chunk: CHUNK,
            },
            "00000015 06 00000005 00000001 00000002 00000001 00000000",
        ),
        (Message::Cancel { request: 5 }, "00000005 08 00000005"),
        (
            Message::Hello(hello),
            "00000088 20 0006 11111111111111111111111111111111 00000001 00000002 00000003
             6666666666666666666666666666666666666666666666666666666666666666
             7777777777777777777777777777777777777777777777777777777777777777
             00000003 00000004 01 8888888888888888888888888888888888888888888888888888888888888888",
        ),
        (Message::Complete { round: 2 }, "00000005 22 00000002"),
        (Message::Closed { round: 2 }, "00000005 24 00000002"),
    ];
    let mut vectors: Vec<_> = table.into_iter().map(|(message, text)| (message, hex(text))).collect();
    let metainfo = format!("000000ef 21 000000dd {METAINFO} 00000002 cafe 00000003 516070");
    vectors.push((Message::Metainfo(signed), hex(&metainfo)));
    let statement = Signed {
        body: Bytes::from_static(&[0x01, 0x00]),
        certificate: Bytes::from_static(&[0xca]),
        signature: Bytes::from_static(&[0x51]),
    };
    let frame = hex("00000011 25 00000002 0100 00000001 ca 00000001 51");
    vectors.push((Message::Statement(statement), frame));
    vectors
}

fn decode(frame: &[u8]) -> Option<Result<Message, DecodeError>> {
    let mut decoder = FrameDecoder::new(LIMITS);
    decoder.extend(frame);
    decoder.next()
}

#[test]
fn every_message_has_its_vector() {
    for (message, frame) in vectors() {
        assert_eq!(
            message.encode(),
            frame,
            "{message:?} is encoded as {:02x?}",
            &message.encode()[..]
        );
        assert_eq!(message.length() as usize, frame.len(), "{message:?}");
        assert_eq!(decode(&frame), Some(Ok(message)));
    }
}

#[test]
fn the_pieces_header_has_its_vector() {
    let header = PieceHeader {
        request: 5,
        chunk: CHUNK,
        length: 1024,
    };
    assert_eq!(header.encode(), hex(PIECE_HEADER));
    let frame: [u8; PieceHeader::LEN] = hex(PIECE_HEADER).try_into().unwrap();
    assert_eq!(PieceHeader::decode(&frame), Ok(header));
}

#[test]
fn the_metainfo_has_its_vector() {
    assert_eq!(metainfo().encode(), hex(METAINFO));
    assert_eq!(Metainfo::decode(&hex(METAINFO), 3), Ok(metainfo()));
}

#[test]
fn large_numbers_in_a_have_take_several_bytes() {
    let limits = Limits {
        peers: 1000,
        chunks: 1000,
    };
    let message = Message::Have {
        round: 0,
        positions: vec![127, 256, 999_999],
    };
    let frame = message.encode();
    assert_eq!(frame, hex("0000000b 04 00000000 7f 8001 be823d"));
    assert_eq!(Message::decode(&frame[4..], &limits), Ok(message));
}

#[test]
fn a_hello_of_another_version_is_refused_by_its_number_whatever_follows() {
    let version_one = hex("0000005b 20 0001 11111111111111111111111111111111 00000001 00000002
             6666666666666666666666666666666666666666666666666666666666666666
             7777777777777777777777777777777777777777777777777777777777777777");
    let Some(Err(error)) = decode(&version_one) else {
        panic!("it was accepted");
    };
    assert_eq!(error, DecodeError::ProtocolVersion { found: 1 });
    assert_eq!(
        error.to_string(),
        "a hello of protocol version 1, this peer speaks 6; run the same release everywhere"
    );
}

/// Each way of changing a byte that a table of single-byte errors needs.
fn changes(byte: u8) -> impl Iterator<Item = u8> {
    let flipped = (0..8).map(move |bit| byte ^ (1 << bit));
    [0, 1, 0x7f, 0x80, 0xff]
        .into_iter()
        .chain(flipped)
        .filter(move |&changed| changed != byte)
}

/// Every truncation, every changed byte, and trailing bytes of `vector`.
fn damaged(vector: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..vector.len()).map(|end| vector[..end].to_vec()).collect();
    for at in 0..vector.len() {
        for changed in changes(vector[at]) {
            let mut copy = vector.to_vec();
            copy[at] = changed;
            all.push(copy);
        }
    }
    for extra in [&[0][..], &[0xff], &[0; 40]] {
        all.push([vector, extra].concat());
    }
    all
}

#[test]
fn damaged_messages_are_errors_or_other_messages() {
    let limits = [LIMITS.peers as u8, LIMITS.chunks as u8];
    for (message, frame) in vectors() {
        let body = &frame[4..];
        for copy in damaged(body) {
            fuzzing::message(&[&limits, &copy[..]].concat());
            if let Ok(other) = Message::decode(&copy, &LIMITS) {
                assert_ne!(other, message);
            }
        }
        // A list can be cut between two numbers and stays one; a longer one has more numbers.
        if matches!(message, Message::Have { .. } | Message::Choke { .. }) {
            continue;
        }
        for end in 0..body.len() {
            let cut = Message::decode(&body[..end], &LIMITS);
            assert!(cut.is_err(), "{message:?} cut after {end} bytes is {cut:?}");
        }
        let longer = Message::decode(&[body, &[0]].concat(), &LIMITS);
        assert!(longer.is_err(), "{message:?} and a byte is {longer:?}");
    }
}

#[test]
fn damaged_streams_give_an_error_or_wait_for_more() {
    for (message, frame) in vectors() {
        for copy in damaged(&frame) {
            let stream = [&[LIMITS.peers as u8, LIMITS.chunks as u8, 3][..], &copy].concat();
            fuzzing::frames(&stream);
        }
        for end in 0..frame.len() {
            assert_eq!(decode(&frame[..end]), None, "{message:?} cut after {end}");
        }
    }
}

#[test]
fn damaged_piece_headers_are_errors_or_other_headers() {
    let whole = hex(PIECE_HEADER);
    for copy in damaged(&whole) {
        fuzzing::piece_header(&copy);
    }
    for (at, expected) in [
        (3, DecodeError::Length { found: 0x95, limit: 21 }),
        (4, DecodeError::UnknownId(0x87)),
    ] {
        let mut copy = whole.clone();
        copy[at] ^= 0x80;
        let frame: [u8; PieceHeader::LEN] = copy.try_into().unwrap();
        assert_eq!(PieceHeader::decode(&frame), Err(expected));
    }
}

#[test]
fn damaged_metainfos_are_errors_or_other_metainfos() {
    let whole = hex(METAINFO);
    for copy in damaged(&whole) {
        fuzzing::metainfo(&[&[3], &copy[..]].concat());
        if copy.len() != whole.len() {
            assert!(Metainfo::decode(&copy, 3).is_err());
        } else if let Ok(other) = Metainfo::decode(&copy, 3) {
            assert_ne!(other, metainfo());
        }
    }
}

#[test]
fn streams_are_cut_anywhere() {
    let stream: Vec<u8> = vectors().into_iter().flat_map(|(_, frame)| frame).collect();
    for step in 1..stream.len() {
        let mut decoder = FrameDecoder::new(LIMITS);
        let mut seen = Vec::new();
        for bytes in stream.chunks(step) {
            decoder.extend(bytes);
            while let Some(message) = decoder.next() {
                seen.push(message.unwrap());
            }
        }
        let expected: Vec<Message> = vectors().into_iter().map(|(message, _)| message).collect();
        assert_eq!(seen, expected, "in steps of {step}");
    }
}

#[test]
fn impossible_lengths_are_refused_before_their_bytes_come() {
    for (start, found) in [("00000000", 0), ("ffffffff", u32::MAX), ("00100000", 1 << 20)] {
        let Some(Err(DecodeError::Length { found: seen, limit })) = decode(&hex(start)) else {
            panic!("{start} was not refused");
        };
        assert_eq!(seen, found);
        assert!(limit < 8192, "a small plan has small messages, not {limit}");
    }
}

#[test]
fn each_message_has_a_longest_frame_of_its_own() {
    // Three peers of a million chunks: a metainfo may have 32 MB, nothing else may.
    let limits = Limits {
        peers: 3,
        chunks: 1_000_000,
    };
    for (id, limit) in [
        (0, 5 + 5 * 128),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 5 + 5 * 375_000),
        (5, 5 + 375_000),
        (6, 21),
        (8, 5),
        (16, 5),
        (32, 1025),
        (33, 1 + 12 + 125 + 32_000_000 + 4096 + 256),
        (34, 5),
        (35, 5),
        (36, 5),
        (37, 1 + 12 + 30 + 19 + 3 * (4 + 125_000) + 4096 + 256),
    ] {
        let begins = |length: u32| {
            let mut decoder = FrameDecoder::new(limits);
            decoder.extend(&length.to_be_bytes());
            decoder.extend(&[id]);
            decoder.next()
        };
        let too_long = DecodeError::Length {
            found: limit + 1,
            limit,
        };
        assert_eq!(begins(limit + 1), Some(Err(too_long)), "id {id}");
        if limit > 1 {
            assert_eq!(begins(limit), None, "id {id}");
        }
    }
    let longest = Message::Choke {
        last_started: u32::MAX,
        skipped: (0..128).map(|it| (it + 1) * 30_000_000).collect(),
    };
    assert_eq!(decode(&longest.encode()), Some(Ok(longest)));
}

#[test]
fn lists_are_no_longer_than_those_of_honest_peers() {
    let choke = Message::Choke {
        last_started: 200,
        skipped: (0..129).collect(),
    };
    assert_eq!(decode(&choke.encode()), Some(Err(DecodeError::TooMany(128))));
    // A bitfield of nine positions has two bytes, and says more than three positions.
    let have = Message::Have {
        round: 0,
        positions: vec![0, 4, 8],
    };
    assert_eq!(decode(&have.encode()), Some(Err(DecodeError::TooMany(2))));
}

#[test]
fn lengths_inside_a_metainfo_are_bounded() {
    // Body, certificate and signature, each longer than any can be, or than what follows.
    for (text, found) in [
        ("21 7fffffff", "Length"),
        ("21 00000000 00001001", "Length"),
        ("21 00000000 00000000 00000101", "Length"),
        ("21 000000dd 01", "Truncated"),
    ] {
        let error = Message::decode(&hex(text), &LIMITS).unwrap_err();
        assert!(format!("{error:?}").starts_with(found), "{text}: {error:?}");
    }
    let mut huge = hex(METAINFO);
    huge.truncate(125);
    huge[121..125].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(
        Metainfo::decode(&huge, 3),
        Err(DecodeError::ChunkCount {
            found: u32::MAX,
            expected: 3
        })
    );
    // A plan with as many chunks as the metainfo claims takes no memory for hashes that are not there.
    assert_eq!(Metainfo::decode(&huge, u32::MAX), Err(DecodeError::Truncated(125)));
}

#[test]
fn fields_that_the_plan_does_not_allow_are_refused() {
    let positions = || DecodeError::Positions(9);
    let no_chunk = |origin, index| DecodeError::NoSuchChunk {
        origin,
        index,
        peers: LIMITS.peers,
        chunks: LIMITS.chunks,
    };
    for (what, text, expected) in [
        ("a position past the end", "04 00000000 09", positions()),
        ("a sum past the end", "04 00000000 08 00", positions()),
        ("a sum that does not fit", "04 00000000 08 ffffffff0f", positions()),
        ("an overlong zero", "04 00000000 8000", DecodeError::Varint),
        ("an overlong one", "04 00000000 818000", DecodeError::Varint),
        ("more than 32 bits", "04 00000000 8080808010", DecodeError::Varint),
        ("more than five bytes", "04 00000000 808080808001", DecodeError::Varint),
        ("half a number", "04 00000000 80", DecodeError::Truncated(6)),
        (
            "a bitfield that is too short",
            "05 00000000 ff",
            DecodeError::Bitfield(9),
        ),
        (
            "a bitfield that is too long",
            "05 00000000 ff8000",
            DecodeError::Bitfield(9),
        ),
        ("a spare bit", "05 00000000 ffc0", DecodeError::Bitfield(9)),
        (
            "a chunk of nobody",
            "06 00000001 00000000 00000000 00000004 00000000",
            no_chunk(4, 0),
        ),
        (
            "a chunk too many",
            "06 00000001 00000000 00000000 00000000 00000003",
            no_chunk(0, 3),
        ),
        ("a piece on the control stream", "07", DecodeError::UnknownId(7)),
        ("a port message", "09", DecodeError::UnknownId(9)),
        ("nothing", "", DecodeError::Truncated(0)),
    ] {
        assert_eq!(Message::decode(&hex(text), &LIMITS), Err(expected), "{what}");
    }
}

#[test]
fn metainfos_that_make_no_sense_are_refused() {
    let with = |change: fn(&mut Metainfo)| {
        let mut metainfo = metainfo();
        change(&mut metainfo);
        Metainfo::decode(&metainfo.encode(), 3)
    };
    assert_eq!(with(|it| it.samples = 0), Err(DecodeError::NoSamples));
    assert_eq!(with(|it| it.evaluation.correct = 11), Err(DecodeError::Evaluation));
    assert_eq!(
        with(|it| it.evaluation.loss_sum = f64::NAN),
        Err(DecodeError::Evaluation)
    );
    assert_eq!(
        with(|it| it.evaluation.loss_sum = f64::INFINITY),
        Err(DecodeError::Evaluation)
    );
    assert_eq!(
        with(|it| it.hashes.truncate(2)),
        Err(DecodeError::ChunkCount { found: 2, expected: 3 })
    );
    let mut other_version = hex(METAINFO);
    other_version[0] = 1;
    assert_eq!(
        Metainfo::decode(&other_version, 3),
        Err(DecodeError::MetainfoVersion { found: 1 })
    );
}

#[test]
fn the_length_of_a_have_is_that_of_its_encoding() {
    for positions in [
        vec![0],
        vec![127],
        vec![128],
        vec![5, 6, 7, 200, 20_000],
        vec![16_383, 32_768, u32::MAX - 1],
    ] {
        let have = Message::Have { round: 1, positions };
        assert_eq!(have.length() as usize, have.encode().len(), "{have:?}");
    }
}
