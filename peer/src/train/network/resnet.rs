use burn::tensor::{Tensor, activation::relu};
use fltorrent_crds::model::Resnet18Plan;

use super::{Network, Parameters, image::images, linear};
use crate::train::layers::{self, LayerBackend};

/// Added to a variance before its root is taken, as in PyTorch.
const EPSILON: f32 = 1e-5;

impl Network for Resnet18Plan {
    // Its first stage keeps the size of the image on 64 channels.
    const EVALUATION_BATCH: usize = 32;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let parameters = &mut parameters;
        let pixels = images(inputs, self.input);
        let mut activation = relu(normalised(self, parameters, pixels, 1, 1));
        for stage in 0..4 {
            for block in 0..2 {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                activation = residual_block(self, parameters, activation, stride);
            }
        }
        linear(parameters, mean_of_pixels(activation))
    }
}

fn residual_block<B: LayerBackend>(
    network: &Resnet18Plan,
    parameters: &mut Parameters<'_, B>,
    input: Tensor<B, 4>,
    stride: usize,
) -> Tensor<B, 4> {
    let inner = relu(normalised(network, parameters, input.clone(), stride, 1));
    let residual = normalised(network, parameters, inner, 1, 1);
    let shortcut = if stride == 1 {
        input
    } else {
        normalised(network, parameters, input, stride, 0)
    };
    relu(residual + shortcut)
}

/// A convolution without bias, and its normalisation.
fn normalised<B: LayerBackend>(
    network: &Resnet18Plan,
    parameters: &mut Parameters<'_, B>,
    input: Tensor<B, 4>,
    stride: usize,
    padding: usize,
) -> Tensor<B, 4> {
    let output = layers::conv2d(input, parameters.tensor(), None, stride, padding);
    let (scale, offset) = (parameters.matrix(), parameters.matrix());
    group_norm(output, network.groups as usize, scale, offset)
}

/// Gives the values of each image in each of the groups of channels the mean 0 and the variance 1, then scales and moves
/// each channel; `scale` and `offset` are `[channels, 1]`.
///
/// Source: Y. Wu, K. He, "Group Normalization", ECCV 2018, equations 1 to 7.
fn group_norm<B: LayerBackend>(
    input: Tensor<B, 4>,
    groups: usize,
    scale: Tensor<B, 2>,
    offset: Tensor<B, 2>,
) -> Tensor<B, 4> {
    let shape = input.dims();
    let [channels, batch, height, width] = shape;
    let grouped = input.reshape([groups, channels / groups, batch, height * width]);
    let mean = |tensor: Tensor<B, 4>| tensor.mean_dim(3).mean_dim(1);
    let centred = grouped.clone() - mean(grouped);
    let deviation = (mean(centred.clone() * centred.clone()) + EPSILON).sqrt();
    let normal = (centred / deviation).reshape([channels, batch * height * width]);
    (normal * scale + offset).reshape(shape)
}

/// `[channels, batch]`.
fn mean_of_pixels<B: LayerBackend>(input: Tensor<B, 4>) -> Tensor<B, 2> {
    let [channels, batch, height, width] = input.dims();
    input
        .reshape([channels, batch, height * width])
        .mean_dim(2)
        .reshape([channels, batch])
}
