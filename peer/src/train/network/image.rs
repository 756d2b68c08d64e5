//! Common parts of the networks for images. Activations are channel-major, `[channels, batch, height, width]`.

use burn::tensor::Tensor;

use super::Parameters;
use crate::train::layers::{self, LayerBackend};

/// Inputs `[batch, channels · height · width]` as channel-major images.
pub(super) fn images<B: LayerBackend>(inputs: Tensor<B, 2>, shape: [u32; 3]) -> Tensor<B, 4> {
    let [batch, _] = inputs.dims();
    let [channels, height, width] = shape.map(|extent| extent as usize);
    inputs.reshape([batch, channels, height, width]).swap_dims(0, 1)
}

/// A convolution with a bias.
pub(super) fn convolution<B: LayerBackend>(
    parameters: &mut Parameters<'_, B>,
    input: Tensor<B, 4>,
    padding: usize,
) -> Tensor<B, 4> {
    let weight = parameters.tensor();
    let bias = parameters.tensor();
    layers::conv2d(input, weight, Some(bias), 1, padding)
}

/// Halves height and width, rounded down, by the largest of each 2×2 pixels, after ReLU.
pub(super) fn relu_halve<B: LayerBackend>(input: Tensor<B, 4>) -> Tensor<B, 4> {
    layers::relu_max_pool2d(input, 2, 2)
}

/// `[channels · height · width, batch]`, with the features in PyTorch's order.
pub(super) fn flatten<B: LayerBackend>(input: Tensor<B, 4>) -> Tensor<B, 2> {
    let [channels, batch, height, width] = input.dims();
    let pixels = height * width;
    input
        .reshape([channels, batch, pixels])
        .swap_dims(1, 2)
        .reshape([channels * pixels, batch])
}
