//! Bytes to messages and back. Every length is checked against what the plan allows before memory is taken.

use bytes::{Bytes, BytesMut};

use super::{Hello, Message, State};
use crate::{
    bitfield::Bitfield,
    chunk::ChunkId,
    early_stop::StopRecord,
    limits::Limits,
    metainfo::METAINFO_PREFIX,
    neighbour::MAX_QUEUED,
    signed::{MAX_CERTIFICATE, MAX_SIGNATURE, Signed},
    statement,
    wire::{DecodeError, Reader, Writer},
};

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
pub(super) const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const REJECT: u8 = 16;
const HELLO: u8 = 32;
const METAINFO: u8 = 33;
const COMPLETE: u8 = 34;
const WITHDRAW: u8 = 35;
const CLOSED: u8 = 36;
const STATEMENT: u8 = 37;
const STATE: u8 = 38;
const WANT: u8 = 39;
const UNWANT: u8 = 40;
const IDLE: u8 = 41;
const IDS: [u8; 19] = [
    CHOKE,
    UNCHOKE,
    INTERESTED,
    NOT_INTERESTED,
    HAVE,
    BITFIELD,
    REQUEST,
    CANCEL,
    REJECT,
    HELLO,
    METAINFO,
    COMPLETE,
    WITHDRAW,
    CLOSED,
    STATEMENT,
    STATE,
    WANT,
    UNWANT,
    IDLE,
];

/// Bytes of a number in its longest form.
const LONGEST_NUMBER: usize = 5;
/// Bytes of a state before its hashes.
const STATE_PREFIX: usize = 4 + 32 + 1 + 8 + 4 + 32;
/// Bytes of a hello of whatever version: it is told by its number, so that it has to be read.
const LONGEST_HELLO: usize = 1024;

impl Limits {
    /// Longest body of a metainfo: what comes before the hashes, and the hashes.
    fn metainfo_body(&self) -> usize {
        METAINFO_PREFIX + 32 * self.chunks as usize
    }

    /// Bytes of a bitfield, and the most positions of a have: a bitfield says more in fewer bytes.
    fn bitfield(&self) -> usize {
        self.positions().div_ceil(8) as usize
    }

    /// Longest frame of any message, bytes, id included and length excluded.
    pub fn longest_frame(&self) -> usize {
        let frames = IDS.iter().filter_map(|&id| self.frame(id));
        frames.max().unwrap_or(0)
    }

    /// Longest frame of a message, as above; none where no message has this id.
    fn frame(&self, id: u8) -> Option<usize> {
        let body = match id {
            CHOKE => 4 + LONGEST_NUMBER * MAX_QUEUED,
            UNCHOKE | INTERESTED | NOT_INTERESTED => 0,
            // A number takes no more bytes than positions that it passes over.
            HAVE | WANT | UNWANT => 4 + (LONGEST_NUMBER * self.bitfield()).min(self.positions() as usize),
            BITFIELD => 4 + self.bitfield(),
            REQUEST => 5 * 4,
            CANCEL | REJECT | COMPLETE | WITHDRAW | CLOSED | IDLE => 4,
            HELLO => LONGEST_HELLO,
            METAINFO => 12 + self.metainfo_body() + MAX_CERTIFICATE + MAX_SIGNATURE,
            STATE => STATE_PREFIX + 32 * self.chunks as usize,
            STATEMENT => 12 + statement::longest(self) + MAX_CERTIFICATE + MAX_SIGNATURE,
            _ => return None,
        };
        Some(1 + body)
    }
}

