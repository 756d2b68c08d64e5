//! ResNet-18.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Layers, ModelPlan, NetworkSettings, image,
    layers::{kernels, linear, norm},
};
use crate::{
    catalogue::{Catalogue, Task},
    family::{Settings, Sketch},
    findings::Findings,
    tensor::TensorPlan,
};

/// Channels of the four stages.
const STAGES: [u32; 4] = [64, 128, 256, 512];
/// Channels of the first layer; those of all others are multiples of it.
const CHANNELS: u32 = STAGES[0];

/// ResNet-18 for small images, with group normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Resnet18 {
    /// Groups of channels that are normalised together: a divisor of 64.
    #[schemars(range(min = 1, max = 64))]
    pub groups: u32,
}

impl Default for Resnet18 {
    fn default() -> Self {
        Self { groups: 32 }
    }
}

impl Settings for Resnet18 {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }
}

impl NetworkSettings for Resnet18 {
    fn resolve(&self, task: &Task, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan> {
        let groups = self.groups;
        let input = image::of(task, "resnet18", 1, findings);
        if !CHANNELS.is_multiple_of(groups) {
            findings.error(
                "model.resnet18.groups",
                format!("{groups} groups do not divide {CHANNELS} channels"),
                "1, 2, 4, 8, 16, 32 or 64 will do",
            );
            return None;
        }
        Some(ModelPlan::new(Resnet18Plan {
            input: input?,
            classes: task.classes,
            groups,
        }))
    }
}

/// ResNet-18 for small images: a first layer of 3×3 without pooling (K. He et al., "Deep Residual Learning for Image
/// Recognition", CVPR 2016, sections 3.3 and 4.2) and group normalisation (Y. Wu, K. He, "Group Normalization", ECCV
/// 2018), under torchvision's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resnet18Plan {
    /// Channels, height and width of an image.
    pub input: [u32; 3],
    /// Logits.
    pub classes: u32,
    /// Groups of channels that are normalised together.
    pub groups: u32,
}

impl Layers for Resnet18Plan {
    fn tensors(&self) -> Vec<TensorPlan> {
        let [mut inputs, .., last] = STAGES;
        let mut tensors = vec![kernels("conv1", self.input[0], inputs, 3)];
        tensors.extend(norm("bn1", inputs));
        for (stage, outputs) in (1..).zip(STAGES) {
            for block in 0..2 {
                let name = format!("layer{stage}.{block}");
                tensors.push(kernels(&format!("{name}.conv1"), inputs, outputs, 3));
                tensors.extend(norm(&format!("{name}.bn1"), outputs));
                tensors.push(kernels(&format!("{name}.conv2"), outputs, outputs, 3));
                tensors.extend(norm(&format!("{name}.bn2"), outputs));
                if inputs != outputs {
                    let name = format!("{name}.downsample");
                    tensors.push(kernels(&format!("{name}.0"), inputs, outputs, 1));
                    tensors.extend(norm(&format!("{name}.1"), outputs));
                }
                inputs = outputs;
            }
        }
        tensors.extend(linear("fc", last, self.classes));
        tensors
    }

    fn task(&self) -> Task {
        image::task(self.input, self.classes)
    }

    fn brief(&self) -> String {
        format!("resnet18, {} groups", self.groups)
    }
}
