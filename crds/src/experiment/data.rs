use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{data::Source, partition::Partition};

/// The data set and its division among the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Where the samples come from.
    #[serde(flatten)]
    pub source: Source,
    /// How the training samples are divided among the peers.
    #[serde(default)]
    pub partition: Partition,
}
