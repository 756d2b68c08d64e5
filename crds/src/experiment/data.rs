//! What the peers learn from.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PartitionSpec;

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
