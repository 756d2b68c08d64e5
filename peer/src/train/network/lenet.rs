use burn::tensor::{Tensor, activation::relu};

use super::{
    Network, Parameters,
    image::{convolution, flatten, images, relu_halve},
    linear,
};
use crate::train::layers::LayerBackend;

/// LeNet-5, as [`fltorrent_crds::plan::Architecture::Lenet`] describes it.
pub(in crate::train) struct Lenet {
    /// Channels, height and width of an image.
    pub(in crate::train) input: [u32; 3],
}

impl Network for Lenet {
    const EVALUATION_BATCH: usize = 256;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let parameters = &mut parameters;
        let pixels = images(inputs, self.input);
        let first = relu_halve(convolution(parameters, pixels, 2));
        let second = relu_halve(convolution(parameters, first, 0));
        let wide = relu(linear(parameters, flatten(second)));
        let narrow = relu(linear(parameters, wide));
        linear(parameters, narrow)
    }
}
