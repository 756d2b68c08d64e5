//! Lowering along the width only, after Cho and Brand, "MEC: Memory-efficient Convolution for Deep Neural Network" (ICML
//! 2017): a row of the matrix is one channel shifted by one column of the kernel, and each row of the kernel reads it at an
//! offset of its own. That is a kernel's height less to write and to keep than im2col.

use std::ops::Range;

use super::geometry::Geometry;

/// Positions are rounded up to a multiple of this, so that a product needs no packing for the sake of a last, short vector.
const VECTOR: usize = 16;

/// A block of images, lowered: `[channel · kernel column][input row mod stride][input row ÷ stride][image][output column]`.
///
/// The positions of an output block, `[output row][image][output column]`, are then contiguous for every row of the kernel.
pub(super) struct Lowered {
    geometry: Geometry,
    pub(super) values: Vec<f32>,
    /// Length of one row of the matrix.
    pub(super) pitch: usize,
}

impl Lowered {
    pub(super) fn new(geometry: Geometry) -> Self {
        let used = geometry.window.stride * rows(&geometry) * line(&geometry);
        let pitch = used.next_multiple_of(VECTOR) + VECTOR;
        Self {
            geometry,
            values: vec![0.0; geometry.lowered() * pitch],
            pitch,
        }
    }

    /// Where a row of the kernel finds the first position.
    pub(super) fn offset(&self, kernel_row: usize) -> usize {
        let stride = self.geometry.window.stride;
        (kernel_row % stride * rows(&self.geometry) + kernel_row / stride) * line(&self.geometry)
    }

    /// Lowers images of `input` `[in, batch, h, w]`. What lies in the padding is never written and stays zero.
    pub(super) fn fill(&mut self, input: &[f32], images: Range<usize>) {
        let stride = self.geometry.window.stride;
        let values = &mut self.values;
        segments(self.geometry, self.pitch, images, |at, from, count| {
            let lowered = &mut values[at..at + count];
            if stride == 1 {
                lowered.copy_from_slice(&input[from..from + count]);
            } else {
                let pixels = input[from..].iter().step_by(stride);
                lowered.iter_mut().zip(pixels).for_each(|(to, &pixel)| *to = pixel);
            }
        });
    }

    /// Adds what was lowered to the images of `output` `[in, batch, h, w]`, the transpose of [`Lowered::fill`].
    pub(super) fn fold(&self, output: &mut [f32], images: Range<usize>) {
        let stride = self.geometry.window.stride;
        segments(self.geometry, self.pitch, images, |at, to, count| {
            let lowered = &self.values[at..at + count];
            if stride == 1 {
                let pixels = &mut output[to..to + count];
                pixels
                    .iter_mut()
                    .zip(lowered)
                    .for_each(|(pixel, value)| *pixel += value);
            } else {
                let pixels = output[to..].iter_mut().step_by(stride);
                pixels.zip(lowered).for_each(|(pixel, value)| *pixel += value);
            }
        });
    }
}

/// Positions of an output block, rounded up to whole vectors.
pub(super) fn positions(geometry: &Geometry) -> usize {
    (geometry.output[0] * line(geometry)).next_multiple_of(VECTOR)
}

/// Values of one output row in all images of a block.
fn line(geometry: &Geometry) -> usize {
    geometry.block() * geometry.output[1]
}

/// Input rows that are kept for each remainder of a row's number by the stride.
fn rows(geometry: &Geometry) -> usize {
    geometry.output[0] + (geometry.window.kernel[0] - 1) / geometry.window.stride
}

/// Calls with the begin of each run of lowered values, that of its pixels, which are a stride apart, and its length.
#[inline(always)]
fn segments(geometry: Geometry, pitch: usize, images: Range<usize>, mut each: impl FnMut(usize, usize, usize)) {
    let ([height, width], window) = (geometry.plane, geometry.window);
    let (stride, padding) = (window.stride, window.padding);
    let (rows, line) = (rows(&geometry), line(&geometry));
    for channel in 0..geometry.inputs {
        for column in 0..window.kernel[1] {
            let first = padding.saturating_sub(column).div_ceil(stride);
            let end = (width + padding)
                .saturating_sub(column)
                .div_ceil(stride)
                .min(geometry.output[1]);
            if end <= first {
                continue;
            }
            let matrix_row = (channel * window.kernel[1] + column) * pitch;
            for row in 0..height {
                let (remainder, kept) = ((row + padding) % stride, (row + padding) / stride);
                if kept >= rows {
                    break;
                }
                let to = matrix_row + (remainder * rows + kept) * line + first;
                let from = row * width + first * stride + column - padding;
                for (slot, image) in images.clone().enumerate() {
                    let plane = (channel * geometry.images + image) * height * width;
                    each(to + slot * geometry.output[1], plane + from, end - first);
                }
            }
        }
    }
}
