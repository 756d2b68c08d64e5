use super::Window;

/// Images share a block until it has this many positions, below which a product's overhead outweighs its work.
const POSITIONS: usize = 192;

/// The sizes of one convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) images: usize,
    /// Height and width of an input plane.
    pub(super) plane: [usize; 2],
    /// Height and width of an output plane.
    pub(super) output: [usize; 2],
    pub(super) window: Window,
}

impl Geometry {
    /// From the input's shape `[in, batch, h, w]` and the number of output channels.
    pub(super) fn new(input: [usize; 4], outputs: usize, window: Window) -> Self {
        let [inputs, images, height, width] = input;
        Self {
            inputs,
            outputs,
            images,
            plane: [height, width],
            output: window.output(height, width),
            window,
        }
    }

    /// Pixels of an output plane.
    pub(super) fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Rows of the lowered matrix: input channels times the kernel's columns.
    pub(super) fn lowered(&self) -> usize {
        self.inputs * self.window.kernel[1]
    }

    /// Images of a block, whatever the number of threads, so that sums have one order.
    pub(super) fn block(&self) -> usize {
        POSITIONS.div_ceil(self.pixels()).clamp(1, self.images.max(1))
    }
}
