use thiserror::Error;

use crate::extend::Panicked;

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
