//! Step decay, PyTorch's `StepLR` with rounds as epochs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::{
    family::{Settings, Sketch},
    findings::Findings,
};

/// Multiplied by a factor every so many rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Rounds between two steps.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u32,
    /// Factor of the learning rate at each step.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0.000_001, max = 1.0))]
    pub factor: f64,
}

fn tenth() -> f64 {
    0.1
}

impl Settings for Step {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self {
            rounds: 10,
            factor: tenth(),
        })
    }
}

impl Decay for Step {
    fn factor(&self, round: u32, _rounds: u32) -> f64 {
        libm::pow(self.factor, f64::from(round / self.rounds.max(1)))
    }

    fn check(&self, rounds: u32, findings: &mut Findings) {
        if self.rounds >= rounds {
            findings.warn(
                "training.schedule.step.rounds",
                format!(
                    "the first step comes after {} rounds, when the run is over",
                    self.rounds
                ),
            );
        }
    }
}
