//! The manifest's types: `FLTorrentExperiment` as a user writes it and as the API server stores it.
//!
//! A union is `{type: tree, tree: {arity: 2}}`: `type` names the member that holds its settings, and no other member may
//! be there. What a type's fields may hold is in their schema, which the API server and [`crate::manifest`] both check.

#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

mod checkpoint;
mod column;
mod custom;
mod data;
mod early_stop;
mod exchange;
mod model;
mod network;
mod partition;
mod settings;
mod topology;
mod training;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checkpoint::{Checkpoint, CheckpointType, PeriodicCheckpoint};
pub use column::Column;
pub(crate) use column::{COLUMN_PATTERN, MAX_COLUMN, name_fault};
pub use custom::Custom;
pub(crate) use data::SHA256_PATTERN;
pub use data::{
    CsvData, Data, DataType, IdxData, IdxSha256, SafetensorsData, SplitSha256, TextData,
};
pub use early_stop::EarlyStop;
pub use exchange::{Exchange, ExchangeOrder};
pub use model::{InitFrom, MlpModel, Model, ModelType, Resnet18Model, TransformerModel};
pub use network::{AccessLink, Network};
pub use partition::{
    ClassesPartition, DirichletPartition, ExplicitPartition, PartitionSpec, PartitionType,
    QuantityPartition, ShardsPartition,
};
pub use settings::{
    Aggregation, AggregationType, CongestionControlType, Fedprox, Output, Transport, TransportType,
};
pub use topology::{
    CustomTopology, ErdosRenyiTopology, RandomRegularTopology, SmallWorldTopology, StarTopology,
    Topology, TopologyType, TorusTopology, TreeTopology,
};
pub use training::{
    CosineSchedule, Schedule, ScheduleType, StepSchedule, Training, TrainingBackend,
};

/// Most peers of an experiment.
pub const MAX_PEERS: u32 = 10_000;
/// Longest name of an experiment: what is added to it for a pod and a host still fits into 63 characters.
pub const MAX_NAME: usize = 45;
/// Largest seed: the largest whole number that every JSON reader keeps exactly.
pub const MAX_SEED: u64 = (1 << 53) - 1;
/// A name by RFC 1035, as a regular expression.
pub(crate) const NAME_PATTERN: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// An experiment in decentralised federated learning: who the peers are, how they are wired, what they learn, how they
/// exchange and how they combine.
#[derive(Clone, Debug, PartialEq, CustomResource, KubeSchema, Serialize, Deserialize)]
#[kube(
    group = "fltorrent.io",
    version = "v1alpha1",
    kind = "FLTorrentExperiment",
    root = "Experiment",
    plural = "fltorrentexperiments",
    singular = "fltorrentexperiment",
    shortname = "flt",
    namespaced,
    derive = "PartialEq",
    doc = "An experiment in decentralised federated learning.",
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = "x_kube(crates(kube_core = \"::kube_core\"))",
    validation = Rule::new("size(self.metadata.name) <= 45")
        .message(Message::Message("metadata.name: at most 45 characters".into())),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message(Message::Message("metadata.name: a name by RFC 1035: a-z, 0-9 and '-', a letter first".into())),
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.groups.all(a, self.groups.exists_one(b, b.name == a.name))")
        .message(Message::Message("groups: every name may be there once".into())),
    validation = Rule::new("self.groups.map(g, g.count).sum() <= 10000")
        .message(Message::Message("groups: at most 10000 peers in all".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentSpec {
    /// The one seed that everything random follows from.
    #[serde(default)]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Who the peers are; a peer's index counts through the groups in order.
    #[schemars(length(min = 1, max = 100))]
    pub groups: Vec<Group>,
    /// How the peers are wired.
    pub topology: Topology,
    /// What they train.
    pub model: Model,
    /// What they learn from, and how it is split among them.
    pub data: Data,
    /// How each peer trains.
    #[serde(default)]
    pub training: Training,
    /// How chunks are swapped.
    #[serde(default)]
    pub exchange: Exchange,
    /// How updates are combined.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// How connections are made and kept.
    #[serde(default)]
    pub transport: Transport,
    /// The links that peers are given, emulated by each peer's process.
    #[serde(default)]
    pub network: Network,
    /// What is kept so that a run can go on later.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// Where results go.
    #[serde(default)]
    pub output: Output,
}

/// Peers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its name, by RFC 1035, once in the experiment.
    #[schemars(length(min = 1, max = 45), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// How many peers.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// What they may do.
    #[serde(default)]
    pub role: GroupRole,
    /// Their link; each field that is there replaces that of `network.default`.
    #[serde(default)]
    pub network: AccessLink,
    /// How many times as long as this machine needs their training takes.
    #[serde(default = "as_it_is")]
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub compute_slowdown: f64,
}

/// The slowdown of a peer that trains as fast as it can.
const fn as_it_is() -> f64 {
    1.0
}

/// What the peers of a group may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum GroupRole {
    #[default]
    #[allow(
        missing_docs,
        reason = "a description of a value would turn the schema's enum into a oneOf"
    )]
    Honest,
}
