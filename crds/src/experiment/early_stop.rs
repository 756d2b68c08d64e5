//! When a run ends before its last round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a run ends before its last round; all peers decide the same from what all of them have evaluated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EarlyStop {
    /// Test accuracy that ends the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target_accuracy: Option<f64>,
    /// Rounds in a row without a better accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub patience: Option<u32>,
    /// An accuracy is better if it exceeds the best so far by more than this; belongs to patience.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_delta: Option<f64>,
}
