#![allow(clippy::unwrap_used)]

use burn::{
    backend::{Autodiff, Flex},
    tensor::{Tensor, TensorData, activation::relu, module, ops::ConvOptions},
};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use super::{conv2d, matmul, max_pool2d, relu_max_pool2d};

type Learning = Autodiff<Flex>;

fn tensor<const D: usize>(shape: [usize; D], values: &[f32]) -> Tensor<Learning, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// Whole numbers from −4 to 4, whose products and sums are exact in whatever order.
fn numbers<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<Learning, D> {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|index: usize| ((index * index + 31 * seed + index * (seed + 7)) % 9) as f32 - 4.)
        .collect();
    tensor(shape, &values)
}

/// Numbers with fractions that f32 cannot add exactly.
fn fractions<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<Learning, D> {
    numbers(shape, seed) / 7.3 + numbers(shape, seed + 1) * 0.013
}

#[derive(Clone, Copy, Debug)]
struct Case {
    inputs: usize,
    outputs: usize,
    images: usize,
    plane: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Case {
    fn input(&self) -> [usize; 4] {
        [self.inputs, self.images, self.plane[0], self.plane[1]]
    }

    fn weight(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel[0], self.kernel[1]]
    }
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (1_usize..5, 1_usize..20, 1_usize..7);
    let plane = (1_usize..15, 1_usize..15, 0_usize..4);
    (sizes, plane, 1_usize..4).prop_flat_map(|((inputs, outputs, images), (height, width, padding), stride)| {
        let kernel = |len: usize| 1..=(len + 2 * padding).min(6);
        (kernel(height), kernel(width)).prop_map(move |(rows, columns)| Case {
            inputs,
            outputs,
            images,
            plane: [height, width],
            kernel: [rows, columns],
            stride,
            padding,
        })
    })
}

/// The output, and the gradients of input, weight and bias under a weighted sum of the output.
fn all_of(
    leaves: (Tensor<Learning, 4>, Tensor<Learning, 4>, Tensor<Learning, 1>),
    convolve: impl Fn(Tensor<Learning, 4>, Tensor<Learning, 4>, Tensor<Learning, 1>) -> Tensor<Learning, 4>,
) -> [Vec<f32>; 4] {
    let (input, weight, bias) = (
        leaves.0.require_grad(),
        leaves.1.require_grad(),
        leaves.2.require_grad(),
    );
    let output = convolve(input.clone(), weight.clone(), bias.clone());
    let shares = numbers(output.dims(), 5);
    let gradients = (output.clone() * shares).sum().backward();
    [
        values(output.inner()),
        values(input.grad(&gradients).unwrap()),
        values(weight.grad(&gradients).unwrap()),
        values(bias.grad(&gradients).unwrap()),
    ]
}

fn ours(case: Case) -> impl Fn(Tensor<Learning, 4>, Tensor<Learning, 4>, Tensor<Learning, 1>) -> Tensor<Learning, 4> {
    move |input, weight, bias| conv2d(input, weight, Some(bias), case.stride, case.padding)
}

fn burns(case: Case) -> impl Fn(Tensor<Learning, 4>, Tensor<Learning, 4>, Tensor<Learning, 1>) -> Tensor<Learning, 4> {
    move |input, weight, bias| {
        let options = ConvOptions::new([case.stride; 2], [case.padding; 2], [1, 1], 1);
        module::conv2d(input.swap_dims(0, 1), weight, Some(bias), options).swap_dims(0, 1)
    }
}

