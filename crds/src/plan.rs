//! The manifest resolved and validated: what every peer, launcher, operator and simulator works from.
//!
//! A [`Plan`] is a pure function of the manifest. Nothing in it depends on the machine it was made on: addresses, keys
//! and ports are [`crate::Bindings`], and shards are derived from the recipe and the data's labels by each peer.

mod build;
mod chunks;
mod churn;
mod data;
mod hash;
mod kubernetes;
mod liveness;
mod network;
mod paths;
mod schedule;
mod settings;
mod start;

use std::time::Duration;

use fltorrent_swarm::{ChokePolicyKind, ChunkSelection};
pub use fltorrent_swarm::{Deadline, OnPeerLoss, Repair, RoundRules};
use serde::{Deserialize, Serialize};

use crate::{aggregation::Aggregation, data::DataSource, family, partition::Partition, schedule::Schedule};
pub use crate::{
    experiment::{Backend, ChurnKind, CongestionControl, Role},
    findings::Warning,
    model::ModelPlan,
    tensor::{Start, TensorPlan},
};
pub use churn::{At, ChurnPlan};
pub use network::{LinkPlan, RatePlan};
pub use paths::unexpanded;
pub use start::{EarlyStopPlan, InitFromPlan};

/// The manifest resolved and validated, with one entry a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `metadata.name`.
    pub name: String,
    /// The random seed of the whole run.
    pub seed: u64,
    /// One entry a peer, in index order: `peers[i].index == i`.
    pub peers: Vec<PeerPlan>,
    /// The model's tensors and their sizes.
    pub model: ModelPlan,
    /// Where the first model comes from; none: it is drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFromPlan>,
    /// Where the data comes from, its shape, and how it is split.
    pub data: DataPlan,
    /// Local training.
    pub training: TrainingPlan,
    /// What ends the run before its last round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopPlan>,
    /// Rounds from one checkpoint to the next; none without checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u32>,
    /// The exchange of chunks.
    pub exchange: ExchangePlan,
    /// How updates are aggregated.
    #[serde(with = "family::flat")]
    pub aggregation: Aggregation,
    /// Connections between peers.
    pub transport: TransportPlan,
    /// When peers count as absent, and how many have to be left.
    pub liveness: LivenessPlan,
    /// What becomes of the run when a peer is lost.
    pub on_peer_loss: OnPeerLoss,
    /// How the neighbours of lost peers are wired. Plans that do not say it have none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repair: Repair,
    /// How many times in a row a launcher starts one peer anew; not part of [`Plan::hash`].
    #[serde(default)]
    pub restarts: u32,
    /// The results folder.
    pub output: OutputPlan,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Warning>,
}

/// One peer of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerPlan {
    /// Position in [`Plan::peers`], the peer's name everywhere: `0..n`.
    pub index: u32,
    /// Name of the group that it belongs to.
    pub group: String,
    /// What it may do.
    pub role: Role,
    /// Its neighbours' indices, ascending, without itself.
    pub neighbours: Vec<u32>,
    /// The link that its process emulates; none: the machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkPlan>,
    /// How many times as long as the machine needs its training takes, ≥ 1.
    #[serde(default = "network::as_it_is", skip_serializing_if = "network::is_as_it_is")]
    pub compute_slowdown: f64,
    /// What happens to it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub churn: Vec<ChurnPlan>,
}

/// Where the data comes from, its shape, and how it is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlan {
    /// The data set.
    pub source: DataSource,
    /// Shape of one input without the batch dimension: `[height, width]`, `[channels, height, width]` or `[features]`;
    /// `[context]` for a text.
    pub input_shape: Vec<u32>,
    /// Number of classes; labels are `0..classes`.
    pub classes: u32,
    /// How the training split is divided among the peers.
    #[serde(with = "family::flat::snake_case")]
    pub partition: Partition,
}

/// Local training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingPlan {
    /// Number of rounds, ≥ 1.
    pub rounds: u32,
    /// Local passes over the shard in a round, ≥ 1.
    pub epochs: u32,
    /// Samples a step, ≥ 1; the last step of an epoch takes what is left.
    pub batch_size: u32,
    /// Step size of SGD before the schedule, finite and > 0. The optimiser has no state that outlives a round.
    pub learning_rate: f64,
    /// Schedule of the learning rate over the rounds.
    #[serde(default, skip_serializing_if = "is_default", with = "family::flat")]
    pub schedule: Schedule,
    /// Rounds at the start in which the step size rises to the learning rate; the schedule begins after them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warmup_rounds: u32,
    /// Part of the last step's direction that the next step keeps, 0..1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub momentum: f64,
    /// What is added to the gradient for each unit of a parameter, ≥ 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weight_decay: f64,
    /// Largest Euclidean norm of a gradient over all parameters, > 0; none leaves gradients as they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clip_norm: Option<f64>,
    /// FedProx's mu: factor of `1/2 · ‖w − w_round‖²` in the loss, ≥ 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proximal: f64,
    /// Where burn computes.
    pub backend: Backend,
    /// Training threads of one peer, ≥ 1.
    pub threads: u32,
}

/// The exchange of chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangePlan {
    /// Neighbours served at once, the optimistic slot included, ≥ 1.
    pub upload_slots: u32,
    /// Upper bound of the time between two choices of whom to serve.
    pub unchoke_interval: Duration,
    /// Upper bound of the time between two rotations of the optimistic slot.
    pub optimistic_unchoke_interval: Duration,
    /// Whom of the interested neighbours a peer serves. Plans that do not say it have the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub choke_policy: ChokePolicyKind,
    /// Which missing chunk is asked first.
    pub chunk_selection: ChunkSelection,
    /// Chunks an update is cut into, `1..=parameters`, resolved.
    pub num_chunks: u32,
    /// RAM that a peer's chunk store may keep, bytes; what is over goes to a file.
    pub memory_budget: u64,
    /// When a round closes that not all peers have completed.
    pub round: RoundRules,
}

/// Connections between peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportPlan {
    /// Largest UDP payload that path discovery may use, bytes, 1200..=65527.
    pub mtu: u16,
    /// What decides how much is in flight.
    #[serde(default, skip_serializing_if = "is_default")]
    pub congestion_control: CongestionControl,
}

/// When peers count as absent, and how many have to be left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LivenessPlan {
    /// Time between two heartbeats on a silent connection.
    pub heartbeat_interval: Duration,
    /// Silence after which a neighbour counts as absent, and how long one is waited for at the start; longer than
    /// `heartbeat_interval`.
    pub heartbeat_timeout: Duration,
    /// Peers that have to be connected for the run to go on, `1..=peers`.
    pub min_peers: u32,
    /// How long a run with fewer waits for others before it fails.
    pub pause_limit: Duration,
    /// How long the training of a peer may make no progress before nobody waits for its update.
    #[serde(default, skip_serializing_if = "is_default")]
    pub progress_lease: Deadline,
    /// When what failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: RetryPlan,
}

/// When what failed is tried again; what is not given follows from what is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryPlan {
    /// Failures in a row after which every wait is the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Wait after the first failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_delay: Option<Duration>,
    /// Longest wait, at least `base_delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Longest time that is added to a wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputPlan {
    /// Parent folder of the results folders of runs; not part of [`Plan::hash`].
    pub directory: String,
    /// Whether each peer also writes the model that it ended with; not part of [`Plan::hash`].
    pub peer_models: bool,
}

/// What a plan does not write, so that plans which do not use it stay as they were.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
