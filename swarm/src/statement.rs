//! Statements: what a peer signs about its links, its uplink and the end of a round. They are flooded, and relayed as they are.

use bytes::Bytes;

use crate::{
    bitfield::Bitfield,
    limits::Limits,
    suppliers::UplinkRate,
    view::LinkState,
    vote::Vote,
    wire::{DecodeError, Reader, Writer},
};

/// Version of a statement's form.
const VERSION: u8 = 4;
const LINKS: u8 = 0;
const VOTE: u8 = 1;
const UPLINK: u8 = 2;
/// Bytes before a statement's content.
const PREFIX: usize = 1 + 1 + 16 + 4 + 4 + 4;

/// Who says something, and of which run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) run: [u8; 16],
    pub(crate) attempt: u32,
    pub(crate) peer: u32,
    pub(crate) incarnation: u32,
}

/// What a peer's uplink carries, as it has measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeasuredUplink {
    /// The round in which it says so, at most once.
    pub(crate) round: u32,
    pub(crate) rate: UplinkRate,
}

/// The content of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Links(LinkState),
    Vote(Vote),
    Uplink(MeasuredUplink),
}

/// Longest body of a statement, in bytes.
pub(crate) fn longest(limits: &Limits) -> usize {
    let (peers, chunks) = (limits.peers as usize, limits.chunks as usize);
    let members = peers.div_ceil(8);
    let links = 4 + 1 + 4 + 4 + 4 * (4 + 5 * peers);
    let vote = 4 + 4 + 4 + 2 + members + 4 + peers * (4 + chunks.div_ceil(8));
    PREFIX + links.max(vote)
}

impl Statement {
    /// The bytes that `speaker` signs.
    pub(crate) fn encode(&self, speaker: &Speaker) -> Bytes {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u8(match self {
            Self::Links(_) => LINKS,
            Self::Vote(_) => VOTE,
            Self::Uplink(_) => UPLINK,
        });
        out.bytes(&speaker.run);
        out.u32(speaker.attempt);
        out.u32(speaker.peer);
        out.u32(speaker.incarnation);
        match self {
            Self::Links(links) => {
                out.u32(links.sequence);
                out.u8(u8::from(links.joining));
                out.u32(links.from);
                out.u32(links.gives);
                for peers in [&links.down, &links.extra, &links.finished, &links.suspects] {
                    out.u32(peers.len() as u32);
                    out.ascending(peers);
                }
            }
            Self::Vote(vote) => {
                out.u32(vote.round);
                out.u32(vote.ballot);
                out.u32(vote.epoch);
                out.u8(u8::from(vote.cuts));
                out.u8(u8::from(vote.is_closed));
                out.bytes(vote.members.as_bytes());
                out.u32(vote.lacks.len() as u32);
                for (origin, held) in &vote.lacks {
                    out.u32(*origin);
                    out.bytes(held.as_bytes());
                }
            }
            Self::Uplink(uplink) => {
                out.u32(uplink.round);
                out.u16(uplink.rate.step());
            }
        }
        out.finish()
    }

    /// Reads the signed bytes of a statement in a run with these bounds.
    pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<(Speaker, Self), DecodeError> {
        let mut input = Reader::new(body);
        let version = input.u8()?;
        if version != VERSION {
            return Err(DecodeError::StatementVersion { found: version });
        }
        let kind = input.u8()?;
        let speaker = Speaker {
            run: input.array()?,
            attempt: input.u32()?,
            peer: input.u32()?,
            incarnation: input.u32()?,
        };
        if speaker.peer >= limits.peers {
            return Err(DecodeError::NoSuchPeer {
                found: speaker.peer,
                peers: limits.peers,
            });
        }
        let statement = match kind {
            LINKS => Self::Links(LinkState {
                sequence: input.u32()?,
                joining: input.flag()?,
                from: input.u32()?,
                gives: input.u32()?,
                down: peers(&mut input, limits)?,
                extra: peers(&mut input, limits)?,
                finished: peers(&mut input, limits)?,
                suspects: peers(&mut input, limits)?,
            }),
            VOTE => Self::Vote(vote(&mut input, limits)?),
            UPLINK => Self::Uplink(MeasuredUplink {
                round: input.u32()?,
                rate: UplinkRate::from_step(input.u16()?),
            }),
            found => return Err(DecodeError::StatementKind { found }),
        };
        input.end()?;
        Ok((speaker, statement))
    }
}

