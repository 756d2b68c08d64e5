//! Fully connected layers with ReLU between them.
//!
//! Activations are kept feature-major, `[features, batch]`: then a layer is `weight · input`, and the gradient of a weight
//! comes out contiguous in the weight's own `[out, in]` layout, so neither a step nor flattening has to transpose.

use burn::tensor::{Tensor, activation::relu};
use fltorrent_crds::model::MlpPlan;

use super::{Network, Parameters, linear};
use crate::train::layers::LayerBackend;

/// The parameters say how many layers there are and how wide.
impl Network for MlpPlan {
    const EVALUATION_BATCH: usize = 256;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let mut activation = linear(&mut parameters, inputs.transpose());
        while parameters.left() > 0 {
            activation = linear(&mut parameters, relu(activation));
        }
        activation
    }
}
