//! What is looked at once before anything starts, so that a fault of this machine is one clear message and not one a peer.

use fltorrent_crds::{Plan, model::Architecture, plan::Warning};
use fltorrent_peer::{
    data::{self, DataError},
    process::{FilterError, log_filter},
    train::{
        self, BackendError, backend,
        safetensors::{self, LoadError},
    },
};
use thiserror::Error;

use crate::histogram::Histogram;

/// Why a run cannot start on this machine.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum PreflightError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Log(#[from] FilterError),
    #[error(transparent)]
    Data(#[from] DataError),
}

/// The results of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Numbers of samples.
    pub samples: Samples,
    /// Training samples by peer and class.
    pub histogram: Histogram,
    /// Warnings about the data.
    pub warnings: Vec<Warning>,
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

/// Numbers of samples of all peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Of the training split.
    pub train: usize,
    /// Of the test split.
    pub test: usize,
}

/// Reads what the log shall show, probes the backend, fetches and reads all data files once, divides the training samples, and
/// tries out a network of the program's own.
///
/// # Errors
/// [`PreflightError`].
pub fn check(plan: &Plan) -> Result<Checked, PreflightError> {
    log_filter()?;
    backend::probe(plan.training.backend)?;
    let divided = data::divide(plan)?;
    let labels = &divided.labels;
    let spans = data::check(&plan.data, labels)?;
    if matches!(plan.model.architecture, Architecture::Custom(_)) {
        // A program's own network is tried out when its trainer is made.
        train::trainer(&plan.model, &plan.training, plan.seed, 0)?;
    }
    Ok(Checked {
        samples: Samples {
            train: labels.train.len(),
            test: labels.test.len(),
        },
        histogram: Histogram::of(plan, &divided),
        warnings: data::warnings(plan, labels, &spans).collect(),
    })
}

/// Reads the labels, of files by URL after fetching them, and counts each peer's samples; with what is probably not meant.
///
/// # Errors
/// [`PreflightError`].
pub fn shares(plan: &Plan) -> Result<(Histogram, Vec<Warning>), PreflightError> {
    let divided = data::divide(plan)?;
    let warnings = data::few_tests(&divided.labels, plan.peers.len()).into_iter().collect();
    Ok((Histogram::of(plan, &divided), warnings))
}

/// Warnings about data files that are on this machine; files elsewhere are skipped.
pub fn warnings(plan: &Plan) -> Vec<Warning> {
    if !plan.data.source.is_local() {
        return Vec::new();
    }
    match shares(plan) {
        Ok((_, warnings)) => warnings,
        Err(PreflightError::Data(DataError::Absent { .. } | DataError::Missing { .. } | DataError::Read { .. })) => {
            Vec::new()
        }
        Err(error) => vec![Warning {
            path: "data".to_owned(),
            message: format!("a run would fail at once: {}", crate::chain(&error)),
        }],
    }
}
