//! What is looked at once before anything starts, so that a fault of this machine is one clear message and not one a peer.

use fltorrent_crds::{
    Plan,
    shards::{self, ShardError},
};
use fltorrent_peer::{
    data::{self, DataError, Split},
    train::backend::{self, BackendError},
};
use thiserror::Error;

/// Why a run cannot start on this machine.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The backend is not built in or lacks something.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The data cannot be had or is not what the manifest says.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data cannot be divided as the manifest says.
    #[error(transparent)]
    Shards(#[from] ShardError),
}

/// How much data there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Of the training split.
    pub train: usize,
    /// Of the test split.
    pub test: usize,
}

/// Probes the backend, reads all data files once and divides the training samples.
///
/// # Errors
/// [`PreflightError`].
pub fn check(plan: &Plan) -> Result<Samples, PreflightError> {
    backend::probe(plan.training.backend)?;
    let labels = data::labels(&plan.data)?;
    shards::derive(
        &plan.data.partition,
        plan.seed,
        plan.peers.len(),
        &labels.train,
        plan.data.classes,
    )?;
    for split in [Split::Train, Split::Test] {
        // No image is asked for, but the whole file is read and checked.
        data::load(&plan.data, &labels, split, &[])?;
    }
    Ok(Samples {
        train: labels.train.len(),
        test: labels.test.len(),
    })
}
