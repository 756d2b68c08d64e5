use super::Span;

/// Samples of one peer: inputs of `input_len` values each, contiguous, with `targets` labels a sample.
///
/// Inputs stay in the type of their file (one byte or one f32 a value) until they are gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    inputs: Inputs,
    labels: Vec<u8>,
    targets: usize,
    input_len: usize,
    classes: u32,
}

/// The inputs' values, sample after sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Grey levels; `white` means 1.0.
    Grey {
        /// One byte a value.
        levels: Vec<u8>,
        /// The level of 1.0, at least 1.
        white: u8,
    },
    /// Numbers as they are.
    Numbers(Vec<f32>),
    /// Bytes of a text, each the whole number of its token.
    Tokens(Vec<u8>),
}

impl Inputs {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Grey { levels: bytes, .. } | Self::Tokens(bytes) => bytes.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }
}

impl Samples {
    /// `labels` holds `targets` labels `< classes` a sample, `inputs` holds `input_len` values a sample.
    ///
    /// # Panics
    /// When the lengths do not belong to a whole number of samples, or a sample has no label.
    #[must_use]
    pub fn new(inputs: Inputs, labels: Vec<u8>, targets: usize, input_len: usize, classes: u32) -> Self {
        assert!(targets > 0 && labels.len().is_multiple_of(targets));
        assert_eq!(inputs.len() * targets, labels.len() * input_len);
        Self {
            inputs,
            labels,
            targets,
            input_len,
            classes,
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len() / self.targets
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// `len() * targets()` labels `< classes`, sample after sample.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Labels of one sample: 1, or the context of a text, where each position has the byte that follows it.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Values of one input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The inputs at `indices`, one after the other, as `indices.len() * input_len` values: bytes of images scaled to
    /// 0..=1, f32 as they are, tokens of a text as whole numbers 0..=255.
    ///
    /// # Panics
    /// When an index is not below [`Samples::len`].
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Vec<f32> {
        match &self.inputs {
            Inputs::Grey { levels, white } => {
                let scale = 1.0 / f32::from(*white);
                self.collect(levels, indices, |level| f32::from(level) * scale)
            }
            Inputs::Numbers(numbers) => self.collect(numbers, indices, |number| number),
            Inputs::Tokens(tokens) => self.collect(tokens, indices, f32::from),
        }
    }

    /// The spans of numbers, place by place; none of images and texts.
    pub(super) fn spans(&self) -> Vec<Span> {
        let Inputs::Numbers(numbers) = &self.inputs else {
            return Vec::new();
        };
        let Some((first, rest)) = numbers.split_at_checked(self.input_len) else {
            return Vec::new();
        };
        let span = |(place, &value)| Span {
            name: format!("input {place} (counted from 0)"),
            least: value,
            greatest: value,
        };
        let mut spans: Vec<Span> = first.iter().enumerate().map(span).collect();
        for sample in rest.chunks_exact(self.input_len) {
            for (span, &value) in spans.iter_mut().zip(sample) {
                span.least = span.least.min(value);
                span.greatest = span.greatest.max(value);
            }
        }
        spans
    }

    fn collect<T: Copy>(&self, values: &[T], indices: &[usize], convert: impl Fn(T) -> f32) -> Vec<f32> {
        let inputs = indices
            .iter()
            .map(|&index| &values[index * self.input_len..][..self.input_len]);
        inputs.clone().for_each(request);
        let mut out = Vec::with_capacity(indices.len() * self.input_len);
        for input in inputs {
            out.extend(input.iter().map(|&value| convert(value)));
        }
        out
    }
}

/// Bytes that memory hands over at once.
const CACHE_LINE: usize = 64;

/// Asks memory for all of a sample at once. Samples are drawn in random order, so no processor foresees where the next one
/// lies; waiting for its lines one after the other takes longer than all the rest of gathering.
fn request<T: Copy>(sample: &[T]) {
    for value in sample.iter().step_by(CACHE_LINE / size_of::<T>()) {
        std::hint::black_box(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_gathered_in_the_order_asked() {
        let of = |inputs, labels: &[u8], targets| Samples::new(inputs, labels.to_vec(), targets, 2, 9);
        let grey = of(
            Inputs::Grey {
                levels: vec![0, 4, 8, 2],
                white: 8,
            },
            &[1, 2],
            1,
        );
        assert_eq!(grey.gather(&[1, 0]), [1.0, 0.25, 0.0, 0.5]);
        let numbers = of(Inputs::Numbers(vec![-1.5, 4.0, 8.0, 1e9]), &[1, 2], 1);
        assert_eq!(numbers.gather(&[1, 1]), [8.0, 1e9, 8.0, 1e9]);
        let text = of(Inputs::Tokens(b"abcd".to_vec()), b"bcde", 2);
        assert_eq!(text.gather(&[1]), [99.0, 100.0]);
        assert_eq!((text.len(), text.targets()), (2, 2));
        assert_eq!((numbers.len(), numbers.targets()), (2, 1));
    }
}
