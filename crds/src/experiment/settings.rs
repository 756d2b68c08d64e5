//! Aggregation, transport, checkpoint and output.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Interval;

/// How updates are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Aggregation {
    /// The rule; fedavg is the mean weighted by sample counts.
    #[serde(rename = "type")]
    pub kind: AggregationType,
}

/// Rules of aggregation: `fedavg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum AggregationType {
    #[default]
    Fedavg,
}

/// How connections are made and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    /// The protocol.
    #[serde(rename = "type")]
    pub kind: TransportType,
    /// Time between two pings on a silent connection, 100ms to 1h.
    pub keep_alive: Interval,
    /// Silence after which a connection counts as broken, longer than keepAlive.
    pub idle_timeout: Interval,
    /// How long a peer tries to reach a neighbour, at the start and after a break, before it counts as lost.
    pub lost_after: Interval,
    /// Largest UDP payload that path discovery may use, in bytes.
    #[schemars(range(min = 1200, max = 65_527))]
    pub mtu: u16,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            kind: TransportType::Quic,
            keep_alive: Interval::from_secs(5),
            idle_timeout: Interval::from_secs(20),
            lost_after: Interval::from_secs(30),
            mtu: 1452,
        }
    }
}

/// Protocols: `quic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TransportType {
    Quic,
}

/// What is kept so that a run can go on later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Checkpoint {
    /// When a checkpoint is written.
    #[serde(rename = "type")]
    pub kind: CheckpointType,
}

/// Kinds of checkpoints: `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum CheckpointType {
    #[default]
    None,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    /// Folder in which a run makes its own results folder.
    #[schemars(length(min = 1, max = 4096))]
    pub directory: String,
    /// Whether each peer also writes the model that it ended with.
    pub peer_models: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            directory: "runs".to_owned(),
            peer_models: false,
        }
    }
}
