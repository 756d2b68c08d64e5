//! Convolution of slices by products of one weight matrix for each row of the kernel with the lowered input.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    geometry::Geometry,
    lowering::{Lowered, positions},
    product::{Columns, product},
};

/// Blocks whose weight gradients are summed by the product itself, before the sums of these are.
const GROUP: usize = 8;
/// Output channels are rounded up to a multiple of this where they are the contiguous side of a product.
const VECTOR: usize = 16;

/// The output `[out, batch, oh, ow]`.
pub(super) fn forward(geometry: Geometry, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    // [kernel row][out][channel · kernel column]
    let weight = rearrange(geometry, weight, |_, lowered, row, out| {
        (row * geometry.outputs + out) * geometry.lowered() + lowered
    });
    let positions = positions(&geometry);
    let mut output = vec![0.0; geometry.outputs * geometry.images * geometry.pixels()];
    in_blocks(
        blocks(geometry, 1),
        || (Lowered::new(geometry), vec![0.0; geometry.outputs * positions]),
        |(lowered, block), images| {
            lowered.fill(input, images);
            for (row, weight) in weight.chunks_exact(geometry.outputs * geometry.lowered()).enumerate() {
                product(
                    [positions, geometry.outputs, geometry.lowered()],
                    block,
                    positions,
                    row > 0,
                    Columns {
                        values: &lowered.values[lowered.offset(row)..],
                        step: lowered.pitch,
                    },
                    Columns {
                        values: weight,
                        step: geometry.lowered(),
                    },
                );
            }
        },
        |(_, block), images| {
            output_lines(geometry, images, |out, at, line| {
                let shift = bias.map_or(0.0, |bias| bias[out]);
                let from = &block[out * positions + at..];
                let to = &mut output[line..line + geometry.output[1]];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from + shift);
            });
        },
    );
    output
}

/// The gradient of the input `[in, batch, h, w]` from that of the output.
pub(super) fn input_gradient(geometry: Geometry, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    // [kernel row][channel · kernel column][out]
    let weight = rearrange(geometry, weight, |_, lowered, row, out| {
        (row * geometry.lowered() + lowered) * geometry.outputs + out
    });
    let positions = positions(&geometry);
    let [height, width] = geometry.plane;
    let mut output = vec![0.0; geometry.inputs * geometry.images * height * width];
    in_blocks(
        blocks(geometry, 1),
        || (Lowered::new(geometry), vec![0.0; geometry.outputs * positions]),
        |(lowered, block), images| {
            output_lines(geometry, images, |out, at, line| {
                let to = out * positions + at;
                block[to..to + geometry.output[1]].copy_from_slice(&gradient[line..line + geometry.output[1]]);
            });
            lowered.values.fill(0.0);
            for (row, weight) in weight.chunks_exact(geometry.outputs * geometry.lowered()).enumerate() {
                let (offset, pitch) = (lowered.offset(row), lowered.pitch);
                product(
                    [positions, geometry.lowered(), geometry.outputs],
                    &mut lowered.values[offset..],
                    pitch,
                    true,
                    Columns {
                        values: block,
                        step: positions,
                    },
                    Columns {
                        values: weight,
                        step: geometry.outputs,
                    },
                );
            }
        },
        |(lowered, _), images| lowered.fold(&mut output, images),
    );
    output
}

