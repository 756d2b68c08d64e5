//! The model's tensors.

use super::{Architecture, ModelPlan, Start, TensorPlan, build::Findings};
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
    // At most 17 layers of 2^24 × 2^16: no overflow.
    let model = ModelPlan::new(Architecture::Mlp { widths });
    if model.parameters > MAX_PARAMETERS {
        findings.error(
            "model.mlp.hidden",
            format!("the model has {} parameters", model.parameters),
            format!("at most {MAX_PARAMETERS} will do; take narrower layers"),
        );
        return None;
    }
    Some(model)
}

impl ModelPlan {
    /// The model of an architecture, whose tensors follow from it.
    #[must_use]
    pub fn new(architecture: Architecture) -> Self {
        let tensors = architecture.tensors();
        let parameters = tensors.iter().map(TensorPlan::elements).sum();
        Self {
            architecture,
            tensors,
            parameters,
            bytes: parameters * 4,
        }
    }
}

impl TensorPlan {
    /// A tensor of this name and shape that starts as [`Start::FanIn`] says.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<u64>>) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            start: Start::FanIn,
        }
    }

    /// Product of the extents.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}

impl Architecture {
    /// The tensors in declared order.
    #[must_use]
    pub fn tensors(&self) -> Vec<TensorPlan> {
        match self {
            Self::Mlp { widths } => widths
                .windows(2)
                .zip(1..)
                .flat_map(|(pair, layer)| linear(&format!("fc{layer}"), pair[0], pair[1]))
                .collect(),
        }
    }

    /// Values of one input.
    #[must_use]
    pub fn input_len(&self) -> u64 {
        match self {
            Self::Mlp { widths } => widths.first().copied().unwrap_or(0).into(),
        }
    }

    /// Logits of one label.
    #[must_use]
    pub fn classes(&self) -> u32 {
        match self {
            Self::Mlp { widths } => widths.last().copied().unwrap_or(0),
        }
    }

    /// Labels of one sample.
    #[must_use]
    pub fn targets(&self) -> u64 {
        match self {
            Self::Mlp { .. } => 1,
        }
    }
}

/// Weight and bias of a fully connected layer.
fn linear(name: &str, inputs: u32, outputs: u32) -> [TensorPlan; 2] {
    let (inputs, outputs) = (u64::from(inputs), u64::from(outputs));
    [
        TensorPlan::new(format!("{name}.weight"), [outputs, inputs]),
        TensorPlan::new(format!("{name}.bias"), [outputs]),
    ]
}
