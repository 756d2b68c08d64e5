//! FedProx: T. Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aggregation, Fedavg, Rule};
use crate::family::{Settings, Sketch};

/// The mean of fedavg, of peers whose training is held near the model that the round started from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fedprox {
    /// Factor of the proximal term `mu/2 · ‖w − w_round‖²` that is added to the loss of every step.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub mu: f64,
}

impl Settings for Fedprox {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self { mu: 0.01 })
    }

    fn brief(&self) -> Option<String> {
        Some(self.mu.to_string())
    }
}

impl Rule for Fedprox {
    /// What it adds is in the training.
    fn combination(&self) -> Aggregation {
        Fedavg.into()
    }

    fn proximal(&self) -> f64 {
        self.mu
    }
}