/// The product of two matrices and its gradients, as bits, where each matrix lies in memory as `views` says.
fn product_of(
    operation: fn(Tensor<Learning, 2>, Tensor<Learning, 2>) -> Tensor<Learning, 2>,
    [rows, inner, columns]: [usize; 3],
    views: [usize; 2],
) -> [Vec<u32>; 3] {
    // A matrix of its own; a transposed one; a part of a larger one; one with its rows in reverse; a row repeated.
    let view = |leaf: Tensor<Learning, 2>, which, rows: usize| match which {
        0 => leaf,
        1 => leaf.transpose(),
        2 => leaf.narrow(0, 1, rows),
        3 => leaf.flip([0]),
        _ => leaf.expand([rows as i64, -1]),
    };
    // What is copied first is added up in another order than burn does, which fractions show.
    let draw = if views.iter().any(|&view| view >= 3) {
        numbers
    } else {
        fractions
    };
    let leaf = |[rows, columns]: [usize; 2], which, seed| {
        let shape = match which {
            0 | 3 => [rows, columns],
            1 => [columns, rows],
            2 => [rows + 2, columns],
            _ => [1, columns],
        };
        draw(shape, seed).require_grad()
    };
    let left = leaf([rows, inner], views[0], 1);
    let right = leaf([inner, columns], views[1], 2);
    let output = operation(view(left.clone(), views[0], rows), view(right.clone(), views[1], inner));
    let mut gradients = (output.clone() * draw([rows, columns], 3)).sum().backward();
    let bits = |tensor| values(tensor).into_iter().map(f32::to_bits).collect();
    [
        bits(output.inner()),
        bits(left.grad_remove(&mut gradients).unwrap()),
        bits(right.grad_remove(&mut gradients).unwrap()),
    ]
}

