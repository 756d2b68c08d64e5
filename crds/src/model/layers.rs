//! The tensors of layers, under PyTorch's names.

use crate::tensor::{Start, TensorPlan};

/// Fully connected layers `fc…` from one width to the next, numbered from `first`.
pub(super) fn chain(first: u32, widths: &[u32]) -> Vec<TensorPlan> {
    let pairs = widths.windows(2).zip(first..);
    pairs
        .flat_map(|(pair, layer)| linear(&format!("fc{layer}"), pair[0], pair[1]))
        .collect()
}

pub(super) fn linear(name: &str, inputs: u32, outputs: u32) -> [TensorPlan; 2] {
    let (inputs, outputs) = (u64::from(inputs), u64::from(outputs));
    [
        TensorPlan::new(format!("{name}.weight"), [outputs, inputs]),
        TensorPlan::new(format!("{name}.bias"), [outputs]),
    ]
}

pub(super) fn convolution(name: &str, inputs: u32, outputs: u32, side: u32) -> [TensorPlan; 2] {
    let bias = TensorPlan::new(format!("{name}.bias"), [u64::from(outputs)]);
    [kernels(name, inputs, outputs, side), bias]
}

/// The weight of a convolution.
pub(super) fn kernels(name: &str, inputs: u32, outputs: u32, side: u32) -> TensorPlan {
    let shape = [outputs, inputs, side, side].map(u64::from);
    TensorPlan::new(format!("{name}.weight"), shape)
}

/// Weight and bias of a normalisation.
pub(super) fn norm(name: &str, channels: u32) -> [TensorPlan; 2] {
    let shape = [u64::from(channels)];
    [
        TensorPlan::new(format!("{name}.weight"), shape).starting(Start::Ones),
        TensorPlan::new(format!("{name}.bias"), shape).starting(Start::Zeros),
    ]
}
