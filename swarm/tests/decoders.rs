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
