//! What a network is made of.

use serde::{Deserialize, Serialize};

/// One tensor of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TensorPlan {
    /// PyTorch's name for it, for example `fc1.weight`.
    pub name: String,
    /// PyTorch's shape for it, row-major, for example `[128, 784]`.
    pub shape: Vec<u64>,
    /// What its elements are before the first round.
    #[serde(default, skip_serializing_if = "is_fan_in")]
    pub start: Start,
}

/// What the elements of a tensor are before the first round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Uniform in ±1/√fan_in, PyTorch's rule for linear and convolution layers: fan_in is the product of all extents but
    /// the first, and a tensor of one extent takes that of the tensor before it.
    #[default]
    FanIn,
    /// Standard normal, PyTorch's rule for embeddings.
    Normal,
    /// 1: the scale of a normalisation.
    Ones,
    /// 0: the offset of a normalisation.
    Zeros,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_fan_in(start: &Start) -> bool {
    *start == Start::FanIn
}

impl TensorPlan {
    /// A tensor of this name and shape, whose elements start as [`Start::FanIn`] says.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<u64>>) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            start: Start::FanIn,
        }
    }

    /// The same with another start.
    #[must_use]
    pub fn starting(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// Product of the extents.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}
