//! Checkpoints, from which a run can resume.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checkpoints, from which a run can resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.type == 'periodic' || !has(self.periodic)")
        .message(Message::Message("periodic is there, but type names another".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// When a checkpoint is written; none has no settings.
    #[serde(rename = "type", default)]
    pub kind: CheckpointType,
    /// After every so many rounds, and after the last one; a peer keeps the newest two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periodic: Option<PeriodicCheckpoint>,
}

/// Kinds of checkpoints: `none`, `periodic`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum CheckpointType {
    #[default]
    None,
    Periodic,
}

/// Settings of checkpoints that are written again and again; a peer keeps the newest two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PeriodicCheckpoint {
    /// Rounds from one checkpoint to the next.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub every_rounds: u32,
}

impl Default for PeriodicCheckpoint {
    fn default() -> Self {
        Self { every_rounds: 1 }
    }
}
