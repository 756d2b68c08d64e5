//! From figures to places, and the round numbers at an axis.

/// A linear scale between figures and places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Scale {
    /// `from` lies at `low`, `to` at `high`. A span of nothing is made a little wider.
    pub(super) fn new((from, to): (f64, f64), (low, high): (f64, f64)) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, low, high }
    }

    /// Where a figure lies.
    pub(super) fn at(&self, figure: f64) -> f64 {
        self.low + (figure - self.from) / (self.to - self.from) * (self.high - self.low)
    }
}

/// Round numbers that enclose a span.
#[derive(Clone, Debug)]
pub(super) struct Ticks {
    /// Ascending, evenly spaced.
    pub(super) at: Vec<f64>,
    decimals: usize,
}

impl Ticks {
    /// About `wanted` steps of 1, 2 or 5 times a power of ten that enclose the span; whole numbers only when `whole`.
    pub(super) fn around((from, to): (f64, f64), wanted: usize, whole: bool) -> Self {
        // A span of nothing gets one of the figures' own size.
        let size = from.abs().max(to.abs());
        let to = if to - from > 1e-9 * size {
            to
        } else {
            from + (size * 0.1).max(1.0)
        };
        let span = to - from;
        let rough = span / wanted.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(power * 10.0);
        let step = if whole { step.max(1.0).round() } else { step };
        let (first, last) = ((from / step).floor(), (to / step - 1e-9).ceil());
        let count = (last - first).clamp(1.0, 50.0) as usize;
        Self {
            at: (0..=count).map(|i| (first + i as f64) * step).collect(),
            decimals: (-step.log10().floor()).clamp(0.0, 9.0) as usize,
        }
    }

    /// The first and the last.
    pub(super) fn span(&self) -> (f64, f64) {
        (
            self.at.first().copied().unwrap_or(0.0),
            self.at.last().copied().unwrap_or(1.0),
        )
    }

    pub(super) fn text(&self, tick: f64) -> String {
        // A zero that came out of a subtraction must not be written as -0.
        let tick = if tick.abs() < 1e-12 { 0.0 } else { tick };
        format!("{tick:.*}", self.decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_enclose_the_span() {
        let texts = |span, wanted, whole| -> Vec<String> {
            let ticks = Ticks::around(span, wanted, whole);
            ticks.at.iter().map(|tick| ticks.text(*tick)).collect()
        };
        assert_eq!(texts((0.0, 9.7), 5, false), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts((0.71, 0.97), 3, false), ["0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(texts((1.0, 3.0), 8, true), ["1", "2", "3"]);
        assert_eq!(texts((-0.1, 0.1), 2, false), ["-0.1", "0.0", "0.1"]);
        for span in [(0.0, 0.0), (5.0, 5.0), (0.0, 1e-9), (0.0, 1e15)] {
            let ticks = Ticks::around(span, 5, false);
            assert!(ticks.at.len() >= 2 && ticks.at.len() < 52, "{span:?}");
            assert!(ticks.span().0 <= span.0 && ticks.span().1 >= span.1, "{span:?}");
        }
    }

    #[test]
    fn a_span_of_nothing_divides_by_nothing() {
        assert!(Scale::new((3.0, 3.0), (0.0, 100.0)).at(3.0).is_finite());
    }
}
