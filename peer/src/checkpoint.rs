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
pub use folder::{Writer, list, remove_all};
pub use place::Folder;
pub use resume::{Common, Loaded, Resume, ResumeError, common, load, whole};

/// A checkpoint without its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// The peer.
    pub peer: u32,
    /// Finished rounds, ≥ 1; the next round has this number.
    pub rounds: u32,
    /// [`fltorrent_crds::Plan::resume_hash`] of the run.
    pub plan: [u8; 32],
    /// BLAKE3 of the parameters.
    pub model: [u8; 32],
    /// The model on this peer's part of the test split; the next metainfo carries it.
    pub evaluation: EvaluationCounts,
    /// The record of early stop's rules.
    pub stop: StopRecord,
    /// The run was over with this round, since a rule of early stop was met.
    pub converged: bool,
}

fn name(peer: u32, rounds: u32) -> String {
    format!("peer-{peer}.rounds-{rounds}.checkpoint")
}

/// The file of `peer` after so many finished rounds.
pub fn path(folder: &Folder, peer: u32, rounds: u32) -> PathBuf {
    folder.path().join(name(peer, rounds))
}

/// Why a checkpoint cannot be written.
#[derive(Debug, Error)]
#[error("{}: the checkpoint cannot be written: make room there, let this user (65532 in a pod) write there, or switch it off with --set checkpoint.type=none", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ReadError {
    #[error("{}: cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: has {found} bytes; a checkpoint of this model has {expected}", path.display())]
    Length { path: PathBuf, found: u64, expected: u64 },
    #[error("{}: is no checkpoint of this version of fltorrent", path.display())]
    Form { path: PathBuf },
    #[error("{}: is damaged: its checksum is wrong", path.display())]
    Damaged { path: PathBuf },
    #[error("{}: its parameters are not those of the model that it names: remove it", path.display())]
    Model { path: PathBuf },
    #[error("{}: is of a run with another manifest", path.display())]
    OtherPlan { path: PathBuf },
    #[error("{}: is of peer {peer} after {rounds} rounds, which is not what its name says", path.display())]
    Renamed { path: PathBuf, peer: u32, rounds: u32 },
}
