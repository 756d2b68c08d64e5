//! How the training samples are divided among the peers.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the training samples are divided among the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'dirichlet') == has(self.dirichlet)")
        .message(Message::Message("dirichlet must be there exactly when type is dirichlet".into())),
    validation = Rule::new("(self.type == 'explicit') == has(self.explicit)")
        .message(Message::Message("explicit must be there exactly when type is explicit".into())),
    validation = Rule::new("(self.type == 'classes') == has(self.classes)")
        .message(Message::Message("classes must be there exactly when type is classes".into())),
    validation = Rule::new("(self.type == 'shards') == has(self.shards)")
        .message(Message::Message("shards must be there exactly when type is shards".into())),
    validation = Rule::new("(self.type == 'quantity') == has(self.quantity)")
        .message(Message::Message("quantity must be there exactly when type is quantity".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct PartitionSpec {
    /// Which member holds the settings; iid (shuffled and dealt out evenly) and contiguous (cut into slices of equal
    /// length in the data's order) have none.
    #[serde(rename = "type")]
    pub kind: PartitionType,
    /// Each class is divided by proportions drawn from a symmetric Dirichlet distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DirichletPartition")]
    pub dirichlet: Option<DirichletPartition>,
    /// Sample indices written down for every peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExplicitPartition")]
    pub explicit: Option<ExplicitPartition>,
    /// Every peer has samples of a few classes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClassesPartition")]
    pub classes: Option<ClassesPartition>,
    /// Sorted by label, cut into pieces of equal length, some of which every peer gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ShardsPartition")]
    pub shards: Option<ShardsPartition>,
    /// Peers have different numbers of samples, drawn from a symmetric Dirichlet distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "QuantityPartition")]
    pub quantity: Option<QuantityPartition>,
}

impl Default for PartitionSpec {
    fn default() -> Self {
        Self {
            kind: PartitionType::Iid,
            dirichlet: None,
            explicit: None,
            classes: None,
            shards: None,
            quantity: None,
        }
    }
}

/// Divisions: `iid`, `dirichlet`, `explicit`, `classes`, `shards`, `quantity`, `contiguous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum PartitionType {
    Iid,
    Dirichlet,
    Explicit,
    Classes,
    Shards,
    Quantity,
    Contiguous,
}

/// Settings of a Dirichlet division.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirichletPartition {
    /// Concentration: small is skewed, large is even.
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub alpha: f64,
    /// Samples that every peer gets at least; a draw with fewer is drawn again.
    #[serde(default = "one_sample")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_samples: u32,
}

fn one_sample() -> u32 {
    1
}

/// Settings of an explicit division.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplicitPartition {
    /// For each peer in index order a list of ranges `[start, end)` of training samples, for example
    /// `[[[0, 100]], [[100, 150], [200, 250]]]`.
    #[schemars(
        length(min = 1, max = 10_000),
        inner(
            length(min = 1, max = 1000),
            inner(inner(range(max = 4_294_967_295_u32)))
        )
    )]
    pub shards: Vec<Vec<[u32; 2]>>,
}

/// Settings of a division by classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassesPartition {
    /// Classes of every peer; all peers together must hold every class.
    #[schemars(range(min = 1, max = 256))]
    pub per_peer: u32,
}

/// Settings of a division into pieces that are sorted by label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardsPartition {
    /// Pieces of every peer.
    #[schemars(range(min = 1, max = 1000))]
    pub per_peer: u32,
}

/// Settings of a division into unequal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuantityPartition {
    /// Concentration: small is skewed, large is even.
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub alpha: f64,
    /// Samples that every peer gets at least; a draw with fewer is drawn again.
    #[serde(default = "one_sample")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_samples: u32,
}
