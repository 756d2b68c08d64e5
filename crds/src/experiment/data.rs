//! What the peers learn from, and how it is split among them.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data set and its division among the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'idx') == has(self.idx)")
        .message(Message::Message("idx must be there exactly when type is idx".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Which member holds the settings; digits (UCI optical digits, shipped with the project) has none.
    #[serde(rename = "type")]
    pub kind: DataType,
    /// A folder of IDX files: MNIST, Fashion-MNIST and sets of the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdxData")]
    pub idx: Option<IdxData>,
    /// How the training samples are divided among the peers.
    #[serde(default)]
    pub partition: PartitionSpec,
}

/// Data sets: `digits`, `idx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum DataType {
    Digits,
    Idx,
}

/// A folder of IDX files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdxData {
    /// The folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// Height and width of an image; files that differ are refused.
    #[serde(default = "mnist_shape")]
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub input_shape: [u32; 2],
    /// Number of classes; files with a label of this number or above are refused.
    #[serde(default = "mnist_classes")]
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
}

fn mnist_shape() -> [u32; 2] {
    [28, 28]
}

fn mnist_classes() -> u32 {
    10
}

/// How the training samples are divided among the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'dirichlet') == has(self.dirichlet)")
        .message(Message::Message("dirichlet must be there exactly when type is dirichlet".into())),
    validation = Rule::new("(self.type == 'explicit') == has(self.explicit)")
        .message(Message::Message("explicit must be there exactly when type is explicit".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct PartitionSpec {
    /// Which member holds the settings; iid (shuffled and dealt out evenly) has none.
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
}

impl Default for PartitionSpec {
    fn default() -> Self {
        Self {
            kind: PartitionType::Iid,
            dirichlet: None,
            explicit: None,
        }
    }
}

/// Divisions: `iid`, `dirichlet`, `explicit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum PartitionType {
    Iid,
    Dirichlet,
    Explicit,
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
