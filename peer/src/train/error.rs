//! Why nothing is trained.

use fltorrent_crds::FieldError;
use thiserror::Error;

use crate::guard::Panicked;

/// Training or evaluation that could not be done.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TrainError {
    #[error("found {found} parameters; expected {expected}, as the model has: use a slice of that length")]
    Length { found: usize, expected: usize },
    #[error("the trainer has no parameters: set them first")]
    Taken,
    #[error(
        "found samples of {found_len} values, labels a sample: {found_targets}, classes: {found_classes}; expected {expected_len} values, labels: {expected_targets}, classes: at most {expected_classes}, as the model has: correct data or model"
    )]
    Samples {
        found_len: u64,
        found_classes: u32,
        found_targets: u64,
        expected_len: u64,
        expected_classes: u32,
        expected_targets: u64,
    },
    #[error("the loss is {loss} in round {round}; expected a finite number: lower training.learningRate")]
    Diverged { round: u32, loss: f64 },
    #[error("the loss of the evaluated model is {loss}; expected a finite number: lower training.learningRate")]
    EvaluationDiverged { loss: f64 },
    #[error("the device failed: {reason}: see the log of its driver, or use training.backend = flex")]
    Device { reason: String },
    #[error("the network `{network}` failed")]
    Own { network: String, source: Panicked },
}

/// A backend that cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum BackendError {
    #[error(
        "training.backend is {backend}; expected one of those that this program was built with ({built}): build with --features {backend}, or choose another"
    )]
    NotBuilt { backend: &'static str, built: &'static str },
    #[error(
        "training.backend is {backend}, but {found}; expected {expected}: {next}, or choose training.backend = flex"
    )]
    Missing {
        backend: &'static str,
        found: String,
        expected: &'static str,
        next: &'static str,
    },
    #[error(
        "model.tensors are {found:?}; expected {expected:?}, as model.architecture has: make the plan with this version"
    )]
    Tensors { found: Vec<String>, expected: Vec<String> },
    #[error("training.threads = {threads} could not be started: lower it")]
    Threads {
        threads: u32,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "this program has no network `{name}`; it has {known}: run the program that registers it (docs/own-model.md)"
    )]
    Unknown { name: String, known: String },
    #[error("the network `{name}` refuses model.custom.settings")]
    Settings { name: String, source: FieldError },
    #[error("the network `{name}` cannot be used")]
    Trial { name: String, source: TrainError },
    #[error("the initial model could not be made")]
    Init(#[from] TrainError),
}