/// The gradient of the weight `[out, in, kh, kw]` from the input and the output's gradient.
pub(super) fn weight_gradient(geometry: Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let outputs = geometry.outputs.next_multiple_of(VECTOR);
    let positions = positions(&geometry);
    let len = geometry.window.kernel[0] * geometry.lowered() * outputs;
    // [kernel row][channel · kernel column][out]
    let mut sum = vec![0.0; len];
    in_blocks(
        blocks(geometry, GROUP),
        || (Lowered::new(geometry), vec![0.0; positions * outputs], vec![0.0; len]),
        |(lowered, block, sum), group| {
            for (index, images) in split(group, geometry.block()).enumerate() {
                lowered.fill(input, images.clone());
                if images.len() < geometry.block() {
                    block.fill(0.0);
                }
                output_lines(geometry, images, |out, at, line| {
                    let line = &gradient[line..line + geometry.output[1]];
                    let to = block[at * outputs + out..].iter_mut().step_by(outputs);
                    to.zip(line).for_each(|(to, &from)| *to = from);
                });
                for (row, sum) in sum.chunks_exact_mut(geometry.lowered() * outputs).enumerate() {
                    product(
                        [outputs, geometry.lowered(), geometry.block() * geometry.pixels()],
                        sum,
                        outputs,
                        index > 0,
                        Columns {
                            values: block,
                            step: outputs,
                        },
                        Columns {
                            values: &lowered.values[lowered.offset(row)..],
                            step: lowered.pitch,
                        },
                    );
                }
            }
        },
        |(_, _, part), _| sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += *part),
    );
    let mut weight = vec![0.0; geometry.outputs * geometry.lowered() * geometry.window.kernel[0]];
    each_weight(geometry, |at, lowered, row, out| {
        weight[at] = sum[(row * geometry.lowered() + lowered) * outputs + out];
    });
    weight
}

/// The gradient of the bias `[out]` from that of the output.
pub(super) fn bias_gradient(geometry: Geometry, gradient: &[f32]) -> Vec<f32> {
    gradient
        .chunks_exact(geometry.images * geometry.pixels())
        .map(|channel| {
            // In vectors, and by image, so that no running sum is long.
            channel.chunks(geometry.pixels()).map(sum).sum()
        })
        .collect()
}

fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; VECTOR];
    let chunks = values.chunks_exact(VECTOR);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Calls for each weight with its place in `[out, in, kh, kw]`, its row of the lowered matrix, kernel row and output channel.
fn each_weight(geometry: Geometry, mut each: impl FnMut(usize, usize, usize, usize)) {
    let [rows, columns] = geometry.window.kernel;
    let mut at = 0;
    for out in 0..geometry.outputs {
        for channel in 0..geometry.inputs {
            for row in 0..rows {
                for column in 0..columns {
                    each(at, channel * columns + column, row, out);
                    at += 1;
                }
            }
        }
    }
}

fn rearrange(geometry: Geometry, weight: &[f32], place: impl Fn(usize, usize, usize, usize) -> usize) -> Vec<f32> {
    let mut rearranged = vec![0.0; weight.len()];
    each_weight(geometry, |at, lowered, row, out| {
        rearranged[place(at, lowered, row, out)] = weight[at];
    });
    rearranged
}

/// Calls for each output row of the images with its channel, its place in the block's positions and in the output.
#[inline(always)]
fn output_lines(geometry: Geometry, images: Range<usize>, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = geometry.output;
    let block = geometry.block();
    for out in 0..geometry.outputs {
        for (slot, image) in images.clone().enumerate() {
            for row in 0..height {
                let line = ((out * geometry.images + image) * height + row) * width;
                each(out, (row * block + slot) * width, line);
            }
        }
    }
}

fn blocks(geometry: Geometry, group: usize) -> Vec<Range<usize>> {
    split(0..geometry.images, geometry.block() * group).collect()
}

fn split(images: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    images
        .clone()
        .step_by(size)
        .map(move |first| first..(first + size).min(images.end))
}

/// Computes the blocks, as many at once as there are threads, and takes their results in order.
fn in_blocks<S: Send>(
    blocks: Vec<Range<usize>>,
    scratch: impl Fn() -> S,
    compute: impl Fn(&mut S, Range<usize>) + Sync,
    mut take: impl FnMut(&S, Range<usize>),
) {
    let threads = rayon::current_num_threads().min(blocks.len());
    let mut scratches: Vec<S> = (0..threads).map(|_| scratch()).collect();
    for wave in blocks.chunks(threads.max(1)) {
        if let ([scratch], [block]) = (&mut scratches[..], wave) {
            compute(scratch, block.clone());
        } else {
            scratches
                .par_iter_mut()
                .zip(wave)
                .for_each(|(scratch, block)| compute(scratch, block.clone()));
        }
        for (scratch, block) in scratches.iter().zip(wave) {
            take(scratch, block.clone());
        }
    }
}
