//! A model from its network.

use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::tensor::TensorPlan;

/// The model's tensors in declared order, the order in which parameters are flattened, chunked, folded and hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPlan {
    /// What kind of network.
    pub architecture: Architecture,
    /// Tensors in declared order, with the names and shapes that PyTorch gives them.
    pub tensors: Vec<TensorPlan>,
    /// Sum of the tensors' element counts.
    pub parameters: u64,
    /// `parameters * 4`: an update's size as little-endian f32.
    pub bytes: u64,
}

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
