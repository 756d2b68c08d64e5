//! Linear decay, PyTorch's `LinearLR` from the learning rate down, with rounds as epochs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::family::{Settings, Sketch};

/// A straight line from the learning rate down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Linear {
    /// Where the line ends, after the last round, as a part of the learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub floor: f64,
}

impl Settings for Linear {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }
}

impl Decay for Linear {
    fn factor(&self, round: u32, rounds: u32) -> f64 {
        1.0 - (1.0 - self.floor) * f64::from(round) / f64::from(rounds)
    }

    fn ends_with_the_run(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_takes_the_same_off() {
        let factors = |floor| [0, 1, 2, 3].map(|round| Linear { floor }.factor(round, 4));
        assert_eq!(factors(0.0), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(factors(0.5), [1.0, 0.875, 0.75, 0.625]);
        assert_eq!(factors(1.0), [1.0; 4]);
    }
}
