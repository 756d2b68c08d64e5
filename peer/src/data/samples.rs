/// Labelled images, one byte a pixel and contiguous, that are scaled to 0..=1 as they are gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pixels: Vec<u8>,
    scale: f32,
    labels: Vec<u8>,
    input_len: usize,
    classes: u32,
}

impl Samples {
    /// `pixels` holds `labels.len()` images of `input_len` bytes, where `white` means 1.0.
    pub(crate) fn new(
        pixels: Vec<u8>,
        white: u8,
        labels: Vec<u8>,
        input_len: usize,
        classes: u32,
    ) -> Self {
        debug_assert_eq!(pixels.len(), labels.len() * input_len);
        Self {
            pixels,
            scale: 1.0 / f32::from(white),
            labels,
            input_len,
            classes,
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// One label `< classes` a sample.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Pixels of one image.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The images at `indices`, one after the other, as `indices.len() * input_len` values in 0..=1.
    ///
    /// # Panics
    /// When an index is not below [`Samples::len`].
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Vec<f32> {
        let mut out = Vec::with_capacity(indices.len() * self.input_len);
        for &index in indices {
            let image = &self.pixels[index * self.input_len..][..self.input_len];
            out.extend(image.iter().map(|&pixel| f32::from(pixel) * self.scale));
        }
        out
    }
}
