//! FedAvg: H. B. McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aggregation, Rule};
use crate::family::{Settings, Sketch};

/// The mean, weighted by sample counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fedavg;

impl Settings for Fedavg {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Rule for Fedavg {
    fn combination(&self) -> Aggregation {
        Self.into()
    }
}
