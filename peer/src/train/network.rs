//! The trainer's interface to a network: its logits under parameters that the trainer keeps.

mod cnn;
mod image;
mod lenet;
mod mlp;
mod resnet;
mod transformer;

use burn::tensor::{Int, Tensor, activation::log_softmax, backend::Backend};
use fltorrent_crds::plan::TensorPlan;

use super::layers::{self, LayerBackend};

/// A network that an SGD trainer can train. Its tensors, their order, names, shapes and first values are those of the plan
/// ([`fltorrent_crds::plan::ModelPlan::tensors`]); the trainer keeps them.
pub(super) trait Network: Send + 'static {
    /// Most samples that are evaluated at once, which bounds the memory of their activations.
    const EVALUATION_BATCH: usize;

    /// Logits `[classes, batch · targets]`, sample after sample, of inputs `[batch, input_len]`. It takes the parameters one
    /// by one in declared order.
    fn logits<B: LayerBackend>(&self, parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2>;
}

/// The parameters on their way through a network, tensor by tensor in declared order.
///
/// The trainer keeps each as a matrix `[first extent, product of the others]`, so that optimiser and gradients need not
/// know ranks; a bias `[out]` is a column `[out, 1]`.
#[derive(Debug)]
pub struct Parameters<'a, B: Backend> {
    matrices: &'a [Tensor<B, 2>],
    tensors: &'a [TensorPlan],
}

impl<'a, B: Backend> Parameters<'a, B> {
    pub(super) fn new(matrices: &'a [Tensor<B, 2>], tensors: &'a [TensorPlan]) -> Self {
        Self { matrices, tensors }
    }

    /// Number of tensors not yet taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.matrices.len()
    }

    /// The next tensor as the matrix that it is kept as.
    ///
    /// # Panics
    /// When there is none left.
    pub fn matrix(&mut self) -> Tensor<B, 2> {
        assert!(!self.matrices.is_empty(), "the network takes more tensors than it has");
        let matrix = self.matrices[0].clone();
        self.matrices = &self.matrices[1..];
        self.tensors = &self.tensors[1..];
        matrix
    }

    /// The next tensor in its declared shape, which has `D` extents.
    ///
    /// # Panics
    /// When there is none left, or it has another number of extents.
    pub fn tensor<const D: usize>(&mut self) -> Tensor<B, D> {
        let mut shape = [0; D];
        if let Some(TensorPlan {
            name, shape: declared, ..
        }) = self.tensors.first()
        {
            assert_eq!(declared.len(), D, "{name} has the shape {declared:?}");
            shape = std::array::from_fn(|at| declared[at] as usize);
        }
        self.matrix().reshape(shape)
    }

    /// The next tensors, to be taken apart from those after them.
    ///
    /// # Panics
    /// When there are not so many left.
    #[must_use]
    pub fn take(&mut self, count: usize) -> Self {
        let (matrices, tensors);
        (matrices, self.matrices) = self.matrices.split_at(count);
        (tensors, self.tensors) = self.tensors.split_at(count);
        Self { matrices, tensors }
    }
}

/// A fully connected layer on `[in, count]`: `[out, count]`.
fn linear<B: LayerBackend>(parameters: &mut Parameters<'_, B>, input: Tensor<B, 2>) -> Tensor<B, 2> {
    let weight = parameters.matrix();
    layers::matmul(weight, input) + parameters.matrix()
}

/// Extents of the matrix that a tensor is kept as.
pub(super) fn matrix_shape(tensor: &TensorPlan) -> [usize; 2] {
    let rows = tensor.shape.first().copied().unwrap_or(1);
    let columns: u64 = tensor.shape.iter().skip(1).product();
    [rows as usize, columns as usize]
}

/// Mean cross entropy (nats) of logits `[classes, count]` against labels `[1, count]`, as a tensor `[1]`.
pub(super) fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, labels: Tensor<B, 2, Int>) -> Tensor<B, 1> {
    log_softmax(logits, 0).gather(0, labels).mean().neg()
}