impl Message {
    /// The message's frame, length included.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        match self {
            Self::Choke { last_started, skipped } => out.list(CHOKE, *last_started, skipped),
            Self::Unchoke => out.u8(UNCHOKE),
            Self::Interested => out.u8(INTERESTED),
            Self::NotInterested => out.u8(NOT_INTERESTED),
            Self::Have { round, positions } => out.list(HAVE, *round, positions),
            Self::Want { round, positions } => out.list(WANT, *round, positions),
            Self::Unwant { round, positions } => out.list(UNWANT, *round, positions),
            Self::Bitfield { round, held } => {
                out.u8(BITFIELD);
                out.u32(*round);
                out.bytes(held.as_bytes());
            }
            Self::Request { request, chokes, chunk } => {
                out.u8(REQUEST);
                out.u32(*request);
                out.u32(*chokes);
                out.chunk(*chunk);
            }
            Self::Cancel { request } => {
                out.u8(CANCEL);
                out.u32(*request);
            }
            Self::Withdraw { request } => {
                out.u8(WITHDRAW);
                out.u32(*request);
            }
            Self::Reject { request } => {
                out.u8(REJECT);
                out.u32(*request);
            }
            Self::Hello(hello) => {
                out.u8(HELLO);
                hello.encode(&mut out);
            }
            Self::Metainfo(signed) => {
                out.u8(METAINFO);
                out.signed(signed);
            }
            Self::State(state) => {
                out.u8(STATE);
                out.u32(state.round);
                out.bytes(&state.set_hash);
                state.stop.encode(&mut out);
                out.bytes(&state.model);
                for hash in &state.hashes {
                    out.bytes(hash);
                }
            }
            Self::Statement(signed) => {
                out.u8(STATEMENT);
                out.signed(signed);
            }
            Self::Idle { round } => {
                out.u8(IDLE);
                out.u32(*round);
            }
            Self::Complete { round } => {
                out.u8(COMPLETE);
                out.u32(*round);
            }
            Self::Closed { round } => {
                out.u8(CLOSED);
                out.u32(*round);
            }
        }
        out.frame()
    }

    /// Bytes of [`Self::encode`].
    pub fn length(&self) -> u32 {
        const HEAD: u32 = 4 + 1;
        match self {
            Self::Have { positions, .. } | Self::Want { positions, .. } | Self::Unwant { positions, .. } => {
                let mut next = 0;
                let bytes = positions.iter().map(|&position| {
                    let delta = position - next;
                    next = position + 1;
                    (u32::BITS - delta.leading_zeros()).div_ceil(7).max(1)
                });
                HEAD + 4 + bytes.sum::<u32>()
            }
            Self::Bitfield { held, .. } => HEAD + 4 + held.as_bytes().len() as u32,
            Self::Request { .. } => HEAD + 5 * 4,
            Self::Metainfo(Signed {
                body,
                certificate,
                signature,
            })
            | Self::Statement(Signed {
                body,
                certificate,
                signature,
            }) => {
                let fields = [body, certificate, signature];
                HEAD + fields.map(|field| 4 + field.len() as u32).iter().sum::<u32>()
            }
            rare => rare.encode().len() as u32,
        }
    }

    /// Reads what follows a frame's length.
    pub fn decode(frame: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut input = Reader::new(frame);
        let message = match input.u8()? {
            CHOKE => {
                let last_started = input.u32()?;
                // What waits is all that can be passed over.
                let skipped = ascending(&mut input, last_started, MAX_QUEUED, DecodeError::Skipped)?;
                Self::Choke { last_started, skipped }
            }
            UNCHOKE => Self::Unchoke,
            INTERESTED => Self::Interested,
            NOT_INTERESTED => Self::NotInterested,
            HAVE => {
                let (round, positions) = decode_positions(&mut input, limits)?;
                Self::Have { round, positions }
            }
            WANT => {
                let (round, positions) = decode_positions(&mut input, limits)?;
                Self::Want { round, positions }
            }
            UNWANT => {
                let (round, positions) = decode_positions(&mut input, limits)?;
                Self::Unwant { round, positions }
            }
            BITFIELD => {
                let round = input.u32()?;
                let positions = limits.positions();
                let held = Bitfield::from_bytes(input.rest(), positions).ok_or(DecodeError::Bitfield(positions))?;
                Self::Bitfield { round, held }
            }
            REQUEST => {
                let (request, chokes, chunk) = (input.u32()?, input.u32()?, input.chunk()?);
                check_chunk(chunk, limits)?;
                Self::Request { request, chokes, chunk }
            }
            CANCEL => Self::Cancel { request: input.u32()? },
            WITHDRAW => Self::Withdraw { request: input.u32()? },
            REJECT => Self::Reject { request: input.u32()? },
            HELLO => Self::Hello(Hello::decode(&mut input)?),
            METAINFO => Self::Metainfo(decode_signed(&mut input, limits.metainfo_body())?),
            STATEMENT => Self::Statement(decode_signed(&mut input, statement::longest(limits))?),
            STATE => Self::State(decode_state(&mut input, limits)?),
            CLOSED => Self::Closed { round: input.u32()? },
            IDLE => Self::Idle { round: input.u32()? },
            COMPLETE => Self::Complete { round: input.u32()? },
            id => return Err(DecodeError::UnknownId(id)),
        };
        input.end()?;
        Ok(message)
    }
}

