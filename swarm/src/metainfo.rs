//! Metainfo: an origin's signed list of its update's chunk hashes, flooded before the chunks.
//!
//! It carries its origin's certificate, so that a peer several hops away can check it without knowing the origin.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

pub use crate::signed::Signed;
use crate::wire::{DecodeError, Reader, Writer};

/// Version of the metainfo's form.
const VERSION: u8 = 3;
/// Bytes of a metainfo before its hashes.
pub(crate) const METAINFO_PREFIX: usize = 125;

/// Counts of an evaluation on a part of the test split; sums over peers give the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EvaluationCounts {
    /// Samples whose class was predicted.
    pub correct: u32,
    /// Samples evaluated.
    pub total: u32,
    /// Sum of the samples' losses.
    pub loss_sum: f64,
}

/// An origin's description of its update.
#[derive(Clone, Debug, PartialEq)]
pub struct Metainfo {
    /// The run that it belongs to.
    pub run: [u8; 16],
    /// The run's attempt.
    pub attempt: u32,
    /// The round that it belongs to.
    pub round: u32,
    /// The origin.
    pub origin: u32,
    /// Which of the origin's processes has made it.
    pub incarnation: u32,
    /// Samples that the update was trained on: its weight in the mean.
    pub samples: u64,
    /// How the model that the origin last aggregated did on its part of the test split.
    pub evaluation: EvaluationCounts,
    /// BLAKE3 of the model that training started from.
    pub base: [u8; 32],
    /// What was folded of the round before ([`crate::RoundEnd::digest`]); zero in a run's first round.
    pub folded: [u8; 32],
    /// BLAKE3 of each chunk.
    pub hashes: Vec<[u8; 32]>,
}

impl Metainfo {
    /// The bytes that are signed.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.bytes(&self.run);
        out.u32(self.attempt);
        out.u32(self.round);
        out.u32(self.origin);
        out.u32(self.incarnation);
        out.u64(self.samples);
        out.u32(self.evaluation.correct);
        out.u32(self.evaluation.total);
        out.u64(self.evaluation.loss_sum.to_bits());
        out.bytes(&self.base);
        out.bytes(&self.folded);
        out.u32(self.hashes.len() as u32);
        for hash in &self.hashes {
            out.bytes(hash);
        }
        out.finish()
    }

    /// Round and origin, without looking at the rest.
    pub(crate) fn peek(body: &[u8]) -> Result<(u32, u32), DecodeError> {
        let mut input = Reader::new(body);
        input.u8()?;
        input.array::<16>()?;
        input.u32()?;
        Ok((input.u32()?, input.u32()?))
    }

    /// Reads the signed bytes of an update of `chunks` chunks.
    pub fn decode(body: &[u8], chunks: u32) -> Result<Self, DecodeError> {
        let mut input = Reader::new(body);
        let version = input.u8()?;
        if version != VERSION {
            return Err(DecodeError::MetainfoVersion { found: version });
        }
        let run = input.array()?;
        let (attempt, round) = (input.u32()?, input.u32()?);
        let (origin, incarnation) = (input.u32()?, input.u32()?);
        let samples = input.u64()?;
        let evaluation = EvaluationCounts {
            correct: input.u32()?,
            total: input.u32()?,
            loss_sum: f64::from_bits(input.u64()?),
        };
        if evaluation.correct > evaluation.total || !evaluation.loss_sum.is_finite() {
            return Err(DecodeError::Evaluation);
        }
        if samples == 0 {
            return Err(DecodeError::NoSamples);
        }
        let (base, folded) = (input.array()?, input.array()?);
        let found = input.u32()?;
        if found != chunks {
            return Err(DecodeError::ChunkCount {
                found,
                expected: chunks,
            });
        }
        if input.left() < 32 * chunks as usize {
            return Err(DecodeError::Truncated(body.len()));
        }
        let mut hashes = Vec::with_capacity(chunks as usize);
        for _ in 0..chunks {
            hashes.push(input.array()?);
        }
        input.end()?;
        Ok(Self {
            run,
            attempt,
            round,
            origin,
            incarnation,
            samples,
            evaluation,
            base,
            folded,
            hashes,
        })
    }
}

/// The plan's numbers of an origin's training and test samples, which an honest one signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginCounts {
    /// Samples of its shard.
    pub samples: u64,
    /// Labels of its part of the test split.
    pub evaluated: u32,
}

