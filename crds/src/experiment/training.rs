//! How each peer trains.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How each peer trains: plain SGD, whose state is reset each round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Training {
    /// Rounds of training, exchange and aggregation.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u32,
    /// Passes over its own samples that a peer makes in a round.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: u32,
    /// Samples a step; the last step of a pass takes what is left.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub batch_size: u32,
    /// Step size.
    #[schemars(range(min = 0.000_000_001, max = 1000.0))]
    pub learning_rate: f64,
    /// Where a peer computes.
    pub backend: TrainingBackend,
    /// Training threads of one peer.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: u32,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            rounds: 50,
            epochs: 1,
            batch_size: 64,
            learning_rate: 0.05,
            backend: TrainingBackend::Flex,
            threads: 1,
        }
    }
}

/// Where a peer computes: `flex` (CPU), `cuda`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TrainingBackend {
    Flex,
    Cuda,
}