fn decode_state(input: &mut Reader<'_>, limits: &Limits) -> Result<State, DecodeError> {
    let (round, set_hash) = (input.u32()?, input.array()?);
    let stop = StopRecord::decode(input)?;
    let model = input.array()?;
    // Not more than the frame has.
    let mut hashes = Vec::with_capacity(input.left() / 32);
    for _ in 0..limits.chunks {
        hashes.push(input.array()?);
    }
    Ok(State {
        round,
        set_hash,
        stop,
        model,
        hashes,
    })
}

fn decode_signed(input: &mut Reader<'_>, longest: usize) -> Result<Signed, DecodeError> {
    Ok(Signed {
        body: input.field(longest)?,
        certificate: input.field(MAX_CERTIFICATE)?,
        signature: input.field(MAX_SIGNATURE)?,
    })
}

fn decode_positions(input: &mut Reader<'_>, limits: &Limits) -> Result<(u32, Vec<u32>), DecodeError> {
    let round = input.u32()?;
    let positions = ascending(input, limits.positions(), limits.bitfield(), DecodeError::Positions)?;
    Ok((round, positions))
}

/// Numbers below `limit`, `most` of them, to the end of the frame.
fn ascending(
    input: &mut Reader<'_>,
    limit: u32,
    most: usize,
    out_of_range: fn(u32) -> DecodeError,
) -> Result<Vec<u32>, DecodeError> {
    let mut numbers = Vec::new();
    let mut next = 0u32;
    while !input.is_empty() {
        let number = next
            .checked_add(input.varint()?)
            .filter(|&number| number < limit)
            .ok_or_else(|| out_of_range(limit))?;
        if numbers.len() == most {
            return Err(DecodeError::TooMany(most));
        }
        numbers.push(number);
        next = number + 1;
    }
    Ok(numbers)
}

fn check_chunk(chunk: ChunkId, limits: &Limits) -> Result<(), DecodeError> {
    // The first index after the peers' stands for the model that a round has made.
    if chunk.origin <= limits.peers && chunk.index < limits.chunks {
        return Ok(());
    }
    Err(DecodeError::NoSuchChunk {
        origin: chunk.origin,
        index: chunk.index,
        peers: limits.peers,
        chunks: limits.chunks,
    })
}

/// Cuts a control stream's bytes into messages.
#[derive(Debug)]
pub struct FrameDecoder {
    limits: Limits,
    longest: usize,
    buffer: BytesMut,
}

impl FrameDecoder {
    /// For one direction of one control stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            longest: limits.longest_frame(),
            buffer: BytesMut::new(),
        }
    }

    /// Adds bytes as they come; call [`Self::next`] until it returns `None` before adding more.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` when more bytes are needed.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would hide that None may be followed by Some"
    )]
    pub fn next(&mut self) -> Option<Result<Message, DecodeError>> {
        let length = u32::from_be_bytes(*self.buffer.first_chunk()?);
        let too_long = |limit: usize| DecodeError::Length {
            found: length,
            limit: limit as u32,
        };
        if length == 0 || length as usize > self.longest {
            return Some(Err(too_long(self.longest)));
        }
        match self.limits.frame(*self.buffer.get(4)?) {
            Some(limit) if length as usize > limit => return Some(Err(too_long(limit))),
            Some(_) => {}
            None => return Some(Err(DecodeError::UnknownId(self.buffer[4]))),
        }
        let end = 4 + length as usize;
        if self.buffer.len() < end {
            return None;
        }
        let frame = self.buffer.split_to(end);
        Some(Message::decode(&frame[4..], &self.limits))
    }
}
