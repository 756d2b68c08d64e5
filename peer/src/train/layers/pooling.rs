//! Max pooling of slices, with the place of the largest kept for the gradient.

use super::Window;

/// The place of a window whose gradient is zero, since rectifying took its value.
const NONE: u16 = u16::MAX;

/// The sizes of one pooling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pooling {
    /// Channels times images.
    pub(super) planes: usize,
    /// Height and width of an input plane.
    pub(super) plane: [usize; 2],
    pub(super) window: Window,
    /// Whether ReLU comes first.
    pub(super) rectify: bool,
}

impl Pooling {
    /// The largest values and, for each, its place in its window: row · kernel width + column.
    pub(super) fn forward(&self, input: &[f32]) -> (Vec<f32>, Vec<u16>) {
        let [height, width] = self.window.output(self.plane[0], self.plane[1]);
        let len = self.planes * height * width;
        let (mut largest, mut places) = (Vec::with_capacity(len), Vec::with_capacity(len));
        let planes = input.chunks_exact(self.plane[0] * self.plane[1]);
        for plane in planes {
            for row in 0..height {
                let lines = &plane[row * self.window.stride * self.plane[1]..];
                if self.is_halving() {
                    let (upper, lower) = lines.split_at(self.plane[1]);
                    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                    let found = pairs
                        .map(|(upper, lower)| self.rectified(first_largest([upper[0], upper[1], lower[0], lower[1]])));
                    found.for_each(|(value, place)| {
                        largest.push(value);
                        places.push(place);
                    });
                } else {
                    for column in 0..width {
                        let (value, place) = self.rectified(self.search(&lines[column * self.window.stride..]));
                        largest.push(value);
                        places.push(place);
                    }
                }
            }
        }
        (largest, places)
    }

    /// The gradient of the input from that of the output.
    pub(super) fn backward(&self, gradient: &[f32], places: &[u16]) -> Vec<f32> {
        let [height, width] = self.window.output(self.plane[0], self.plane[1]);
        let (stride, [_, columns]) = (self.window.stride, self.window.kernel);
        let mut output = vec![0.0; self.planes * self.plane[0] * self.plane[1]];
        let lines = gradient.chunks_exact(width).zip(places.chunks_exact(width));
        for (index, (gradient, places)) in lines.enumerate() {
            let (plane, row) = (index / height, index % height);
            let output = &mut output[(plane * self.plane[0] + row * stride) * self.plane[1]..];
            if self.is_halving() {
                let (upper, lower) = output.split_at_mut(self.plane[1]);
                let pairs = upper
                    .as_chunks_mut::<2>()
                    .0
                    .iter_mut()
                    .zip(lower.as_chunks_mut::<2>().0);
                for ((upper, lower), (&gradient, &place)) in pairs.zip(gradient.iter().zip(places)) {
                    let at = |wanted| if place == wanted { gradient } else { 0.0 };
                    *upper = [at(0), at(1)];
                    *lower = [at(2), at(3)];
                }
                continue;
            }
            for (column, (gradient, &place)) in gradient.iter().zip(places).enumerate() {
                if place != NONE {
                    let place = usize::from(place);
                    let within = place / columns * self.plane[1] + place % columns;
                    output[column * stride + within] += gradient;
                }
            }
        }
        output
    }

    /// Whether the windows are two by two and side by side, the usual case.
    fn is_halving(&self) -> bool {
        self.window.kernel == [2, 2] && self.window.stride == 2
    }

    fn search(&self, lines: &[f32]) -> (f32, u16) {
        let [rows, columns] = self.window.kernel;
        let mut best = (lines[0], 0);
        for row in 0..rows {
            let line = &lines[row * self.plane[1]..][..columns];
            for (column, &value) in line.iter().enumerate() {
                best = larger(best, value, (row * columns + column) as u16);
            }
        }
        best
    }

    #[inline(always)]
    fn rectified(&self, (value, place): (f32, u16)) -> (f32, u16) {
        if self.rectify && value <= 0.0 {
            (0.0, NONE)
        } else {
            (value, place)
        }
    }
}

#[inline(always)]
fn first_largest(values: [f32; 4]) -> (f32, u16) {
    let mut best = (values[0], 0);
    for (value, place) in values.into_iter().zip(0..).skip(1) {
        best = larger(best, value, place);
    }
    best
}

/// Not a number counts as largest, so that it is not lost.
#[inline(always)]
fn larger(best: (f32, u16), value: f32, place: u16) -> (f32, u16) {
    if value > best.0 || value.is_nan() {
        (value, place)
    } else {
        best
    }
}
