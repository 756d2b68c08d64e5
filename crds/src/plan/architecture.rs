//! What follows from a network's architecture: its tensors, and what goes in and comes out.

use super::{Architecture, ModelPlan, Start, TensorPlan};

/// Channels of the four stages of a ResNet-18.
const STAGES: [u32; 4] = [64, 128, 256, 512];
/// Tokens of a text: the values of a byte.
const TOKENS: u32 = 256;

impl ModelPlan {
    /// The model of an architecture, whose tensors follow from it.
    #[must_use]
    pub fn new(architecture: Architecture) -> Self {
        let tensors = architecture.tensors();
        Self::with_tensors(architecture, tensors)
    }

    /// The model of an architecture whose tensors somebody else says: [`Architecture::Custom`].
    #[must_use]
    pub fn with_tensors(architecture: Architecture, tensors: Vec<TensorPlan>) -> Self {
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

impl Architecture {
    /// The tensors in declared order; empty for [`Architecture::Custom`], whose tensors a
    /// [`crate::catalogue::Catalogue`] says.
    #[must_use]
    pub fn tensors(&self) -> Vec<TensorPlan> {
        match self {
            Self::Mlp { widths } => chain(1, widths),
            Self::Lenet { input, classes } => lenet(*input, *classes),
            Self::Cnn { input, classes } => cnn(*input, *classes),
            Self::Resnet18 { input, classes, .. } => resnet18(input[0], *classes),
            Self::Transformer {
                context, layers, width, ..
            } => transformer(*context, *layers, *width),
            Self::Custom { .. } => Vec::new(),
        }
    }

    /// Values of one input.
    #[must_use]
    pub fn input_len(&self) -> u64 {
        match self {
            Self::Mlp { widths } => widths.first().copied().unwrap_or(0).into(),
            Self::Lenet { input, .. } | Self::Cnn { input, .. } | Self::Resnet18 { input, .. } => {
                input.iter().map(|&extent| u64::from(extent)).product()
            }
            Self::Transformer { context, .. } => (*context).into(),
            Self::Custom { input, .. } => input.iter().map(|&extent| u64::from(extent)).product(),
        }
    }

    /// Logits of one label.
    #[must_use]
    pub fn classes(&self) -> u32 {
        match self {
            Self::Mlp { widths } => widths.last().copied().unwrap_or(0),
            Self::Lenet { classes, .. }
            | Self::Cnn { classes, .. }
            | Self::Resnet18 { classes, .. }
            | Self::Custom { classes, .. } => *classes,
            Self::Transformer { .. } => TOKENS,
        }
    }

    /// Labels of one sample.
    #[must_use]
    pub fn targets(&self) -> u64 {
        match self {
            Self::Transformer { context, .. } => (*context).into(),
            Self::Custom { targets, .. } => (*targets).into(),
            _ => 1,
        }
    }
}

fn lenet([channels, height, width]: [u32; 3], classes: u32) -> Vec<TensorPlan> {
    let side = |extent: u32| (extent / 2).saturating_sub(4) / 2;
    let mut tensors = Vec::from(convolution("conv1", channels, 6, 5));
    tensors.extend(convolution("conv2", 6, 16, 5));
    tensors.extend(chain(1, &[16 * side(height) * side(width), 120, 84, classes]));
    tensors
}

fn cnn([channels, height, width]: [u32; 3], classes: u32) -> Vec<TensorPlan> {
    let mut tensors = Vec::from(convolution("conv1", channels, 32, 5));
    tensors.extend(convolution("conv2", 32, 64, 5));
    tensors.extend(chain(1, &[64 * (height / 4) * (width / 4), 512, classes]));
    tensors
}

fn resnet18(channels: u32, classes: u32) -> Vec<TensorPlan> {
    let [mut inputs, .., last] = STAGES;
    let mut tensors = vec![kernels("conv1", channels, inputs, 3)];
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
    tensors.extend(linear("fc", last, classes));
    tensors
}

fn transformer(context: u32, layers: u32, width: u32) -> Vec<TensorPlan> {
    let table = |name: &str, rows: u32| {
        let shape = [u64::from(rows), u64::from(width)];
        TensorPlan::new(name, shape).starting(Start::Normal)
    };
    let mut tensors = vec![table("token.weight", TOKENS), table("position.weight", context)];
    for layer in 0..layers {
        let name = format!("encoder.layers.{layer}");
        let [weight, bias] = linear("in_proj", width, 3 * width);
        // PyTorch joins these names by an underscore.
        for tensor in [weight, bias] {
            let name = format!("{name}.self_attn.{}", tensor.name.replace('.', "_"));
            tensors.push(TensorPlan { name, ..tensor });
        }
        tensors.extend(linear(&format!("{name}.self_attn.out_proj"), width, width));
        tensors.extend(linear(&format!("{name}.linear1"), width, 4 * width));
        tensors.extend(linear(&format!("{name}.linear2"), 4 * width, width));
        tensors.extend(norm(&format!("{name}.norm1"), width));
        tensors.extend(norm(&format!("{name}.norm2"), width));
    }
    tensors.extend(norm("encoder.norm", width));
    tensors.extend(linear("head", width, TOKENS));
    tensors
}

/// Fully connected layers `fc…` from one width to the next, numbered from `first`.
fn chain(first: u32, widths: &[u32]) -> Vec<TensorPlan> {
    let pairs = widths.windows(2).zip(first..);
    pairs
        .flat_map(|(pair, layer)| linear(&format!("fc{layer}"), pair[0], pair[1]))
        .collect()
}

fn linear(name: &str, inputs: u32, outputs: u32) -> [TensorPlan; 2] {
    let (inputs, outputs) = (u64::from(inputs), u64::from(outputs));
    [
        TensorPlan::new(format!("{name}.weight"), [outputs, inputs]),
        TensorPlan::new(format!("{name}.bias"), [outputs]),
    ]
}

fn convolution(name: &str, inputs: u32, outputs: u32, side: u32) -> [TensorPlan; 2] {
    let bias = TensorPlan::new(format!("{name}.bias"), [u64::from(outputs)]);
    [kernels(name, inputs, outputs, side), bias]
}

/// The weight of a convolution.
fn kernels(name: &str, inputs: u32, outputs: u32, side: u32) -> TensorPlan {
    let shape = [outputs, inputs, side, side].map(u64::from);
    TensorPlan::new(format!("{name}.weight"), shape)
}

/// Weight and bias of a normalisation.
fn norm(name: &str, channels: u32) -> [TensorPlan; 2] {
    let shape = [u64::from(channels)];
    [
        TensorPlan::new(format!("{name}.weight"), shape).starting(Start::Ones),
        TensorPlan::new(format!("{name}.bias"), shape).starting(Start::Zeros),
    ]
}
