//! Proof that an origin signed two different updates for one round.

use std::fmt;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use thiserror::Error;

use crate::{
    message::{DecodeError, FrameDecoder, Limits, Message},
    metainfo::{Metainfo, Signed, Verifier},
};

/// Two metainfos that no honest origin signs both. Whoever knows the run's authority can check them, without trust in who
/// shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    metainfos: [Signed; 2],
}

/// Why something is no such proof.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum EquivocationError {
    #[error("a proof of equivocation is two metainfo messages and nothing else")]
    Form,
    #[error("one of the metainfos cannot be read")]
    Metainfo(#[from] DecodeError),
    #[error("both metainfos say the same")]
    Same,
    #[error("the metainfos are not of one origin, round and run")]
    Unrelated,
    #[error("a metainfo does not hold: {0}")]
    Signature(String),
}

impl Equivocation {
    pub(crate) fn new(first: Signed, second: Signed) -> Self {
        Self {
            metainfos: [first, second],
        }
    }

    /// Checks the proof, given the chunks of an update; gives whom it convicts and of which round.
    ///
    /// # Errors
    /// The missing part of a proof.
    pub fn verify(&self, chunks: u32, verifier: &mut dyn Verifier) -> Result<(u32, u32), EquivocationError> {
        let [first, second] = &self.metainfos;
        let name = |signed: &Signed| {
            let metainfo = Metainfo::decode(&signed.body, chunks)?;
            let Metainfo { run, attempt, .. } = metainfo;
            // What two processes of a peer sign that know nothing of each other proves nothing against it.
            Ok::<_, DecodeError>((run, attempt, metainfo.round, metainfo.signer()))
        };
        let (whose, other) = (name(first)?, name(second)?);
        if whose != other {
            return Err(EquivocationError::Unrelated);
        }
        if first.body == second.body {
            return Err(EquivocationError::Same);
        }
        let (_, _, round, signer) = whose;
        for it in &self.metainfos {
            verifier.verify(signer, it).map_err(EquivocationError::Signature)?;
        }
        Ok((signer.peer, round))
    }

    /// The two metainfos as they travel, one after the other.
    pub fn encode(&self) -> Bytes {
        let frames = self.metainfos.clone().map(|it| Message::Metainfo(it).encode());
        let mut out = BytesMut::new();
        frames.iter().for_each(|frame| out.extend_from_slice(frame));
        out.freeze()
    }

    /// Reads what [`Self::encode`] wrote. It proves nothing before [`Self::verify`].
    ///
    /// # Errors
    /// When it is anything else.
    pub fn decode(bytes: &[u8], limits: Limits) -> Result<Self, EquivocationError> {
        let mut decoder = FrameDecoder::new(limits);
        decoder.extend(bytes);
        let mut metainfo = || match decoder.next() {
            Some(Ok(Message::Metainfo(signed))) => Ok(signed),
            Some(Err(error)) => Err(error.into()),
            _ => Err(EquivocationError::Form),
        };
        let proof = Self::new(metainfo()?, metainfo()?);
        // A message has one form, so that anything left over makes a difference.
        if proof.encode() != bytes {
            return Err(EquivocationError::Form);
        }
        Ok(proof)
    }
}

/// [`Equivocation::encode`] in hexadecimal digits, as it stands in a log.
impl fmt::LowerHex for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.encode()))
    }
}
