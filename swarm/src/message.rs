//! The messages between neighbours and their wire form.
//!
//! A control stream carries frames: length of what follows (u32), id (u8), body. All integers are big-endian. The ids of
//! the nine messages are those of [BEP 3](https://www.bittorrent.org/beps/bep_0003.html); ours start at 32. A piece
//! travels on a stream of its own: a header frame with id 7, then the chunk's bytes, then the end of the stream.

mod codec;
mod hello;

use bytes::Bytes;

pub use codec::FrameDecoder;
pub use hello::{Hello, HelloMismatch};

use crate::{
    bitfield::Bitfield,
    chunk::ChunkId,
    early_stop::StopRecord,
    signed::Signed,
    wire::{Reader, Writer},
};
pub use crate::{
    limits::Limits,
    wire::{DecodeError, PROTOCOL_VERSION},
};

/// One message of the control stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Requests that were not started are dropped, and none will be answered until [`Message::Unchoke`].
    Choke {
        /// The last request that was started on this connection, 0 for none: it and those before it still end.
        last_started: u32,
        /// Requests before it that were not started, ascending.
        skipped: Vec<u32>,
    },
    /// Requests will be answered.
    Unchoke,
    /// The receiver has something that the sender misses.
    Interested,
    /// The receiver has nothing that the sender misses.
    NotInterested,
    /// The sender now holds these chunks.
    Have {
        /// Round of the chunks.
        round: u32,
        /// Positions `origin * chunks + index`, ascending, without repetition.
        positions: Vec<u32>,
    },
    /// The sender holds exactly these chunks of a round.
    Bitfield {
        /// Round of the chunks.
        round: u32,
        /// One bit a position.
        held: Bitfield,
    },
    /// Asks for a chunk.
    Request {
        /// Ascending on a connection, from 1.
        request: u32,
        /// Number of chokes that the sender has seen on this connection; the receiver ignores a request that crossed a
        /// choke on the wire.
        chokes: u32,
        /// The chunk.
        chunk: ChunkId,
    },
    /// Standing requests: the sender wants these chunks from the receiver as soon as it has them, without asking again.
    Want {
        /// Round of the chunks.
        round: u32,
        /// As in [`Message::Have`].
        positions: Vec<u32>,
    },
    /// What has not begun of these standing requests is not wanted any more.
    Unwant {
        /// Round of the chunks.
        round: u32,
        /// As in [`Message::Have`].
        positions: Vec<u32>,
    },
    /// The sender has nothing to send that was asked of it.
    Idle {
        /// The round of which it has chunks.
        round: u32,
    },
    /// The request is no longer wanted.
    Cancel {
        /// Its id.
        request: u32,
    },
    /// The request may be forgotten unless its piece has begun; [`Message::Reject`] says that it is.
    Withdraw {
        /// Its id.
        request: u32,
    },
    /// The request, which was withdrawn, will not be answered.
    Reject {
        /// Its id.
        request: u32,
    },
    /// First message in both directions.
    Hello(Hello),
    /// An origin's signed chunk hashes.
    Metainfo(Signed),
    /// The sender holds all chunks of a round.
    Complete {
        /// The round.
        round: u32,
    },
    /// The sender needs nothing more of a round, whose end was agreed without some chunks.
    Closed {
        /// The round.
        round: u32,
    },
    /// The model of a round, for one that catches up.
    State(State),
    /// What a peer says of its links, or of a round's end; relayed as it is.
    Statement(Signed),
}

impl Message {
    /// The round of which it says what its sender has.
    pub(crate) fn of_a_round(&self) -> Option<u32> {
        match *self {
            Self::Have { round, .. }
            | Self::Bitfield { round, .. }
            | Self::Complete { round }
            | Self::Closed { round } => Some(round),
            _ => None,
        }
    }
}

/// What a peer that catches up needs to know of a round that it has missed. The next round's metainfos certify it.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The round.
    pub round: u32,
    /// [`crate::RoundEnd::set_hash`].
    pub set_hash: [u8; 32],
    /// The record of early stop after it.
    pub stop: StopRecord,
    /// BLAKE3 of the model that it made.
    pub model: [u8; 32],
    /// BLAKE3 of each chunk of the model, cut as updates are.
    pub hashes: Vec<[u8; 32]>,
}

/// The header of a piece's stream, before the chunk's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceHeader {
    /// The request that it answers.
    pub request: u32,
    /// The chunk.
    pub chunk: ChunkId,
    /// Bytes that follow.
    pub length: u32,
}

impl PieceHeader {
    /// Length of the encoded header, bytes.
    pub const LEN: usize = 4 + 1 + 5 * 4;

    /// The header's frame.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        out.u8(codec::PIECE);
        out.u32(self.request);
        out.chunk(self.chunk);
        out.u32(self.length);
        out.frame()
    }

    /// Reads a header's frame.
    pub fn decode(frame: &[u8; Self::LEN]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(frame);
        let length = input.u32()?;
        let id = input.u8()?;
        if id != codec::PIECE {
            return Err(DecodeError::UnknownId(id));
        }
        if length as usize != Self::LEN - 4 {
            return Err(DecodeError::Length {
                found: length,
                limit: Self::LEN as u32 - 4,
            });
        }
        let header = Self {
            request: input.u32()?,
            chunk: input.chunk()?,
            length: input.u32()?,
        };
        input.end()?;
        Ok(header)
    }
}
