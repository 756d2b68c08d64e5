//! The first message in both directions: who is there, and whether both mean the same experiment.

use thiserror::Error;

use super::{DecodeError, Reader, Writer};

/// Version of the protocol between peers.
pub const PROTOCOL_VERSION: u16 = 1;

/// Who is there, and what it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender.
    pub version: u16,
    /// The run.
    pub run: [u8; 16],
    /// The run's attempt.
    pub attempt: u32,
    /// The sender's index.
    pub peer: u32,
    /// Hash of the plan that the sender follows.
    pub plan: [u8; 32],
    /// Hash of the data's labels and shape that the sender has.
    pub data: [u8; 32],
}

/// Why two peers cannot work together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HelloMismatch {
    /// Another build.
    #[error(
        "it speaks protocol version {found}, this peer {expected}; run the same release everywhere"
    )]
    Version {
        /// The neighbour's.
        found: u16,
        /// Ours.
        expected: u16,
    },
    /// Another run of an experiment.
    #[error("it belongs to run {found}, this peer to {expected}")]
    Run {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
    /// Another attempt of the run.
    #[error("it belongs to attempt {found}, this peer to {expected}")]
    Attempt {
        /// The neighbour's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Not the peer of that connection.
    #[error("it says that it is peer {found}, its connection belongs to peer {expected}")]
    Peer {
        /// What it says.
        found: u32,
        /// Whose connection it is.
        expected: u32,
    },
    /// Another manifest.
    #[error(
        "its plan's hash is {found}, this peer's {expected}; give both the same manifest and the same release"
    )]
    Plan {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
    /// Other data.
    #[error("its data's hash is {found}, this peer's {expected}; the data files differ")]
    Data {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
}

impl Hello {
    /// Whether a neighbour that should be `peer` and says `theirs` means the same experiment.
    pub fn check(&self, theirs: &Self, peer: u32) -> Result<(), HelloMismatch> {
        if theirs.version != self.version {
            return Err(HelloMismatch::Version {
                found: theirs.version,
                expected: self.version,
            });
        }
        if theirs.run != self.run {
            return Err(HelloMismatch::Run {
                found: hex(&theirs.run),
                expected: hex(&self.run),
            });
        }
        if theirs.attempt != self.attempt {
            return Err(HelloMismatch::Attempt {
                found: theirs.attempt,
                expected: self.attempt,
            });
        }
        if theirs.peer != peer {
            return Err(HelloMismatch::Peer {
                found: theirs.peer,
                expected: peer,
            });
        }
        if theirs.plan != self.plan {
            return Err(HelloMismatch::Plan {
                found: hex(&theirs.plan),
                expected: hex(&self.plan),
            });
        }
        if theirs.data != self.data {
            return Err(HelloMismatch::Data {
                found: hex(&theirs.data),
                expected: hex(&self.data),
            });
        }
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u16(self.version);
        out.bytes(&self.run);
        out.u32(self.attempt);
        out.u32(self.peer);
        out.bytes(&self.plan);
        out.bytes(&self.data);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: input.u16()?,
            run: input.array()?,
            attempt: input.u32()?,
            peer: input.u32()?,
            plan: input.array()?,
            data: input.array()?,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
