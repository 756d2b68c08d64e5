//! The bodies of the fuzz targets; bounded property tests run the same on stable Rust. Each function takes arbitrary bytes
//! and panics when a promise does not hold.

mod operations;

pub use operations::swarm_ops;

use crate::{
    message::{DecodeError, FrameDecoder, Limits, Message, PieceHeader},
    metainfo::Metainfo,
    statement::{Statement, longest},
};

/// A frame's bytes after its length: an error, or a message that has exactly this form. The first two bytes choose the
/// limits.
pub fn message(data: &[u8]) {
    let Some((limits, frame)) = limits(data) else {
        return;
    };
    if let Ok(message) = Message::decode(frame, &limits) {
        assert_eq!(&message.encode()[4..], frame, "{message:?} has two forms");
    }
}

/// A piece's header: an error, or a header that has exactly this form.
pub fn piece_header(data: &[u8]) {
    let Some(frame) = data.first_chunk() else {
        return;
    };
    if let Ok(header) = PieceHeader::decode(frame) {
        assert_eq!(header.encode(), frame[..], "{header:?} has two forms");
    }
}

/// A metainfo's signed bytes: an error, or a metainfo that has exactly this form. The first byte chooses the layout.
pub fn metainfo(data: &[u8]) {
    let Some((&chunks, body)) = data.split_first() else {
        return;
    };
    if let Ok(metainfo) = Metainfo::decode(body, u32::from(chunks)) {
        assert_eq!(metainfo.encode(), body, "{metainfo:?} has two forms");
    }
}

/// A statement's signed bytes: an error, or a statement that has exactly this form. The first two bytes choose the limits.
pub fn statement(data: &[u8]) {
    let Some((limits, body)) = limits(data) else {
        return;
    };
    if let Ok((speaker, statement)) = Statement::decode(body, &limits) {
        assert_eq!(statement.encode(&speaker), body, "{statement:?} has two forms");
        assert!(body.len() <= longest(&limits), "{statement:?} is too long");
    }
}

/// A control stream: however it is cut, the same messages come out, up to the first error. The third byte chooses how.
pub fn frames(data: &[u8]) {
    let Some((limits, data)) = limits(data) else {
        return;
    };
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let whole = decoded(limits, stream, stream.len().max(1));
    let cut = decoded(limits, stream, 1 + usize::from(cut));
    assert_eq!(whole, cut, "what comes out depends on how the stream is cut");
}

fn decoded(limits: Limits, stream: &[u8], cut: usize) -> Vec<Result<Message, DecodeError>> {
    let mut decoder = FrameDecoder::new(limits);
    let mut out = Vec::new();
    for bytes in stream.chunks(cut) {
        decoder.extend(bytes);
        while let Some(result) = decoder.next() {
            let is_end = result.is_err();
            out.push(result);
            if is_end {
                return out;
            }
        }
    }
    out
}

fn limits(data: &[u8]) -> Option<(Limits, &[u8])> {
    let (&[peers, chunks], rest) = data.split_first_chunk()?;
    let limits = Limits {
        peers: u32::from(peers),
        chunks: u32::from(chunks),
    };
    Some((limits, rest))
}
