//! The fields of what travels, written and read, and what may be wrong with them.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{chunk::ChunkId, signed::Signed};

/// Version of the protocol between peers.
pub const PROTOCOL_VERSION: u16 = 6;

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum DecodeError {
    #[error("a message ends after {0} bytes, in the middle of a field")]
    Truncated(usize),
    #[error("{0} bytes follow the end of a message")]
    Trailing(usize),
    #[error("a frame of {found} bytes, at most {limit} are possible")]
    Length { found: u32, limit: u32 },
    #[error("unknown message id {0}")]
    UnknownId(u8),
    #[error("a have with positions that are not ascending or not below {0}")]
    Positions(u32),
    #[error("a choke with skipped requests that are not ascending or not below {0}")]
    Skipped(u32),
    #[error("a have or choke that lists more than {0} numbers")]
    TooMany(usize),
    #[error("a number that is not in its shortest form of at most 32 bits")]
    Varint,
    #[error("a bitfield that does not have exactly {0} positions")]
    Bitfield(u32),
    #[error("chunk {index} of origin {origin} does not exist; the plan has {peers} peers of {chunks} chunks")]
    NoSuchChunk {
        origin: u32,
        index: u32,
        peers: u32,
        chunks: u32,
    },
    #[error(
        "a hello of protocol version {found}, this peer speaks {}; run the same release everywhere",
        PROTOCOL_VERSION
    )]
    ProtocolVersion { found: u16 },
    #[error("a metainfo of version {found}, this peer knows version 2")]
    MetainfoVersion { found: u8 },
    #[error("a metainfo with {found} chunks, the plan has {expected}")]
    ChunkCount { found: u32, expected: u32 },
    #[error("a metainfo whose evaluation counts are impossible")]
    Evaluation,
    #[error("a metainfo of an update trained on no sample")]
    NoSamples,
    #[error("a statement of version {found}, this peer knows version 1")]
    StatementVersion { found: u8 },
    #[error("a statement of kind {found}, which this peer does not know")]
    StatementKind { found: u8 },
    #[error("a statement of peer {found}; the plan has {peers} peers")]
    NoSuchPeer { found: u32, peers: u32 },
    #[error("a statement with peers that are not ascending or not below {0}")]
    Peers(u32),
    #[error("a flag of {found}, neither 0 nor 1")]
    Flag { found: u8 },
    #[error("a vote that lists origins twice, out of order, or without need")]
    Vote,
}

/// Builds the body of a frame.
pub(crate) struct Writer(BytesMut);

impl Writer {
    /// Leaves room for the frame's length.
    pub(crate) fn new() -> Self {
        let mut buffer = BytesMut::with_capacity(64);
        buffer.put_u32(0);
        Self(buffer)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.put_u8(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.0.put_u16(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.put_u32(value);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.put_u64(value);
    }

    /// Seven bits a byte, the lowest first, the highest bit set when more follow.
    pub(crate) fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    /// Ascending numbers, each as the difference to the one before plus one (the first: to 0).
    pub(crate) fn ascending(&mut self, numbers: &[u32]) {
        let mut next = 0;
        for &number in numbers {
            self.varint(number - next);
            next = number + 1;
        }
    }

    /// A message's id, a number, and ascending numbers to its end.
    pub(crate) fn list(&mut self, id: u8, first: u32, numbers: &[u32]) {
        self.u8(id);
        self.u32(first);
        self.ascending(numbers);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.0.put_slice(value);
    }

    pub(crate) fn chunk(&mut self, chunk: ChunkId) {
        self.u32(chunk.round);
        self.u32(chunk.origin);
        self.u32(chunk.index);
    }

    /// What is signed, with the certificate and the signature, each with its length before it.
    pub(crate) fn signed(&mut self, signed: &Signed) {
        for field in [&signed.body, &signed.certificate, &signed.signature] {
            self.u32(field.len() as u32);
            self.bytes(field);
        }
    }

    /// The bytes without a frame's length.
    pub(crate) fn finish(mut self) -> Bytes {
        self.0.split_off(4).freeze()
    }

    /// The bytes as a frame.
    pub(crate) fn frame(mut self) -> Bytes {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0.freeze()
    }
}

/// Reads the fields of a frame.
pub(crate) struct Reader<'a> {
    whole: usize,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes.len(),
            left: bytes,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Bytes that were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, left) = self
            .left
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated(self.whole))?;
        self.left = left;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, left) = self
            .left
            .split_first_chunk()
            .ok_or(DecodeError::Truncated(self.whole))?;
        self.left = left;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::Flag { found }),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            // Only the shortest form is allowed, so that a message has one form.
            if byte == 0 && shift > 0 {
                break;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    pub(crate) fn chunk(&mut self) -> Result<ChunkId, DecodeError> {
        Ok(ChunkId {
            round: self.u32()?,
            origin: self.u32()?,
            index: self.u32()?,
        })
    }

    /// A field with its length before it, copied out of the frame.
    pub(crate) fn field(&mut self, limit: usize) -> Result<Bytes, DecodeError> {
        let length = self.u32()?;
        if length as usize > limit {
            return Err(DecodeError::Length {
                found: length,
                limit: limit as u32,
            });
        }
        Ok(Bytes::copy_from_slice(self.take(length as usize)?))
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing(self.left.len()))
        }
    }
}
