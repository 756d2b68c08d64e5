//! Fully connected layers with shortcuts around every two of them.

use fltorrent_cli::extend::{
    FieldError, OwnNetwork, Parameters, Start, Task, TensorPlan,
    burn::tensor::{Tensor, activation::relu},
    layers::LayerBackend,
};
use serde::Deserialize;

/// `stem` → ReLU → blocks of `x + down(relu(up(x)))` → `head`.
pub struct Residual {
    settings: Settings,
    inputs: u64,
    classes: u64,
}

/// The manifest's `model.custom.settings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Values between two blocks.
    width: u32,
    /// Number of blocks.
    blocks: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { width: 32, blocks: 2 }
    }
}

impl OwnNetwork for Residual {
    type Settings = Settings;

    fn new(settings: Settings, task: &Task) -> Result<Self, FieldError> {
        for (path, value, least, most) in [("width", settings.width, 1, 4096), ("blocks", settings.blocks, 0, 64)] {
            if !(least..=most).contains(&value) {
                let found = format!("{value} is out of range");
                let expected = format!("{least} to {most} will do");
                return Err(FieldError::new(path, found, expected));
            }
        }
        if task.targets != 1 {
            return Err(FieldError::new(
                "",
                "are of a network for samples with one label, and the data is a text",
                "take other data",
            ));
        }
        Ok(Self {
            inputs: task.input_len(),
            classes: task.classes.into(),
            settings,
        })
    }

    fn tensors(&self) -> Vec<TensorPlan> {
        let width = u64::from(self.settings.width);
        let mut tensors = layer("stem", self.inputs, width, Start::FanIn);
        for block in 0..self.settings.blocks {
            tensors.extend(layer(&format!("blocks.{block}.up"), width, width, Start::FanIn));
            // A block that begins as nothing but its shortcut can be as deep as one likes.
            tensors.extend(layer(&format!("blocks.{block}.down"), width, width, Start::Zeros));
        }
        tensors.extend(layer("head", width, self.classes, Start::FanIn));
        tensors
    }

    fn logits<B: LayerBackend>(&self, parameters: &mut Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let mut values = relu(linear(parameters, inputs));
        for _ in 0..self.settings.blocks {
            let inner = relu(linear(parameters, values.clone()));
            values = values + linear(parameters, inner);
        }
        linear(parameters, values)
    }
}

/// Weight and bias in PyTorch's form.
fn layer(name: &str, inputs: u64, outputs: u64, start: Start) -> Vec<TensorPlan> {
    vec![
        TensorPlan::new(format!("{name}.weight"), [outputs, inputs]).starting(start),
        TensorPlan::new(format!("{name}.bias"), [outputs]).starting(start),
    ]
}

/// `[batch, in]` to `[batch, out]` with the next two tensors.
fn linear<B: LayerBackend>(parameters: &mut Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
    let weight: Tensor<B, 2> = parameters.tensor();
    let bias: Tensor<B, 1> = parameters.tensor();
    inputs.matmul(weight.transpose()) + bias.unsqueeze()
}
