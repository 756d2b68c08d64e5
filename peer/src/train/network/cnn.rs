use burn::tensor::{Tensor, activation::relu};

use super::{
    Network, Parameters,
    image::{convolution, flatten, images, relu_halve},
    linear,
};
use crate::train::layers::LayerBackend;

/// The FedAvg paper's network, as [`fltorrent_crds::plan::Architecture::Cnn`] describes it.
pub(in crate::train) struct Cnn {
    /// Channels, height and width of an image.
    pub(in crate::train) input: [u32; 3],
}

impl Network for Cnn {
    const EVALUATION_BATCH: usize = 64;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let parameters = &mut parameters;
        let pixels = images(inputs, self.input);
        let first = relu_halve(convolution(parameters, pixels, 2));
        let second = relu_halve(convolution(parameters, first, 2));
        let wide = relu(linear(parameters, flatten(second)));
        linear(parameters, wide)
    }
}
