//! The product of two matrices.
//!
//! flex's own fills its output with zeros, copies it to an address of its liking and fills it then; for the gradient of a
//! large weight that is three times the memory traffic, and twice the memory.

use gemm::{Parallelism, gemm};

/// Multiplications from which on threads are worth their start.
const PARALLEL: usize = 192 * 192 * 192;

/// A matrix whose element (row, column) is at row · `steps[0]` + column · `steps[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) shape: [usize; 2],
    pub(super) steps: [usize; 2],
}

impl Matrix<'_> {
    /// The same values with rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        let ([rows, columns], [down, across]) = (self.shape, self.steps);
        Self {
            shape: [columns, rows],
            steps: [across, down],
            ..self
        }
    }

    fn is_within(&self) -> bool {
        let [rows, columns] = self.shape;
        let [down, across] = self.steps;
        rows == 0 || columns == 0 || (rows - 1) * down + (columns - 1) * across < self.values.len()
    }
}

/// `left · right`, row by row, on all threads of the pool that it is called in; the result does not depend on how many there
/// are.
///
/// # Panics
/// When `left` has not as many columns as `right` has rows, or a matrix does not lie within its slice.
pub(super) fn matmul(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f32> {
    let ([m, k], [rows, n]) = (left.shape, right.shape);
    assert!(
        k == rows && left.is_within() && right.is_within(),
        "a product {m}×{k} · {rows}×{n} does not fit, or reaches beyond its matrices"
    );
    if m * n * k == 0 {
        return vec![0.0; m * n];
    }
    let parallelism = if m * n * k < PARALLEL {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    let mut output = Vec::with_capacity(m * n);
    // SAFETY: the assertion keeps every element of `left` and `right` within its slice; the output has room for m · n values,
    // is borrowed by nobody else, and is only written, each of its elements, since nothing of it is read (`false`) and no
    // extent is 0. So all m · n values are there afterwards.
    unsafe {
        gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.values.as_ptr(),
            left.steps[1] as isize,
            left.steps[0] as isize,
            right.values.as_ptr(),
            right.steps[1] as isize,
            right.steps[0] as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
        output.set_len(m * n);
    }
    output
}