proptest! {
    #[test]
    fn a_product_and_its_gradients_are_burns_to_the_last_bit(
        shape in prop::array::uniform3(1_usize..40), views in prop::array::uniform2(0_usize..5), large in 0_u8..8,
    ) {
        // Large enough for threads, now and then.
        let shape = if large == 0 { shape.map(|extent| extent + 190) } else { shape };
        let ours = product_of(matmul, shape, views);
        let burns = product_of(|left, right| left.matmul(right), shape, views);
        prop_assert!(ours == burns, "{shape:?} {views:?}");
    }

    #[test]
    fn a_convolution_and_its_gradients_are_burns(case in case()) {
        let leaves = (numbers(case.input(), 1), numbers(case.weight(), 2), numbers([case.outputs], 3));
        prop_assert_eq!(all_of(leaves.clone(), ours(case)), all_of(leaves, burns(case)));
    }

    #[test]
    fn fractions_differ_from_burns_by_rounding_only(case in case()) {
        let leaves = (fractions(case.input(), 1), fractions(case.weight(), 2), fractions([case.outputs], 3));
        let (ours, burns) = (all_of(leaves.clone(), ours(case)), all_of(leaves, burns(case)));
        for (ours, burns) in ours.iter().flatten().zip(burns.iter().flatten()) {
            prop_assert!((ours - burns).abs() <= 1e-4 * burns.abs().max(1.), "{ours} instead of {burns}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit(case in case()) {
        // Many images, so that there are several blocks and groups of them.
        let case = Case { images: case.images * 9, ..case };
        let leaves = (fractions(case.input(), 1), fractions(case.weight(), 2), fractions([case.outputs], 3));
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| all_of(leaves.clone(), ours(case))).map(|values| {
                values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let one = on(1);
        prop_assert_eq!(&one, &on(2));
        prop_assert_eq!(&one, &on(3));
    }

    #[test]
    fn pooling_and_its_gradient_are_burns(case in case(), kernel in 1_usize..4, rectify: bool) {
        prop_assume!(kernel <= case.plane[0].min(case.plane[1]));
        let pooled = |ours: bool| {
            // Distinct values, since among equals burn may choose another.
            let input = numbers(case.input(), 1) + Tensor::<Learning, 1, burn::tensor::Int>::arange(
                0..case.input().iter().product::<usize>() as i64, &Default::default(),
            ).float().reshape(case.input()) / 4096.;
            let input = input.require_grad();
            let output = match (ours, rectify) {
                (true, true) => relu_max_pool2d(input.clone(), kernel, case.stride),
                (true, false) => max_pool2d(input.clone(), kernel, case.stride),
                (false, _) => {
                    let input = if rectify { relu(input.clone()) } else { input.clone() };
                    module::max_pool2d(input, [kernel; 2], [case.stride; 2], [0, 0], [1, 1], false)
                }
            };
            let gradients = (output.clone() * numbers(output.dims(), 5)).sum().backward();
            [values(output.inner()), values(input.grad(&gradients).unwrap())]
        };
        prop_assert_eq!(pooled(true), pooled(false));
    }
}

#[test]
fn gradients_are_the_slopes_of_the_output() {
    let case = Case {
        inputs: 2,
        outputs: 3,
        images: 2,
        plane: [5, 4],
        kernel: [3, 2],
        stride: 2,
        padding: 1,
    };
    let leaves = || {
        (
            numbers(case.input(), 1),
            numbers(case.weight(), 2),
            numbers([case.outputs], 3),
        )
    };
    let total = |leaves: (Tensor<Learning, 4>, Tensor<Learning, 4>, Tensor<Learning, 1>)| {
        let output = ours(case)(leaves.0, leaves.1, leaves.2);
        let shares = numbers(output.dims(), 5);
        values((output * shares).sum().inner())[0]
    };
    let [_, input, weight, bias] = all_of(leaves(), ours(case));
    // The output is linear in each leaf, so a difference over a whole step is the slope itself.
    let bump = |len: usize, at: usize| -> Vec<f32> { (0..len).map(|index| f32::from(u8::from(index == at))).collect() };
    let base = total(leaves());
    for (at, slope) in input.iter().enumerate() {
        let (x, w, b) = leaves();
        let x = x + tensor(case.input(), &bump(input.len(), at));
        assert_eq!(total((x, w, b)) - base, *slope, "input {at}");
    }
    for (at, slope) in weight.iter().enumerate() {
        let (x, w, b) = leaves();
        let w = w + tensor(case.weight(), &bump(weight.len(), at));
        assert_eq!(total((x, w, b)) - base, *slope, "weight {at}");
    }
    for (at, slope) in bias.iter().enumerate() {
        let (x, w, b) = leaves();
        let b = b + tensor([case.outputs], &bump(bias.len(), at));
        assert_eq!(total((x, w, b)) - base, *slope, "bias {at}");
    }
}

#[test]
fn a_convolution_sums_the_window_in_each_image() {
    // Two images of one channel, side by side in the channel's plane.
    let input = tensor([1, 2, 2, 2], &[1., 2., 3., 4., 10., 20., 30., 40.]);
    let weight = tensor([2, 1, 2, 2], &[1., 1., 1., 1., 1., 0., 0., 0.]);
    let output = conv2d(input.clone(), weight.clone(), Some(tensor([2], &[0.5, 0.])), 1, 0);
    assert_eq!(output.dims(), [2, 2, 1, 1]);
    assert_eq!(values(output.inner()), [10.5, 100.5, 1., 10.]);
    let output = conv2d(input.inner(), weight.inner(), None, 1, 0);
    assert_eq!(values(output), [10., 100., 1., 10.]);
}

#[test]
fn pooling_sends_the_gradient_to_the_first_of_the_largest() {
    let input = tensor([1, 1, 2, 4], &[1., 5., -3., -2., 5., 3., -1., -4.]).require_grad();
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
fn pooling_keeps_what_is_not_a_number() {
    for pool in [max_pool2d, relu_max_pool2d] {
        for kernel in [2, 3] {
            let mut pixels = [1.; 9];
            pixels[1] = f32::NAN;
            let pooled = values(pool(tensor([1, 1, 3, 3], &pixels).inner(), kernel, 2));
            assert!(pooled[0].is_nan(), "{pooled:?}");
        }
    }
}

#[test]
#[should_panic(expected = "does not fit a plane of 2×2")]
fn a_window_larger_than_the_plane_is_refused() {
    let (input, weight) = (numbers([1, 1, 2, 2], 1), numbers([1, 1, 3, 3], 1));
    let _ = conv2d(input, weight, None, 1, 0);
}

#[test]
#[should_panic(expected = "every 0 pixels")]
fn a_stride_of_nothing_is_refused() {
    let _ = max_pool2d(numbers([1, 1, 2, 2], 1), 2, 0);
}

#[test]
#[should_panic(expected = "an input of 2 channels")]
fn channels_that_differ_are_refused() {
    let _ = conv2d(numbers([2, 1, 2, 2], 1), numbers([1, 1, 1, 1], 1), None, 1, 0);
}

#[test]
#[should_panic(expected = "2×3 and 2×3 cannot be multiplied")]
fn matrices_that_do_not_fit_are_refused() {
    matmul(numbers([2, 3], 1), numbers([2, 3], 2));
}
