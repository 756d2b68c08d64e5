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
mod forms;
pub mod kubernetes;
mod model;
mod network;
mod settings;
mod training;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aggregation::Aggregation, plan::Role, status::ExperimentStatus, topology::Topology};

pub use checkpoint::{Checkpoint, CheckpointType, PeriodicCheckpoint};
pub use column::Column;
pub(crate) use column::{COLUMN_PATTERN, MAX_COLUMN, name_fault};
pub use custom::Custom;
pub use data::Data;
pub(crate) use data::SHA256_PATTERN;
pub use early_stop::EarlyStop;
pub use exchange::Exchange;
pub(crate) use forms::{NAME_PATTERN, form, is_name};
pub use kubernetes::{GroupKubernetes, Kubernetes};
pub use model::{InitFrom, Model};
pub use network::{AccessLink, Network};
pub use settings::{Output, Transport, TransportType};
pub use training::{ScheduleSpec, Training};

/// Most peers of an experiment.
pub const MAX_PEERS: u32 = 10_000;
/// Longest name of an experiment: what is added to it for a pod and a host still fits into 63 characters.
pub const MAX_NAME: usize = 45;
/// Largest seed: the largest whole number that every JSON reader keeps exactly.
pub const MAX_SEED: u64 = (1 << 53) - 1;

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
    status = "ExperimentStatus",
    printcolumn(name = "Topology", json_path = ".spec.topology.type", type_ = "string", description = "How the peers are wired"),
    printcolumn(name = "Peers", json_path = ".status.peers.text", type_ = "string", description = "Peers that are ready, of all"),
    printcolumn(name = "Round", json_path = ".status.round.text", type_ = "string", description = "Rounds that all peers have completed, of all"),
    printcolumn(name = "Accuracy", json_path = ".status.accuracy", type_ = "string", description = "Share of the test samples that the newest model classifies rightly"),
    printcolumn(name = "Phase", json_path = ".status.phase", type_ = "string", description = "What the experiment is doing"),
    printcolumn(name = "Reason", json_path = ".status.reason", type_ = "string", description = "Why it is not further than that"),
    printcolumn(name = "Loss", json_path = ".status.loss", type_ = "string", description = "Loss of the newest model over the test samples", priority = 1),
    printcolumn(name = "Model", json_path = ".status.model", type_ = "string", description = "BLAKE3 of the model that all peers ended with", priority = 1),
    printcolumn(name = "Exchanged", json_path = ".status.exchanged.text", type_ = "string", description = "Bytes of chunks that peers have received", priority = 1),
    printcolumn(name = "Age", json_path = ".metadata.creationTimestamp", type_ = "date"),
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
    /// How the peers are wired: who is whose neighbour.
    pub topology: Topology,
    /// The network that every peer trains.
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
    /// What the pods are like on a cluster; a run on one machine reads nothing of it.
    #[serde(default, skip_serializing_if = "Kubernetes::is_empty")]
    #[schemars(extend("default" = Kubernetes::default()))]
    pub kubernetes: Kubernetes,
    /// Whether the experiment's pods are taken away until this is false again; they then go on from their checkpoints. A run
    /// on one machine does not read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub suspend: bool,
    /// How often, after a peer has failed, all peers may be started again. A run on one machine does not read it.
    #[serde(default = "restarts", skip_serializing_if = "is_restarts")]
    #[schemars(range(max = 100), extend("default" = restarts()))]
    pub restarts: u32,
}

/// Enough for faults that pass, few enough that one that stays is soon seen.
const fn restarts() -> u32 {
    3
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_restarts(count: &u32) -> bool {
    *count == restarts()
}

impl ExperimentSpec {
    /// What peers are told: all but what says how and when their pods are made. It gives the same plan, and is written
    /// without those fields.
    #[must_use]
    pub fn for_peers(&self) -> Self {
        let mut spec = self.clone();
        spec.kubernetes = Kubernetes::default();
        spec.suspend = false;
        spec.restarts = restarts();
        for group in &mut spec.groups {
            group.kubernetes = GroupKubernetes::default();
        }
        spec
    }
}

/// Peers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The group's name, by RFC 1035, once in the experiment.
    #[schemars(length(min = 1, max = 45), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// How many peers the group has.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// What the group's peers do; honest ones keep to the protocol, and there are no others yet.
    #[serde(default)]
    pub role: Role,
    /// The link of each of the group's peers; each field that is there replaces that of `network.default`.
    #[serde(default)]
    pub network: AccessLink,
    /// How many times as long their training takes as their machines need: 3 makes a peer that has trained for a second wait two more.
    #[serde(default = "as_it_is")]
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub compute_slowdown: f64,
    /// What differs of `spec.kubernetes`; each field that is there replaces that of the experiment.
    #[serde(default, skip_serializing_if = "GroupKubernetes::is_empty")]
    pub kubernetes: GroupKubernetes,
}

/// The slowdown of a peer that trains as fast as it can.
const fn as_it_is() -> f64 {
    1.0
}
