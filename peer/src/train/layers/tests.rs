#![allow(clippy::unwrap_used)]

use burn::{
    backend::{Autodiff, Flex},
    tensor::{Tensor, TensorData},
};

use super::{conv2d, max_pool2d, relu_max_pool2d};

type Learning = Autodiff<Flex>;

fn tensor<const D: usize>(shape: [usize; D], values: &[f32]) -> Tensor<Learning, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

#[test]
fn a_convolution_sums_the_window_in_each_image() {
    // Two images of one channel, side by side in the channel's plane.
    let input = tensor([1, 2, 2, 2], &[1., 2., 3., 4., 10., 20., 30., 40.]);
    let weight = tensor([2, 1, 2, 2], &[1., 1., 1., 1., 1., 0., 0., 0.]);
    let output = conv2d(input, weight, Some(tensor([2], &[0.5, 0.])), 1, 0);
    assert_eq!(output.dims(), [2, 2, 1, 1]);
    assert_eq!(values(output.inner()), [10.5, 100.5, 1., 10.]);
}

#[test]
fn pooling_sends_the_gradient_to_the_largest() {
    let input = tensor([1, 1, 2, 4], &[1., 5., -3., -2., 2., 3., -1., -4.]).require_grad();
    let pooled = max_pool2d(input.clone(), 2, 2);
    assert_eq!(values(pooled.clone().inner()), [5., -1.]);
    let gradient = input.grad(&pooled.sum().backward()).unwrap();
    assert_eq!(values(gradient), [0., 1., 0., 0., 0., 0., 1., 0.]);

    let pooled = relu_max_pool2d(input.clone(), 2, 2);
    assert_eq!(values(pooled.clone().inner()), [5., 0.]);
    let gradient = input.grad(&pooled.sum().backward()).unwrap();
    assert_eq!(values(gradient), [0., 1., 0., 0., 0., 0., 0., 0.]);
}

#[test]
#[should_panic(expected = "does not fit a plane of 2×2")]
fn a_window_larger_than_the_plane_is_refused() {
    let (input, weight) = (
        tensor([1, 1, 2, 2], &[0.; 4]),
        tensor([1, 1, 3, 3], &[0.; 9]),
    );
    let _ = conv2d(input, weight, None, 1, 0);
}
