//! The fuzz targets as bounded property tests: arbitrary bytes never break a promise.

use fltorrent_swarm::fuzzing;
use proptest::{collection::vec, prelude::*};

/// Limits, then something that begins like a message of the named kinds.
fn message_like() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![0u8..9, 32u8..35, any::<u8>()];
    (0u8..20, 0u8..20, id, vec(any::<u8>(), 0..400)).prop_map(|(peers, chunks, id, rest)| {
        let mut data = vec![peers, chunks, id];
        data.extend(rest);
        data
    })
}

/// Limits, a cut, then frames whose lengths are often right.
fn stream_like() -> impl Strategy<Value = Vec<u8>> {
    let frame = (prop_oneof![0u8..9, 32u8..35], vec(any::<u8>(), 0..24), -1i8..5).prop_map(|(id, body, lie)| {
        let length = (1 + body.len() as i64 + i64::from(lie / 4)) as u32;
        let mut frame = length.to_be_bytes().to_vec();
        frame.push(id);
        frame.extend(body);
        frame
    });
    (0u8..8, 0u8..8, any::<u8>(), vec(frame, 0..12)).prop_map(|(peers, chunks, cut, frames)| {
        let mut data = vec![peers, chunks, cut];
        data.extend(frames.concat());
        data
    })
}

/// A metainfo of the known version whose chunk count is often right.
fn metainfo_like() -> impl Strategy<Value = Vec<u8>> {
    (0u8..6, vec(any::<u8>(), 116), 0u8..6, vec(any::<u8>(), 0..220)).prop_map(|(chunks, prefix, count, hashes)| {
        let mut data = vec![chunks, 2];
        data.extend(prefix);
        data.extend(u32::from(count).to_be_bytes());
        data.extend(hashes);
        data
    })
}

/// A statement of the known version in a small run, of a kind that there is.
fn statement_like() -> impl Strategy<Value = Vec<u8>> {
    (1u8..5, 1u8..5, 0u8..2, vec(any::<u8>(), 20), vec(0u8..6, 0..40)).prop_map(|(peers, chunks, kind, run, rest)| {
        let mut data = vec![peers, chunks, 1, kind];
        data.extend(run);
        data.extend([0, 0, 0, 0]);
        data.extend(rest);
        data
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages(data in prop_oneof![message_like(), vec(any::<u8>(), 0..64)]) {
        fuzzing::message(&data);
    }

    #[test]
    fn piece_headers(data in vec(any::<u8>(), 0..40)) {
        fuzzing::piece_header(&data);
        let mut likely = vec![0, 0, 0, 21, 7];
        likely.extend(data);
        fuzzing::piece_header(&likely);
    }

    #[test]
    fn statements(data in prop_oneof![statement_like(), vec(any::<u8>(), 0..100)]) {
        fuzzing::statement(&data);
    }

    #[test]
    fn metainfos(data in prop_oneof![metainfo_like(), vec(any::<u8>(), 0..300)]) {
        fuzzing::metainfo(&data);
    }

    #[test]
    fn frames(data in prop_oneof![stream_like(), vec(any::<u8>(), 0..200)]) {
        fuzzing::frames(&data);
    }

    #[test]
    fn swarm_ops(data in vec(any::<u8>(), 0..2000)) {
        fuzzing::swarm_ops(&data);
    }
}

/// Peer 2 was told the wrong interest after this.
#[rustfmt::skip]
const WRONG_INTEREST: &[u8] = &[
    161, 113, 143, 43, 144, 158, 237, 49, 127, 4, 141, 40, 96, 89, 18, 89, 20, 167, 133, 29, 159, 128, 106, 171, 147,
    160, 65, 15, 49, 108, 210, 108, 85, 14, 244, 191, 130, 49, 82, 58, 203, 224, 60, 163, 149, 118, 223, 237, 168,
    118, 2, 200, 197, 168, 92, 89, 170, 153, 169, 161, 214, 22, 216, 29, 177, 76, 168, 143, 137, 160, 61, 242, 121,
    221, 20, 93, 59, 181, 63, 73, 237, 172, 4, 209, 202, 140, 225, 160, 87, 228, 9, 192, 47, 36, 125, 123, 145, 207,
    100, 62, 147, 252, 152, 244, 90, 67, 70, 106, 69, 94, 174, 72, 231, 61, 250, 15, 108, 214, 197, 46, 1, 182, 236,
    229, 161, 169, 30, 228, 62, 206, 173, 93, 125, 178, 80, 79, 101, 111, 138, 98, 87, 43, 81, 135, 7, 130, 131, 53,
    70, 113, 44, 201, 54, 166, 199, 32, 52, 15, 224, 253, 21, 156, 35, 176, 107, 188, 129, 9, 28, 214, 203, 90, 209,
    148, 34, 196, 41, 235, 215, 63, 74, 163, 249, 133, 110, 236, 55, 78, 144, 235, 137, 97, 198, 64, 215, 93, 197,
    72, 183, 176, 244, 179, 247, 105, 124, 88, 229, 147,
];

/// A neighbour waited after this while a slot was free: its standing requests were forgotten with the round.
const IDLE_SLOT: &[u8] = &[49, 80, 0, 203, 49, 0, 1, 204, 82, 145, 204, 173, 146, 0];

#[test]
fn operations_that_went_wrong_once() {
    fuzzing::swarm_ops(WRONG_INTEREST);
    fuzzing::swarm_ops(IDLE_SLOT);
}
