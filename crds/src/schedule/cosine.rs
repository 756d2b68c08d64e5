//! Cosine decay: I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5, which
//! is PyTorch's `CosineAnnealingLR` with rounds as epochs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::family::{Settings, Sketch};

/// Half a cosine wave, from the learning rate down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Cosine {
    /// Where the wave ends, as a part of the learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub floor: f64,
}

impl Settings for Cosine {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }
}

impl Decay for Cosine {
    fn factor(&self, round: u32, rounds: u32) -> f64 {
        let angle = core::f64::consts::PI * f64::from(round) / f64::from(rounds);
        self.floor + (1.0 - self.floor) * (1.0 + libm::cos(angle)) / 2.0
    }

    fn ends_with_the_run(&self) -> bool {
        true
    }
}
