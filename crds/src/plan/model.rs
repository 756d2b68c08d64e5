//! The model's tensors.

use super::{Architecture, ModelPlan, TensorPlan, build::Findings};
use crate::experiment::{Model, ModelType};

/// Most parameters of a model: an update of 4 GiB.
pub const MAX_PARAMETERS: u64 = 1 << 30;

/// The tensors for inputs and classes of the data; none when there are too many parameters.
pub(super) fn resolve(
    model: &Model,
    input_shape: &[u32],
    classes: u32,
    findings: &mut Findings,
) -> Option<ModelPlan> {
    match model.kind {
        ModelType::Mlp => mlp(&model.mlp.as_ref()?.hidden, input_shape, classes, findings),
    }
}

fn mlp(
    hidden: &[u32],
    input_shape: &[u32],
    classes: u32,
    findings: &mut Findings,
) -> Option<ModelPlan> {
    // Both sides of an image are at most 4,096, so the product fits.
    let input = input_shape.iter().product();
    let widths: Vec<u32> = [input]
        .into_iter()
        .chain(hidden.iter().copied())
        .chain([classes])
        .collect();
    let tensors: Vec<TensorPlan> = widths
        .windows(2)
        .enumerate()
        .flat_map(|(i, pair)| {
            let (inputs, outputs) = (u64::from(pair[0]), u64::from(pair[1]));
            [
                TensorPlan {
                    name: format!("fc{}.weight", i + 1),
                    shape: vec![outputs, inputs],
                },
                TensorPlan {
                    name: format!("fc{}.bias", i + 1),
                    shape: vec![outputs],
                },
            ]
        })
        .collect();
    // At most 17 layers of 2^24 × 2^16: no overflow.
    let parameters: u64 = tensors
        .iter()
        .map(|tensor| tensor.shape.iter().product::<u64>())
        .sum();
    if parameters > MAX_PARAMETERS {
        findings.error(
            "model.mlp.hidden",
            format!("the model has {parameters} parameters"),
            format!("at most {MAX_PARAMETERS} will do; take narrower layers"),
        );
        return None;
    }
    Some(ModelPlan {
        architecture: Architecture::Mlp { widths },
        tensors,
        parameters,
        bytes: parameters * 4,
    })
}
