use thiserror::Error;

use crate::extend::Panicked;

/// Training or evaluation that could not be done.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A slice of parameters has the wrong length.
    #[error("found {found} parameters; expected {expected}, as the model has: use a slice of that length")]
    Length {
        /// Values given.
        found: usize,
        /// Values that the model has.
        expected: usize,
    },
    /// The parameters were taken, and not set again.
    #[error("the trainer has no parameters: set them first")]
    Taken,
    /// Samples do not fit the model.
    #[error(
        "found samples of {found_len} values, labels a sample: {found_targets}, classes: {found_classes}; expected {expected_len} values, labels: {expected_targets}, classes: at most {expected_classes}, as the model has: correct data or model"
    )]
    Samples {
        /// Values of an input.
        found_len: u64,
        /// Classes of the data.
        found_classes: u32,
        /// Labels of a sample.
        found_targets: u64,
        /// Inputs of the model.
        expected_len: u64,
        /// Outputs of the model.
        expected_classes: u32,
        /// Positions that the model gives logits for.
        expected_targets: u64,
    },
    /// The loss left the finite numbers.
    #[error("the loss is {loss} in round {round}; expected a finite number: lower training.learningRate")]
    Diverged {
        /// The round.
        round: u32,
        /// What the loss is.
        loss: f64,
    },
    /// The loss of an evaluation left the finite numbers.
    #[error("the loss of the evaluated model is {loss}; expected a finite number: lower training.learningRate")]
    EvaluationDiverged {
        /// What the loss is.
        loss: f64,
    },
    /// The device failed.
    #[error("the device failed: {reason}: see the log of its driver, or use training.backend = flex")]
    Device {
        /// What burn said.
        reason: String,
    },
    /// The code of a program's own network panicked.
    #[error("the network `{network}` failed")]
    Own {
        /// Its name.
        network: String,
        /// What it said.
        source: Panicked,
    },
}
