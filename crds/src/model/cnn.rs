//! The network of the FedAvg paper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layers, ModelPlan, NetworkSettings, image, layers};
use crate::{
    catalogue::{Catalogue, Task},
    family::{Settings, Sketch},
    findings::Findings,
    tensor::TensorPlan,
};

/// Smallest side of an image that two halvings leave a pixel of.
const SIDE: u32 = 4;

/// The convolutional network of the FedAvg paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cnn;

impl Settings for Cnn {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl NetworkSettings for Cnn {
    fn resolve(&self, task: &Task, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan> {
        let input = image::of(task, "cnn", SIDE, findings)?;
        let classes = task.classes;
        Some(ModelPlan::new(CnnPlan { input, classes }))
    }
}

/// The network of B. McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
/// AISTATS 2017: `conv1` (32 of 5×5, padding 2), pooling, `conv2` (64 of 5×5, padding 2), pooling, `fc1` (512), `fc2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CnnPlan {
    /// Channels, height and width of an image.
    pub input: [u32; 3],
    /// Logits.
    pub classes: u32,
}

impl Layers for CnnPlan {
    fn tensors(&self) -> Vec<TensorPlan> {
        let [channels, height, width] = self.input;
        let mut tensors = Vec::from(layers::convolution("conv1", channels, 32, 5));
        tensors.extend(layers::convolution("conv2", 32, 64, 5));
        let flat = 64 * (height / 4) * (width / 4);
        tensors.extend(layers::chain(1, &[flat, 512, self.classes]));
        tensors
    }

    fn task(&self) -> Task {
        image::task(self.input, self.classes)
    }

    fn brief(&self) -> String {
        "cnn".to_owned()
    }
}
