//! Aggregation, transport and output.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Interval;

/// How updates are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'fedprox') == has(self.fedprox)")
        .message(Message::Message("fedprox must be there exactly when type is fedprox".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Aggregation {
    /// The rule, and which member holds its settings; fedavg, the mean weighted by sample counts, has none.
    #[serde(rename = "type", default)]
    pub kind: AggregationType,
    /// The mean of fedavg, of peers whose training is held near the model that the round started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Fedprox")]
    pub fedprox: Option<Fedprox>,
}

/// Settings of FedProx.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fedprox {
    /// Factor of the proximal term `mu/2 · ‖w − w_round‖²` that is added to the loss of every step.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub mu: f64,
}

/// Rules of aggregation: `fedavg`, `fedprox`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum AggregationType {
    #[default]
    Fedavg,
    Fedprox,
}

/// How connections are made and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    /// The protocol that peers talk; there is only quic, over UDP.
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
    /// What decides how much is in flight: auto takes rateAware for a peer whose network has a rate up, and cubic for others.
    pub congestion_control: CongestionControlType,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            kind: TransportType::Quic,
            keep_alive: Interval::from_secs(5),
            idle_timeout: Interval::from_secs(20),
            lost_after: Interval::from_secs(30),
            mtu: 1452,
            congestion_control: CongestionControlType::Auto,
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

/// Congestion controls: `auto`, `cubic`, `newReno`, `rateAware`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum CongestionControlType {
    Auto,
    Cubic,
    NewReno,
    RateAware,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    /// Folder in which a run makes its own results folder; pods write to `kubernetes.storage.output`.
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
