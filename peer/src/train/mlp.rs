//! Fully connected layers with ReLU between them.
//!
//! Activations are kept feature-major, `[features, batch]`: then a layer is `weight · input`, and the gradient of a weight
//! comes out contiguous in the weight's own `[out, in]` layout, so neither a step nor flattening has to transpose.

use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, relu},
    backend::Backend,
};

/// Logits `[classes, batch]` of images `[batch, pixels]` under `parameters`: weight `[out, in]` and bias `[out, 1]` of each
/// layer in turn.
pub(super) fn logits<B: Backend>(
    parameters: &[Tensor<B, 2>],
    images: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let mut activation = images.transpose();
    for (layer, pair) in parameters.chunks_exact(2).enumerate() {
        if layer > 0 {
            activation = relu(activation);
        }
        activation = pair[0].clone().matmul(activation) + pair[1].clone();
    }
    activation
}

/// Mean cross entropy (nats) of logits `[classes, batch]` against labels `[1, batch]`, as a tensor `[1]`.
pub(super) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    labels: Tensor<B, 2, Int>,
) -> Tensor<B, 1> {
    log_softmax(logits, 0).gather(0, labels).mean().neg()
}
