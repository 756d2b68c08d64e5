//! What an uplink was measured to carry, as its peer tells it.

/// The rate of step 1, bytes a second, and of each further step as a multiple of the one before.
const FIRST: f64 = 1000.0;
const STEP: f64 = 1.01;
/// The greatest step, of some 20 TB a second.
const MOST: u16 = 2400;
/// A step is kept as long as the rate is within this share of it: trees do not change for less.
const KEPT: f64 = 0.1;

/// A rate in steps of a hundredth, so that all peers reckon with the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkRate(u16);

impl UplinkRate {
    /// As it stands in a statement; 0 where nobody has measured it.
    pub(crate) const fn from_step(step: u16) -> Self {
        Self(step)
    }

    pub(crate) const fn step(self) -> u16 {
        self.0
    }

    /// Bytes a second, by IEEE multiplications alone; none where nobody has measured it.
    pub fn bytes(self) -> Option<f64> {
        (self.0 > 0).then(|| (1..self.0.min(MOST)).fold(FIRST, |rate, _| rate * STEP))
    }

    /// What is told after one more measurement, bytes a second.
    #[must_use]
    pub fn measured(self, rate: f64) -> Self {
        let is_near = self.bytes().is_some_and(|known| (rate / known - 1.0).abs() <= KEPT);
        if is_near {
            return self;
        }
        let steps = (rate / FIRST).ln() / STEP.ln();
        Self((1.0 + steps).round().clamp(1.0, MOST.into()) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_near_as_they_can_be() {
        assert_eq!(UplinkRate::default().bytes(), None);
        for rate in [1e3, 125e3, 1.25e6, 125e6, 12.5e9] {
            let found = UplinkRate::default().measured(rate).bytes().unwrap();
            assert!((found / rate - 1.0).abs() < 0.0051, "{rate}: {found}");
        }
        for (rate, expected) in [(0.0, 1), (1.0, 1), (f64::INFINITY, MOST)] {
            assert_eq!(UplinkRate::default().measured(rate).step(), expected);
        }
    }

    #[test]
    fn a_step_is_kept_for_as_long_as_the_rate_is_near() {
        let known = UplinkRate::default().measured(1e6);
        for near in [0.92e6, 1.08e6] {
            assert_eq!(known.measured(near), known);
        }
        for far in [0.85e6, 1.15e6] {
            assert_ne!(known.measured(far), known);
        }
    }
}
