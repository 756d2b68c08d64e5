//! The manifest's types: `FLTorrentExperiment` as a user writes it and as the API server stores it.
//!
//! A union is `{type: tree, tree: {arity: 2}}`: `type` names the member that holds its settings, and no other member may
//! be there. What a type's fields may hold is in their schema, which the API server and [`crate::manifest`] both check.

#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

mod checkpoint;
mod churn;
mod data;
mod early_stop;
mod exchange;
pub mod kubernetes;
mod liveness;
mod model;
mod network;
mod settings;
mod topology;
mod training;

pub use fltorrent_swarm::churn::ChurnKind;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{aggregation::Aggregation, family, forms::NAME_PATTERN, status::ExperimentStatus};
pub use crate::{
    column::Column,
    custom::Custom,
    limits::{MAX_NAME, MAX_PEERS, MAX_SEED},
};
pub use checkpoint::{Checkpoint, CheckpointType, PeriodicCheckpoint};
pub use churn::Churn;
pub use data::Data;
pub use early_stop::EarlyStop;
pub use exchange::{Exchange, Round};
pub use kubernetes::{GroupKubernetes, Kubernetes};
pub use liveness::{FailurePolicy, Liveness};
pub use model::{InitFrom, Model};
pub use network::{AccessLink, Network};
pub use settings::{CongestionControl, Output, Transport, TransportType};
pub use topology::TopologySpec;
pub use training::{Backend, ScheduleSpec, Training};

/// An experiment in decentralised federated learning: its peers, topology, model, data, exchange and aggregation.
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
    printcolumn(name = "Topology", json_path = ".spec.topology.type", type_ = "string", description = "Topology of the peers"),
    printcolumn(name = "Peers", json_path = ".status.peers.text", type_ = "string", description = "Ready peers, of all peers"),
    printcolumn(name = "Round", json_path = ".status.round.text", type_ = "string", description = "Rounds completed by all peers, of all rounds"),
    printcolumn(name = "Accuracy", json_path = ".status.accuracy", type_ = "string", description = "Test accuracy of the newest model"),
    printcolumn(name = "Phase", json_path = ".status.phase", type_ = "string", description = "Phase of the experiment"),
    printcolumn(name = "Reason", json_path = ".status.reason", type_ = "string", description = "Why it does not progress"),
    printcolumn(name = "Loss", json_path = ".status.loss", type_ = "string", description = "Test loss of the newest model", priority = 1),
    printcolumn(name = "Model", json_path = ".status.model", type_ = "string", description = "BLAKE3 hash of the final model", priority = 1),
    printcolumn(name = "Exchanged", json_path = ".status.exchanged.text", type_ = "string", description = "Payload bytes received by all peers", priority = 1),
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
    /// The random seed of the whole run.
    #[serde(default)]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Groups of peers; a peer's index counts across the groups in order.
    #[schemars(length(min = 1, max = 100))]
    pub groups: Vec<Group>,
    /// The topology: which peers are neighbours.
    pub topology: TopologySpec,
    /// The network that every peer trains.
    pub model: Model,
    /// The data, and its partition among the peers.
    pub data: Data,
    /// Local training.
    #[serde(default)]
    pub training: Training,
    /// The exchange of chunks.
    #[serde(default)]
    pub exchange: Exchange,
    /// How updates are aggregated.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Connections between peers.
    #[serde(default)]
    pub transport: Transport,
    /// How peers notice that others are gone, and how many have to be left.
    #[serde(default)]
    pub liveness: Liveness,
    /// What becomes of the run when something fails.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Events of peers that are known beforehand, to try what becomes of a run: each peer does it to itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("default" = Vec::<Churn>::new()))]
    pub churn: Vec<Churn>,
    /// Links of the peers, emulated by each peer's process.
    #[serde(default)]
    pub network: Network,
    /// Checkpoints, from which a run can resume.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// The results folder.
    #[serde(default)]
    pub output: Output,
    /// Pods on a cluster; ignored by a run on one machine.
    #[serde(default, skip_serializing_if = "Kubernetes::is_empty")]
    #[schemars(extend("default" = Kubernetes::default()))]
    pub kubernetes: Kubernetes,
    /// True deletes the experiment's pods until it is false again; they then resume from their checkpoints. Ignored by a run on
    /// one machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub suspend: bool,
    /// How many times in a row one peer is restarted after its process died; a round that it closes gives it all of them back. On a
    /// cluster it is also how many times all peers may be restarted, when too few are left.
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
    /// Number of peers.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// What the group's peers do; honest ones keep to the protocol, and there are no others yet.
    #[serde(default)]
    pub role: Role,
    /// The link of each of the group's peers; each field overrides that of `network.default`.
    #[serde(default)]
    pub network: AccessLink,
    /// Factor by which training is slowed down: with 3, a peer that has trained for a second waits two more.
    #[serde(default = "as_it_is")]
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub compute_slowdown: f64,
    /// Overrides of `spec.kubernetes` for the group; each field replaces that of the experiment.
    #[serde(default, skip_serializing_if = "GroupKubernetes::is_empty")]
    pub kubernetes: GroupKubernetes,
}

/// What a peer may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = family::plain)]
pub enum Role {
    #[default]
    /// Follows the protocol.
    Honest,
}

/// The slowdown of a peer that trains as fast as it can.
const fn as_it_is() -> f64 {
    1.0
}
