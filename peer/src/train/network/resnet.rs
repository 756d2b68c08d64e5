use burn::tensor::{Tensor, activation::relu};

use super::{Network, Parameters, image::images, linear};
use crate::train::layers::{self, LayerBackend};

/// Added to a variance before its root is taken, as in PyTorch.
const EPSILON: f32 = 1e-5;

/// ResNet-18, as [`fltorrent_crds::plan::Architecture::Resnet18`] describes it.
pub(in crate::train) struct Resnet18 {
    /// Channels, height and width of an image.
    pub(in crate::train) input: [u32; 3],
    /// Groups of channels that are normalised together.
    pub(in crate::train) groups: u32,
}

impl Network for Resnet18 {
    // Its first stage keeps the size of the image on 64 channels.
    const EVALUATION_BATCH: usize = 32;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let parameters = &mut parameters;
        let pixels = images(inputs, self.input);
        let mut activation = relu(self.normalised(parameters, pixels, 1, 1));
        for stage in 0..4 {
            for block in 0..2 {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                activation = self.block(parameters, activation, stride);
            }
        }
        linear(parameters, mean_of_pixels(activation))
    }
}

impl Resnet18 {
    fn block<B: LayerBackend>(
        &self,
        parameters: &mut Parameters<'_, B>,
        input: Tensor<B, 4>,
        stride: usize,
    ) -> Tensor<B, 4> {
        let inner = relu(self.normalised(parameters, input.clone(), stride, 1));
        let residual = self.normalised(parameters, inner, 1, 1);
        let shortcut = if stride == 1 {
            input
        } else {
            self.normalised(parameters, input, stride, 0)
        };
        relu(residual + shortcut)
    }

    /// A convolution without bias, and its normalisation.
    fn normalised<B: LayerBackend>(
        &self,
        parameters: &mut Parameters<'_, B>,
        input: Tensor<B, 4>,
        stride: usize,
        padding: usize,
    ) -> Tensor<B, 4> {
        let output = layers::conv2d(input, parameters.tensor(), None, stride, padding);
        let (scale, offset) = (parameters.matrix(), parameters.matrix());
        group_norm(output, self.groups as usize, scale, offset)
    }
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
