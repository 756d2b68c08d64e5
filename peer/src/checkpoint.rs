//! Checkpoints: a peer's model after a round, so that a run can go on later and end with the same bits.
//!
//! A checkpoint is one file of the peer's folder, `peer-3.rounds-8.checkpoint`: what peer 3 knew after 8 finished rounds.
//! It appears whole or not at all, a checksum covers all of it, and the newest two are kept: of two peers one may have
//! written its newest before the other did, so that the round before is the last that both have. Nothing else outlives a
//! round: the optimiser starts anew in each.

mod file;
mod folder;
mod place;
mod resume;

use std::{io, path::PathBuf};

use fltorrent_swarm::{EvaluationCounts, StopRecord};
use thiserror::Error;

pub use file::{read, verify, write};
pub use folder::{Writer, list, path, remove_all};
pub use place::Folder;
pub use resume::{Common, Loaded, Resume, ResumeError, common, load, whole};

/// What a checkpoint says beside the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Whose it is.
    pub peer: u32,
    /// Finished rounds, ≥ 1; the next round has this number.
    pub rounds: u32,
    /// [`fltorrent_crds::Plan::resume_hash`] of the run.
    pub plan: [u8; 32],
    /// BLAKE3 of the parameters.
    pub model: [u8; 32],
    /// The model on this peer's part of the test split; the next metainfo carries it.
    pub evaluation: EvaluationCounts,
    /// What the rules of early stop had seen.
    pub stop: StopRecord,
    /// The run was over with this round, since a rule of early stop was met.
    pub converged: bool,
}

/// Why a checkpoint cannot be written.
#[derive(Debug, Error)]
#[error("{}: the checkpoint cannot be written: make room there, let this user (65532 in a pod) write there, or switch it off with --set checkpoint.type=none", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has not the length that a checkpoint of this model has.
    #[error("{}: has {found} bytes; a checkpoint of this model has {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// What it should have.
        expected: u64,
    },
    /// The file does not begin as checkpoints of this version do.
    #[error("{}: is no checkpoint of this version of fltorrent", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// The checksum is wrong.
    #[error("{}: is damaged: its checksum is wrong", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The parameters are not those of the model that the header names.
    #[error("{}: its parameters are not those of the model that it names: remove it", path.display())]
    Model {
        /// The file.
        path: PathBuf,
    },
    /// The file is of a run with another manifest.
    #[error("{}: is of a run with another manifest", path.display())]
    OtherPlan {
        /// The file.
        path: PathBuf,
    },
    /// The file's name and its content do not fit.
    #[error("{}: is of peer {peer} after {rounds} rounds, which is not what its name says", path.display())]
    Renamed {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        peer: u32,
        /// Its rounds.
        rounds: u32,
    },
}
