//! What the peers train.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The network that every peer trains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'mlp') == has(self.mlp)")
        .message(Message::Message("mlp must be there exactly when type is mlp".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Which member holds the settings.
    #[serde(rename = "type")]
    pub kind: ModelType,
    /// Fully connected layers with ReLU between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MlpModel")]
    pub mlp: Option<MlpModel>,
}

/// Kinds of networks: `mlp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ModelType {
    Mlp,
}

/// Settings of a network of fully connected layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MlpModel {
    /// Widths of the hidden layers; the first and the last width follow from the data. None at all is a linear model.
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<u32>,
}
