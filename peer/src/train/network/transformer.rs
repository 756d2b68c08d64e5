use burn::tensor::{
    Tensor, TensorData,
    activation::{gelu, softmax},
};
use fltorrent_crds::model::TransformerPlan;

use super::{Network, Parameters, linear};
use crate::train::layers::LayerBackend;

/// Added to a variance before its root is taken, as in PyTorch.
const EPSILON: f32 = 1e-5;

/// Activations are feature-major as an MLP's: `[width, batch · context]`, sample after sample.
impl Network for TransformerPlan {
    const EVALUATION_BATCH: usize = 32;

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let parameters = &mut parameters;
        let device = inputs.device();
        let mut activation = embedding(self, parameters, inputs);
        let mask = causal_mask(self.context as usize, &device);
        for _ in 0..self.layers {
            activation = layer(self, parameters, activation, &mask);
        }
        let (scale, offset) = (parameters.matrix(), parameters.matrix());
        linear(parameters, layer_norm(activation, scale, offset))
    }
}

/// Of tokens `[batch, context]`.
fn embedding<B: LayerBackend>(
    network: &TransformerPlan,
    parameters: &mut Parameters<'_, B>,
    tokens: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let [batch, context] = tokens.dims();
    let width = network.width as usize;
    let table = parameters.matrix();
    let positions = parameters.matrix();
    let tokens = tokens.reshape([batch * context]).int();
    let embedded = table.select(0, tokens).transpose().reshape([width, batch, context]);
    (embedded + positions.transpose().reshape([width, 1, context])).reshape([width, batch * context])
}

/// The tensors come in the order of PyTorch's layer: attention, feed-forward, then both normalisations.
fn layer<B: LayerBackend>(
    network: &TransformerPlan,
    parameters: &mut Parameters<'_, B>,
    input: Tensor<B, 2>,
    mask: &Tensor<B, 4>,
) -> Tensor<B, 2> {
    let mut attention = parameters.take(4);
    let mut feed_forward = parameters.take(4);
    let (scale, offset) = (parameters.matrix(), parameters.matrix());
    let normal = layer_norm(input.clone(), scale, offset);
    let attended = input + attend(network, &mut attention, normal, mask);
    let (scale, offset) = (parameters.matrix(), parameters.matrix());
    let normal = layer_norm(attended.clone(), scale, offset);
    let wide = gelu(linear(&mut feed_forward, normal));
    attended + linear(&mut feed_forward, wide)
}

/// Attention of several heads to the positions up to each one's own.
///
/// Source: A. Vaswani et al., "Attention Is All You Need", NIPS 2017, section 3.2.
fn attend<B: LayerBackend>(
    network: &TransformerPlan,
    parameters: &mut Parameters<'_, B>,
    input: Tensor<B, 2>,
    mask: &Tensor<B, 4>,
) -> Tensor<B, 2> {
    let [width, count] = input.dims();
    let (heads, context) = (network.heads as usize, network.context as usize);
    let (depth, batch) = (width / heads, count / context);
    let projected = linear(parameters, input);
    // Of each head and sample a matrix [depth, context].
    let part = |index: usize| {
        projected
            .clone()
            .narrow(0, index * width, width)
            .reshape([heads, depth, batch, context])
            .swap_dims(1, 2)
    };
    let (query, key, value) = (part(0), part(1), part(2));
    // Keys by queries, so that the values come out feature-major again.
    let scores = key.swap_dims(2, 3).matmul(query) / (depth as f32).sqrt();
    let shares = softmax(scores + mask.clone(), 2);
    let attended = value.matmul(shares).swap_dims(1, 2).reshape([width, count]);
    linear(parameters, attended)
}

/// `[1, 1, context, context]`, keys by queries: 0 where the key is not after the query, −∞ elsewhere.
fn causal_mask<B: LayerBackend>(context: usize, device: &B::Device) -> Tensor<B, 4> {
    let value = |at: usize| {
        let (key, query) = (at / context, at % context);
        if key <= query { 0.0 } else { f32::NEG_INFINITY }
    };
    let values: Vec<f32> = (0..context * context).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, context, context]), device)
}

/// Gives each column the mean 0 and the variance 1, then scales and moves each row; `scale` and `offset` are `[width, 1]`.
///
/// Source: J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, equation 4.
fn layer_norm<B: LayerBackend>(input: Tensor<B, 2>, scale: Tensor<B, 2>, offset: Tensor<B, 2>) -> Tensor<B, 2> {
    let centred = input.clone() - input.mean_dim(0);
    let variance = (centred.clone() * centred.clone()).mean_dim(0);
    centred / (variance + EPSILON).sqrt() * scale + offset
}
