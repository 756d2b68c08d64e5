use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{forms::SHA256_PATTERN, model::Network};

/// The network that every peer trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// What it is.
    #[serde(flatten)]
    pub network: Network,
    /// Initial parameters from a file instead of random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "InitFrom")]
    pub init_from: Option<InitFrom>,
}

/// A file with the values that training starts from, the same for all peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitFrom {
    /// A safetensors file with the model's tensors in f32, such as the `model.safetensors` of another run. It may lie
    /// elsewhere on each machine, but must hold the same values.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the file in lower-case hexadecimal digits, checked before anything starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub sha256: Option<String>,
}
