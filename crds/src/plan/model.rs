//! A model from its network.

use super::{ModelPlan, Start, TensorPlan};
use crate::model::Architecture;

impl ModelPlan {
    /// The model of an architecture, whose tensors follow from it.
    #[must_use]
    pub fn new(architecture: impl Into<Architecture>) -> Self {
        let architecture = architecture.into();
        let tensors = architecture.tensors();
        Self::with_tensors(architecture, tensors)
    }

    /// The model of an architecture whose tensors somebody else says: [`Architecture::Custom`].
    #[must_use]
    pub fn with_tensors(architecture: impl Into<Architecture>, tensors: Vec<TensorPlan>) -> Self {
        let parameters = tensors.iter().map(TensorPlan::elements).sum();
        Self {
            architecture: architecture.into(),
            tensors,
            parameters,
            bytes: parameters * 4,
        }
    }
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