/// A count that an origin has signed and the plan does not give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum Miscount {
    #[error("training on {found} samples; the plan gives it {expected}")]
    Samples { found: u64, expected: u64 },
    #[error("an evaluation on {found} test samples; the plan gives it {expected}")]
    Evaluated { found: u32, expected: u32 },
}

impl OriginCounts {
    /// Compares what the origin has signed.
    ///
    /// # Errors
    /// The first count that is another one.
    pub fn check(&self, metainfo: &Metainfo) -> Result<(), Miscount> {
        let (found, expected) = (metainfo.samples, self.samples);
        if found != expected {
            return Err(Miscount::Samples { found, expected });
        }
        let expected = match metainfo.round {
            0 => 0,
            _ => self.evaluated,
        };
        let found = metainfo.evaluation.total;
        if found != expected {
            return Err(Miscount::Evaluated { found, expected });
        }
        Ok(())
    }
}

/// A signed metainfo, read and as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownMetainfo {
    /// Its content.
    pub parsed: Metainfo,
    /// As it travels.
    pub signed: Signed,
    /// BLAKE3 of what is signed.
    pub hash: [u8; 32],
}

impl KnownMetainfo {
    /// Reads a metainfo of an update of `chunks` chunks.
    ///
    /// # Errors
    /// As [`Metainfo::decode`].
    pub fn read(signed: Signed, chunks: u32) -> Result<Self, DecodeError> {
        let parsed = Metainfo::decode(&signed.body, chunks)?;
        let hash = *blake3::hash(&signed.body).as_bytes();
        Ok(Self { parsed, signed, hash })
    }
}

/// A fault of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceFault {
    /// It does not have the hash that its origin signed.
    Corrupt,
    /// Its origin has signed NaN or infinity.
    NotFinite,
}

/// A process of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The peer.
    pub peer: u32,
    /// The number of the process among those of the peer in the attempt.
    pub incarnation: u32,
}

impl Metainfo {
    /// The process that has made it.
    pub const fn signer(&self) -> Signer {
        Signer {
            peer: self.origin,
            incarnation: self.incarnation,
        }
    }
}

/// Checks what others say, and signs what this peer says.
pub trait Verifier: Send {
    /// Reads a metainfo of an update of `chunks` chunks. A simulation reads each one once for all its peers.
    ///
    /// # Errors
    /// As [`Metainfo::decode`].
    fn read(&mut self, signed: Signed, chunks: u32) -> Result<Arc<KnownMetainfo>, DecodeError> {
        KnownMetainfo::read(signed, chunks).map(Arc::new)
    }

    /// Whether a body was signed by this process under the experiment's authority; `Err` says what is wrong.
    fn verify(&mut self, signer: Signer, signed: &Signed) -> Result<(), String>;

    /// Signs a statement of this peer; `Err` says why that cannot be.
    fn sign(&mut self, body: Bytes) -> Result<Signed, String>;
}

/// Whether a piece is what its origin signed, and an update at all: finite little-endian f32. It takes long for a large
/// piece, so that drivers do it where nothing else waits.
///
/// # Errors
/// The piece's fault.
pub fn check_piece(data: &[u8], hash: &[u8; 32]) -> Result<(), PieceFault> {
    if blake3::hash(data).as_bytes() != hash {
        return Err(PieceFault::Corrupt);
    }
    if !all_finite(data) {
        return Err(PieceFault::NotFinite);
    }
    Ok(())
}

/// Whether no little-endian f32 in `data` is NaN or infinite: those have all exponent bits set.
fn all_finite(data: &[u8]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let is_finite = |element: &[u8; 4]| u32::from_le_bytes(*element) & EXPONENT != EXPONENT;
    let (elements, _) = data.as_chunks();
    // No way out within a block: so the compiler takes many at once.
    elements
        .chunks(1024)
        .all(|block| block.iter().fold(true, |all, element| all & is_finite(element)))
}

#[cfg(test)]
mod tests {
    use super::all_finite;

    #[test]
    fn nan_and_infinity_are_seen() {
        for value in [0.0, -1.5, f32::MAX, f32::MIN_POSITIVE] {
            assert!(all_finite(&value.to_le_bytes()));
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut data = vec![0; 64];
            data.extend(value.to_le_bytes());
            assert!(!all_finite(&data));
        }
    }
}
