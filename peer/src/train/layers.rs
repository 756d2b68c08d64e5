//! Convolution and pooling for networks whose activations are channel-major.
//!
//! Activations are `[channels, batch, height, width]` (CNHW): the feature-major layout of the fully connected layers carried
//! on, so that a convolution is one product `weight · columns` and flattening is a reshape.

use burn::tensor::{
    Tensor, TensorPrimitive,
    backend::{AutodiffBackend, Backend},
    ops::{ConvOptions, FloatTensor},
};

#[cfg(feature = "flex")]
mod convolution;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod geometry;
#[cfg(feature = "flex")]
mod lowering;
#[cfg(feature = "flex")]
mod matmul;
#[cfg(feature = "flex")]
mod pooling;
#[cfg(feature = "flex")]
mod product;
#[cfg(all(test, feature = "flex"))]
mod tests;

/// Where a window lies on a plane, in pixels, the same for height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: usize,
    /// Zeros on each side of the plane.
    pub padding: usize,
}

/// A backend that the layers run on. What is given here computes with burn's own operations.
pub trait LayerBackend: Backend {
    /// As [`matmul()`].
    fn layer_matmul(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(left, right)
    }

    /// As [`conv2d`].
    fn layer_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        window: Window,
    ) -> FloatTensor<Self> {
        let options = ConvOptions::new([window.stride; 2], [window.padding; 2], [1, 1], 1);
        let output = Self::conv2d(Self::float_swap_dims(input, 0, 1), weight, bias, options);
        Self::float_swap_dims(output, 0, 1)
    }

    /// As [`relu_max_pool2d`].
    fn layer_relu_max_pool2d(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        // The largest of the rectified is the rectified largest, and there are fewer of those.
        Self::relu(Self::layer_max_pool2d(input, window))
    }

    /// As [`max_pool2d`].
    fn layer_max_pool2d(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        Self::max_pool2d(
            input,
            window.kernel,
            [window.stride; 2],
            [window.padding; 2],
            [1, 1],
            false,
        )
    }
}

/// A backend that can learn with the layers: they run with gradients and without.
pub trait LearningBackend: LayerBackend + AutodiffBackend<InnerBackend: LayerBackend> {}

impl<B: LayerBackend + AutodiffBackend<InnerBackend: LayerBackend>> LearningBackend for B {}

#[cfg(feature = "cuda")]
impl LayerBackend for burn::backend::Cuda {}

#[cfg(feature = "cuda")]
impl LayerBackend for burn::backend::Autodiff<burn::backend::Cuda> {}

/// The product of `[m, k]` and `[k, n]`: `[m, n]`.
///
/// # Panics
/// When the shapes do not fit each other.
pub fn matmul<B: LayerBackend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 2> {
    let ([rows, inner], [found, columns]) = (left.dims(), right.dims());
    assert!(
        inner == found,
        "{rows}×{inner} and {found}×{columns} cannot be multiplied"
    );
    Tensor::new(TensorPrimitive::Float(B::layer_matmul(
        left.into_primitive().tensor(),
        right.into_primitive().tensor(),
    )))
}

/// Convolves `[in, batch, h, w]` with a weight `[out, in, kh, kw]` and adds a bias `[out]`: `[out, batch, oh, ow]`, where
/// `oh = (h + 2·padding − kh) ÷ stride + 1`, rounded down, and `ow` likewise. As in PyTorch the kernel is not flipped.
///
/// # Panics
/// When the shapes do not fit each other, the kernel is larger than the padded plane, or the stride is 0.
pub fn conv2d<B: LayerBackend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    stride: usize,
    padding: usize,
) -> Tensor<B, 4> {
    let [channels, _, height, width] = input.dims();
    let [outputs, inputs, rows, columns] = weight.dims();
    let bias_fits = bias.as_ref().is_none_or(|bias| bias.dims() == [outputs]);
    assert!(
        channels == inputs && bias_fits,
        "an input of {channels} channels and the weight {outputs}×{inputs}×{rows}×{columns} or its bias differ"
    );
    let window = Window {
        kernel: [rows, columns],
        stride,
        padding,
    };
    window.check(height, width);
    Tensor::new(TensorPrimitive::Float(B::layer_conv2d(
        input.into_primitive().tensor(),
        weight.into_primitive().tensor(),
        bias.map(|bias| bias.into_primitive().tensor()),
        window,
    )))
}

/// The largest value of each window of `kernel × kernel`: `[channels, batch, h, w]` to `[channels, batch, oh, ow]` with sizes
/// as [`conv2d`]'s without padding. The gradient goes to the first among equals.
///
/// # Panics
/// When the kernel is larger than the plane or 255, or the stride is 0.
pub fn max_pool2d<B: LayerBackend>(input: Tensor<B, 4>, kernel: usize, stride: usize) -> Tensor<B, 4> {
    pool(input, kernel, stride, B::layer_max_pool2d)
}

/// ReLU and then [`max_pool2d`], in one pass where the backend can.
///
/// # Panics
/// As [`max_pool2d`].
pub fn relu_max_pool2d<B: LayerBackend>(input: Tensor<B, 4>, kernel: usize, stride: usize) -> Tensor<B, 4> {
    pool(input, kernel, stride, B::layer_relu_max_pool2d)
}

fn pool<B: LayerBackend>(
    input: Tensor<B, 4>,
    kernel: usize,
    stride: usize,
    operation: fn(FloatTensor<B>, Window) -> FloatTensor<B>,
) -> Tensor<B, 4> {
    let [_, _, height, width] = input.dims();
    // A place in a window is kept in 16 bits.
    assert!(kernel <= 255, "a pooling kernel of {kernel}; expected at most 255");
    let window = Window {
        kernel: [kernel; 2],
        stride,
        padding: 0,
    };
    window.check(height, width);
    let output = operation(input.into_primitive().tensor(), window);
    Tensor::new(TensorPrimitive::Float(output))
}

impl Window {
    /// Height and width of the output on a plane.
    fn output(self, height: usize, width: usize) -> [usize; 2] {
        let along = |len: usize, kernel: usize| (len + 2 * self.padding - kernel) / self.stride + 1;
        [along(height, self.kernel[0]), along(width, self.kernel[1])]
    }

    fn check(self, height: usize, width: usize) {
        let Self {
            kernel: [rows, columns],
            stride,
            padding,
        } = self;
        assert!(
            stride > 0 && (1..=height + 2 * padding).contains(&rows) && (1..=width + 2 * padding).contains(&columns),
            "a window of {rows}×{columns} every {stride} pixels does not fit a plane of {height}×{width} with padding {padding}"
        );
    }
}
