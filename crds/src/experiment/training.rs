//! How each peer trains.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EarlyStop;
use crate::{family, schedule::Schedule};

/// How each peer trains: SGD, whose state is reset each round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Training {
    /// Rounds of training, exchange and aggregation.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u32,
    /// Passes of a peer over its own samples in a round.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: u32,
    /// Samples per step; the last step of an epoch takes the rest.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub batch_size: u32,
    /// Learning rate before the schedule.
    #[schemars(range(min = 0.000_000_001, max = 1000.0))]
    pub learning_rate: f64,
    /// Schedule of the learning rate over the rounds.
    pub schedule: ScheduleSpec,
    /// Part of the last step's direction that the next step keeps; 0 is plain SGD.
    #[schemars(range(min = 0.0, max = 0.9999))]
    pub momentum: f64,
    /// Weight decay: added to the gradient for each unit of a parameter.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// Largest Euclidean norm of a step's gradient over all parameters; a larger gradient is scaled down to it. Without it
    /// nothing is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.000_001, max = 1_000_000.0))]
    pub clip_norm: Option<f64>,
    /// Early stopping: conditions that end a run before its last round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
    /// Compute backend: flex (CPU) or cuda (GPU).
    pub backend: Backend,
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
            schedule: ScheduleSpec::default(),
            momentum: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            early_stop: None,
            backend: Backend::Flex,
            threads: 1,
        }
    }
}

/// Where burn computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = family::plain)]
pub enum Backend {
    /// Pure-Rust CPU backend.
    Flex,
    /// CUDA through CubeCL.
    Cuda,
}

/// Schedule of the learning rate over the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// What comes after the warm-up.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// Rounds at the start in which the step size rises in equal parts to the learning rate; the schedule begins after them.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub warmup_rounds: u32,
}
