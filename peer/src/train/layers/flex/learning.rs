//! The same with gradients, each written out instead of recorded.

use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{TensorMetadata, ops::FloatTensor},
};
use burn_flex::FlexTensor;

use super::{LayerBackend, Pooling, Window, convolution, geometry, matrix, pool, product, strided, tensor};

impl LayerBackend for Autodiff<Flex> {
    fn layer_matmul(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        let state = Factors {
            left: strided(left.primitive),
            right: strided(right.primitive),
        };
        let output = product(matrix(&state.left), matrix(&state.right));
        match Product
            .prepare::<NoCheckpointing>([left.node, right.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => preparation.finish(state, output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn layer_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        window: Window,
    ) -> FloatTensor<Self> {
        let bias = bias.unwrap_or_else(|| {
            let outputs = weight.shape().dims::<4>()[0];
            FloatTensor::<Self>::new(tensor(vec![0.0; outputs], [outputs]))
        });
        // Once for the output and its gradient.
        let (values, kernels) = (input.primitive.to_contiguous(), weight.primitive.to_contiguous());
        let output = Flex::layer_conv2d(values.clone(), kernels.clone(), Some(bias.primitive), window);
        let nodes = [input.node, weight.node, bias.node];
        match Convolution.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let state = Convolved {
                    input: values,
                    weight: kernels,
                    window,
                };
                preparation.finish(state, output)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn layer_max_pool2d(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        max_pool2d(input, window, false)
    }

    fn layer_relu_max_pool2d(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        max_pool2d(input, window, true)
    }
}

#[derive(Debug)]
struct Product;

/// Both of them strided.
#[derive(Clone, Debug)]
struct Factors {
    left: FlexTensor,
    right: FlexTensor,
}

impl Backward<Flex, 2> for Product {
    type State = Factors;

    fn backward(self, ops: Ops<Factors, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = strided(gradients.consume::<Flex>(&ops.node));
        let gradient = matrix(&gradient);
        let [left, right] = ops.parents;
        if let Some(node) = left {
            let other = matrix(&ops.state.right).transposed();
            gradients.register::<Flex>(node.id, product(gradient, other));
        }
        if let Some(node) = right {
            let other = matrix(&ops.state.left).transposed();
            gradients.register::<Flex>(node.id, product(other, gradient));
        }
    }
}

#[derive(Debug)]
struct Convolution;

/// Contiguous, both of them.
#[derive(Clone, Debug)]
struct Convolved {
    input: FlexTensor,
    weight: FlexTensor,
    window: Window,
}

impl Backward<Flex, 3> for Convolution {
    type State = Convolved;

    fn backward(self, ops: Ops<Convolved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (input, weight) = (ops.state.input, ops.state.weight);
        let geometry = geometry(&input, &weight, ops.state.window);
        let [input_node, weight_node, bias_node] = ops.parents;
        if let Some(node) = bias_node {
            let values = convolution::bias_gradient(geometry, gradient.storage());
            gradients.register::<Flex>(node.id, tensor(values, [geometry.outputs]));
        }
        if let Some(node) = weight_node {
            let values = convolution::weight_gradient(geometry, input.storage(), gradient.storage());
            gradients.register::<Flex>(node.id, tensor(values, weight.shape().dims::<4>()));
        }
        if let Some(node) = input_node {
            let values = convolution::input_gradient(geometry, weight.storage(), gradient.storage());
            gradients.register::<Flex>(node.id, tensor(values, input.shape().dims::<4>()));
        }
    }
}

fn max_pool2d(input: FloatTensor<Autodiff<Flex>>, window: Window, rectify: bool) -> FloatTensor<Autodiff<Flex>> {
    let shape = input.shape().dims();
    let pooled = pool(input.primitive, window, rectify);
    match MaxPooling
        .prepare::<NoCheckpointing>([input.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(preparation) => {
            let state = PooledFrom {
                shape,
                places: Arc::new(pooled.places),
                pooling: pooled.pooling,
            };
            preparation.finish(state, pooled.output)
        }
        OpsKind::UnTracked(preparation) => preparation.finish(pooled.output),
    }
}

#[derive(Debug)]
struct MaxPooling;

#[derive(Clone, Debug)]
struct PooledFrom {
    shape: [usize; 4],
    places: Arc<Vec<u16>>,
    pooling: Pooling,
}

impl Backward<Flex, 1> for MaxPooling {
    type State = PooledFrom;

    fn backward(self, ops: Ops<PooledFrom, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            let values = ops.state.pooling.backward(gradient.storage(), &ops.state.places);
            gradients.register::<Flex>(node.id, tensor(values, ops.state.shape));
        }
    }
}
