use gemm::{Parallelism, gemm};

/// A matrix whose columns are contiguous and lie `step` apart.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) values: &'a [f32],
    pub(super) step: usize,
}

/// `output = left · right`, or `output += left · right`, with `left` `[m, k]`, `right` `[k, n]` and columns of `output`
/// `[m, n]` lying `step` apart. One thread computes it.
///
/// # Panics
/// When a matrix does not lie within its slice.
pub(super) fn product(
    [m, n, k]: [usize; 3],
    output: &mut [f32],
    step: usize,
    add: bool,
    left: Columns<'_>,
    right: Columns<'_>,
) {
    let within = |rows: usize, columns: usize, step: usize, len: usize| {
        rows == 0 || columns == 0 || (step >= rows && (columns - 1) * step + rows <= len)
    };
    assert!(
        within(m, n, step, output.len())
            && within(m, k, left.step, left.values.len())
            && within(k, n, right.step, right.values.len()),
        "a product {m}×{k} · {k}×{n} reaches beyond its matrices"
    );
    // SAFETY: every element (row, column) of a matrix is at column · step + row, which the assertion keeps within its slice;
    // steps no smaller than the rows keep the output's elements apart, and the borrows keep it apart from the others.
    unsafe {
        gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            step as isize,
            1,
            add,
            left.values.as_ptr(),
            left.step as isize,
            1,
            right.values.as_ptr(),
            right.step as isize,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
