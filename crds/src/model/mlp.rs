//! Fully connected layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layers, ModelPlan, NetworkSettings, layers};
use crate::{
    catalogue::{Catalogue, Task},
    family::{Settings, Sketch},
    findings::Findings,
    tensor::TensorPlan,
};

/// Fully connected layers with ReLU between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mlp {
    /// Widths of the hidden layers; the first and the last width follow from the data. None at all is a linear model.
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<u32>,
}

impl Settings for Mlp {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self { hidden: vec![64] })
    }
}

impl NetworkSettings for Mlp {
    fn resolve(&self, task: &Task, _catalogue: &dyn Catalogue, _findings: &mut Findings) -> Option<ModelPlan> {
        // Bounded by the data's schema, so the product fits.
        let input = task.input_shape.iter().product();
        let hidden = self.hidden.iter().copied();
        let widths = [input].into_iter().chain(hidden).chain([task.classes]).collect();
        Some(ModelPlan::new(MlpPlan { widths }))
    }

    fn size_field(&self) -> &'static str {
        "model.mlp.hidden"
    }
}

/// `fc1`, `fc2`, …, each with `weight` of shape `[out, in]` and `bias` of shape `[out]`, with ReLU between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MlpPlan {
    /// Widths from the flattened input to the classes, at least two entries.
    pub widths: Vec<u32>,
}

impl Layers for MlpPlan {
    fn tensors(&self) -> Vec<TensorPlan> {
        layers::chain(1, &self.widths)
    }

    fn task(&self) -> Task {
        Task {
            input_shape: self.widths.first().copied().into_iter().collect(),
            classes: self.widths.last().copied().unwrap_or(0),
            targets: 1,
        }
    }

    fn brief(&self) -> String {
        let widths: Vec<String> = self.widths.iter().map(ToString::to_string).collect();
        format!("mlp {}", widths.join("-"))
    }
}
