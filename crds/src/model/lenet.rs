//! LeNet-5.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layers, ModelPlan, NetworkSettings, image, layers};
use crate::{
    catalogue::{Catalogue, Task},
    family::{Settings, Sketch},
    findings::Findings,
    tensor::TensorPlan,
};

/// Smallest side of an image that the second convolution and pooling leave a pixel of.
const SIDE: u32 = 12;

/// The usual LeNet-5 for images of 28×28 pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lenet;

impl Settings for Lenet {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl NetworkSettings for Lenet {
    fn resolve(&self, task: &Task, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan> {
        let input = image::of(task, "lenet", SIDE, findings)?;
        let classes = task.classes;
        Some(ModelPlan::new(LenetPlan { input, classes }))
    }
}

/// LeNet-5 with ReLU and max pooling: `conv1` (6 of 5×5, padding 2), pooling, `conv2` (16 of 5×5), pooling, `fc1` (120),
/// `fc2` (84), `fc3`. Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11),
/// 1998, in the form that is usual for 28×28 pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LenetPlan {
    /// Channels, height and width of an image.
    pub input: [u32; 3],
    /// Logits.
    pub classes: u32,
}

impl Layers for LenetPlan {
    fn tensors(&self) -> Vec<TensorPlan> {
        let [channels, height, width] = self.input;
        let side = |extent: u32| (extent / 2).saturating_sub(4) / 2;
        let mut tensors = Vec::from(layers::convolution("conv1", channels, 6, 5));
        tensors.extend(layers::convolution("conv2", 6, 16, 5));
        let flat = 16 * side(height) * side(width);
        tensors.extend(layers::chain(1, &[flat, 120, 84, self.classes]));
        tensors
    }

    fn task(&self) -> Task {
        image::task(self.input, self.classes)
    }

    fn brief(&self) -> String {
        "lenet".to_owned()
    }
}
