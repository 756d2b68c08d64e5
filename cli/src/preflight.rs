//! What is looked at once before anything starts, so that a fault of this machine is one clear message and not one a peer.

use fltorrent_crds::{Plan, plan::Architecture, shards::ShardError};
use fltorrent_peer::{
    data::{self, DataError, Split},
    train::{
        backend::{self, BackendError},
        safetensors::{self, LoadError},
    },
};
use thiserror::Error;

use crate::histogram::Histogram;

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

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How much data there is.
    pub samples: Samples,
    /// How it is shared out.
    pub histogram: Histogram,
}

/// Reads the model that a new run starts from, when the manifest names one.
///
/// # Errors
/// When it cannot be read or is not one of the plan's model.
pub fn check_initial_model(plan: &Plan) -> Result<(), LoadError> {
    match &plan.init_from {
        Some(from) => safetensors::load(from, &plan.model).map(drop),
        None => Ok(()),
    }
}

/// How much data there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Of the training split.
    pub train: usize,
    /// Of the test split.
    pub test: usize,
}

/// Probes the backend, fetches and reads all data files once, divides the training samples, and tries out a network of the
/// program's own.
///
/// # Errors
/// [`PreflightError`].
pub fn check(plan: &Plan) -> Result<Checked, PreflightError> {
    backend::probe(plan.training.backend)?;
    let labels = data::labels(&plan.data)?;
    let histogram = Histogram::of(plan, &labels)?;
    for split in [Split::Train, Split::Test] {
        // No sample is asked for, but the whole file is read and checked.
        data::load(&plan.data, &labels, split, &[])?;
    }
    if matches!(plan.model.architecture, Architecture::Custom { .. }) {
        // A program's own network is tried out when its trainer is made.
        backend::trainer(&plan.model, &plan.training, plan.seed, 0)?;
    }
    Ok(Checked {
        samples: Samples {
            train: labels.train.len(),
            test: labels.test.len(),
        },
        histogram,
    })
}

/// Reads the labels, of files by URL after fetching them, and counts each peer's samples.
///
/// # Errors
/// [`PreflightError`].
pub fn histogram(plan: &Plan) -> Result<Histogram, PreflightError> {
    Ok(Histogram::of(plan, &data::labels(&plan.data)?)?)
}
