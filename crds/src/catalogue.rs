//! What a program has beyond the project's own networks and data sets.

use serde_json::{Map, Value};

use crate::{FieldError, tensor::TensorPlan};

/// The networks and data sets that a program brings itself. What it says is part of the plan, so it has to follow from the
/// arguments alone: the same on every machine, without a look at files, clocks or the environment.
///
/// Errors have paths below the settings, for example `width`; an empty one means the settings as a whole.
pub trait Catalogue {
    /// Names of the networks.
    fn networks(&self) -> Vec<&str>;

    /// The tensors of a network in declared order; none when there is no network of this name.
    ///
    /// # Errors
    /// What is wrong with the settings, or why the network does not fit the task.
    fn tensors(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        task: &Task,
    ) -> Option<Result<Vec<TensorPlan>, FieldError>>;

    /// Names of the data sets.
    fn data_sets(&self) -> Vec<&str>;

    /// What a data set is like; none when there is no data set of this name.
    ///
    /// # Errors
    /// What is wrong with the settings.
    fn data_set(&self, name: &str, settings: &Map<String, Value>) -> Option<Result<Form, FieldError>>;
}

/// What a network learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Shape of one input without the batch dimension: `[features]`, `[height, width]` or `[channels, height, width]`;
    /// `[context]` for a text, whose inputs are the values of its bytes.
    pub input_shape: Vec<u32>,
    /// Logits of one label.
    pub classes: u32,
    /// Labels of one sample: 1, or the context of a text.
    pub targets: u32,
}

impl Task {
    /// Values of one input.
    #[must_use]
    pub fn input_len(&self) -> u64 {
        let extents = self.input_shape.iter().map(|&extent| u64::from(extent));
        extents.product()
    }
}

/// What a data set is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Shape of one input without the batch dimension, as in [`Task`].
    pub input_shape: Vec<u32>,
    /// Number of classes, 2 to 256; labels are `0..classes`.
    pub classes: u32,
}

/// Nothing but the project's own networks and data sets.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

impl Catalogue for BuiltIn {
    fn networks(&self) -> Vec<&str> {
        Vec::new()
    }

    fn tensors(&self, _: &str, _: &Map<String, Value>, _: &Task) -> Option<Result<Vec<TensorPlan>, FieldError>> {
        None
    }

    fn data_sets(&self) -> Vec<&str> {
        Vec::new()
    }

    fn data_set(&self, _: &str, _: &Map<String, Value>) -> Option<Result<Form, FieldError>> {
        None
    }
}
