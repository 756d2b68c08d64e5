//! The first message in both directions: who is there, and whether both mean the same experiment.

use std::fmt;

use data_encoding::HEXLOWER;

use crate::wire::{DecodeError, PROTOCOL_VERSION, Reader, Writer};

/// A peer's introduction: its index, and the experiment that it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The run.
    pub run: [u8; 16],
    /// The run's attempt.
    pub attempt: u32,
    /// The sender's index.
    pub peer: u32,
    /// The number of the sender's process among those of the peer in this attempt.
    pub incarnation: u32,
    /// Hash of the plan that the sender follows.
    pub plan: [u8; 32],
    /// Hash of the data's labels and shape that the sender has.
    pub data: [u8; 32],
    /// The round that the sender starts with: 0, or the one after its checkpoint's.
    pub first_round: u32,
    /// The round that the sender is in.
    pub round: u32,
    /// The sender catches up with the others.
    pub catches_up: bool,
    /// BLAKE3 of the model that the sender starts from.
    pub model: [u8; 32],
}

/// Why two peers cannot work together, as the one says that has looked at the other's [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloMismatch {
    /// Another run of an experiment.
    Run {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
    /// Another attempt of the run.
    Attempt {
        /// The neighbour's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Not the peer of that connection.
    Peer {
        /// The index in the hello.
        found: u32,
        /// The peer of the connection.
        expected: u32,
    },
    /// Another manifest.
    Plan {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
    /// Other data.
    Data {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It goes on from another checkpoint.
    FirstRound {
        /// The neighbour's, from 0.
        found: u32,
        /// Ours, from 0.
        expected: u32,
    },
    /// There is a later process of that peer.
    Superseded {
        /// The number of the neighbour's process.
        found: u32,
        /// That of the latest one that is known.
        latest: u32,
    },
    /// It starts from other values.
    Model {
        /// The neighbour's.
        found: String,
        /// Ours.
        expected: String,
    },
}

impl HelloMismatch {
    /// The same for other peers, for whom the one that has looked is not "this peer".
    #[must_use]
    pub fn seen_by(&self, peer: u32) -> String {
        self.words(&format!("peer {peer}"))
    }

    fn words(&self, looker: &str) -> String {
        match self {
            Self::Run { found, expected } => {
                format!("it belongs to run {found}, {looker} to {expected}")
            }
            Self::Attempt { found, expected } => {
                format!("it belongs to attempt {found}, {looker} to {expected}")
            }
            Self::Peer { found, expected } => {
                format!("it says that it is peer {found}, its connection belongs to peer {expected}")
            }
            Self::Plan { found, expected } => format!(
                "its plan's hash is {found}, {looker}'s {expected}; give both the same manifest and settings, and the same release; `fltorrent validate` prints the hash"
            ),
            Self::Data { found, expected } => format!(
                "its data's hash is {found}, {looker}'s {expected}; the data files differ: compare their checksums"
            ),
            Self::FirstRound { found, expected } => format!(
                "it starts with round {}, {looker} with round {}; resume all peers from the same round",
                u64::from(*found) + 1,
                u64::from(*expected) + 1
            ),
            Self::Superseded { found, latest } => {
                format!("it is process {found} of its peer, and process {latest} has taken its place")
            }
            Self::Model { found, expected } => format!(
                "the model that it starts from has hash {found}, {looker}'s {expected}; give all peers the same model.initFrom file, or the checkpoints of one run"
            ),
        }
    }
}

impl fmt::Display for HelloMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words("this peer"))
    }
}

impl std::error::Error for HelloMismatch {}

impl Hello {
    /// Whether a neighbour that should be `peer` and says `theirs` means the same experiment.
    pub fn check(&self, theirs: &Self, peer: u32) -> Result<(), HelloMismatch> {
        if theirs.run != self.run {
            return Err(HelloMismatch::Run {
                found: HEXLOWER.encode(&theirs.run),
                expected: HEXLOWER.encode(&self.run),
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
                found: HEXLOWER.encode(&theirs.plan),
                expected: HEXLOWER.encode(&self.plan),
            });
        }
        if theirs.data != self.data {
            return Err(HelloMismatch::Data {
                found: HEXLOWER.encode(&theirs.data),
                expected: HEXLOWER.encode(&self.data),
            });
        }
        if theirs.first_round != self.first_round {
            return Err(HelloMismatch::FirstRound {
                found: theirs.first_round,
                expected: self.first_round,
            });
        }
        // Whoever takes the place of a process that died goes on from the others' model.
        let began_together = theirs.incarnation == 0 && self.incarnation == 0;
        if theirs.model != self.model && began_together {
            return Err(HelloMismatch::Model {
                found: HEXLOWER.encode(&theirs.model),
                expected: HEXLOWER.encode(&self.model),
            });
        }
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u16(PROTOCOL_VERSION);
        out.bytes(&self.run);
        out.u32(self.attempt);
        out.u32(self.peer);
        out.u32(self.incarnation);
        out.bytes(&self.plan);
        out.bytes(&self.data);
        out.u32(self.first_round);
        out.u32(self.round);
        out.u8(u8::from(self.catches_up));
        out.bytes(&self.model);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // What follows may have another form in another version.
        let version = input.u16()?;
        if version != PROTOCOL_VERSION {
            return Err(DecodeError::ProtocolVersion { found: version });
        }
        Ok(Self {
            run: input.array()?,
            attempt: input.u32()?,
            peer: input.u32()?,
            incarnation: input.u32()?,
            plan: input.array()?,
            data: input.array()?,
            first_round: input.u32()?,
            round: input.u32()?,
            catches_up: input.flag()?,
            model: input.array()?,
        })
    }
}