/// Ascending indices of peers.
fn peers(input: &mut Reader<'_>, limits: &Limits) -> Result<Vec<u32>, DecodeError> {
    let count = input.u32()?;
    let mut peers = Vec::new();
    let mut next = 0u32;
    for _ in 0..count.min(limits.peers + 1) {
        let peer = next.checked_add(input.varint()?);
        let peer = peer.filter(|&peer| peer < limits.peers);
        let peer = peer.ok_or(DecodeError::Peers(limits.peers))?;
        peers.push(peer);
        next = peer + 1;
    }
    Ok(peers)
}

fn vote(input: &mut Reader<'_>, limits: &Limits) -> Result<Vote, DecodeError> {
    let (round, ballot, epoch) = (input.u32()?, input.u32()?, input.u32()?);
    let (cuts, is_closed) = (input.flag()?, input.flag()?);
    let members = bits(input, limits.peers)?;
    let mut lacks: Vec<(u32, Bitfield)> = Vec::new();
    for _ in 0..input.u32()?.min(limits.peers + 1) {
        let origin = input.u32()?;
        let is_next = lacks.last().is_none_or(|(last, _)| *last < origin);
        let held = bits(input, limits.chunks)?;
        // One that lacks nothing is not listed.
        if origin >= limits.peers || !is_next || held.is_full() {
            return Err(DecodeError::Vote);
        }
        lacks.push((origin, held));
    }
    Ok(Vote {
        round,
        ballot,
        epoch,
        cuts,
        is_closed,
        members,
        lacks,
    })
}

fn bits(input: &mut Reader<'_>, len: u32) -> Result<Bitfield, DecodeError> {
    let bytes = input.take(len.div_ceil(8) as usize)?;
    Bitfield::from_bytes(bytes, len).ok_or(DecodeError::Bitfield(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { peers: 5, chunks: 3 };
    const SPEAKER: Speaker = Speaker {
        run: [7; 16],
        attempt: 1,
        peer: 4,
        incarnation: 2,
    };

    fn set(len: u32, positions: &[u32]) -> Bitfield {
        let mut bits = Bitfield::new(len);
        for &position in positions {
            bits.insert(position);
        }
        bits
    }

    fn statements() -> [Statement; 3] {
        [
            Statement::Links(LinkState {
                sequence: 9,
                joining: true,
                from: 6,
                gives: 7,
                down: vec![0, 3],
                extra: vec![2],
                finished: vec![1],
                suspects: vec![2, 3],
            }),
            Statement::Vote(Vote {
                round: 2,
                ballot: 3,
                epoch: 4,
                cuts: true,
                is_closed: false,
                members: set(5, &[0, 1, 4]),
                lacks: vec![(2, set(3, &[])), (3, set(3, &[1]))],
            }),
            Statement::Uplink(MeasuredUplink {
                round: 4,
                rate: UplinkRate::default().measured(1e6),
            }),
        ]
    }

    #[test]
    fn statements_survive_their_bytes() {
        for statement in statements() {
            let body = statement.encode(&SPEAKER);
            assert!(body.len() <= longest(&LIMITS));
            assert_eq!(Statement::decode(&body, &LIMITS), Ok((SPEAKER, statement)));
        }
    }

    #[test]
    fn what_is_cut_or_out_of_bounds_is_refused() {
        for statement in statements() {
            let body = statement.encode(&SPEAKER);
            for end in 0..body.len() {
                assert!(Statement::decode(&body[..end], &LIMITS).is_err(), "{end} bytes");
            }
            let mut longer = body.to_vec();
            longer.push(0);
            assert!(Statement::decode(&longer, &LIMITS).is_err());
            let fewer = Limits { peers: 3, chunks: 3 };
            assert!(Statement::decode(&body, &fewer).is_err());
        }
        let [_, Statement::Vote(vote), _] = statements() else {
            panic!("the second one is a vote");
        };
        for lacks in [
            vec![(3, set(3, &[])), (3, set(3, &[]))],
            vec![(1, set(3, &[0, 1, 2]))],
            vec![(5, set(3, &[]))],
        ] {
            let wrong = Statement::Vote(Vote { lacks, ..vote.clone() });
            let body = wrong.encode(&SPEAKER);
            assert_eq!(Statement::decode(&body, &LIMITS), Err(DecodeError::Vote));
        }
    }
}
