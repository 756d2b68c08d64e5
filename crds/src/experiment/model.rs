//! What the peers train.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Custom;

/// The network that every peer trains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'mlp') == has(self.mlp)")
        .message(Message::Message("mlp must be there exactly when type is mlp".into())),
    validation = Rule::new("self.type == 'resnet18' || !has(self.resnet18)")
        .message(Message::Message("resnet18 may be there only when type is resnet18".into())),
    validation = Rule::new("self.type == 'transformer' || !has(self.transformer)")
        .message(Message::Message("transformer may be there only when type is transformer".into())),
    validation = Rule::new("(self.type == 'custom') == has(self.custom)")
        .message(Message::Message("custom must be there exactly when type is custom".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Which member holds the settings; lenet (LeNet-5) and cnn (the one of the FedAvg paper) have none.
    #[serde(rename = "type")]
    pub kind: ModelType,
    /// Fully connected layers with ReLU between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MlpModel")]
    pub mlp: Option<MlpModel>,
    /// ResNet-18 for small images, with group normalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Resnet18Model")]
    pub resnet18: Option<Resnet18Model>,
    /// A small decoder of text, byte by byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TransformerModel")]
    pub transformer: Option<TransformerModel>,
    /// A network that the program brings itself; the operator knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Custom")]
    pub custom: Option<Custom>,
    /// Values to start from instead of drawn ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "InitFrom")]
    pub init_from: Option<InitFrom>,
}

/// A file with the values that training starts from, the same for all peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitFrom {
    /// A safetensors file with the model's tensors in f32, such as the `model.safetensors` of another run. It may lie
    /// elsewhere on each machine, but must hold the same values.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the file in lower-case hexadecimal digits, checked before anything starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 64, max = 64), regex(pattern = crate::experiment::SHA256_PATTERN))]
    pub sha256: Option<String>,
}

/// Kinds of networks: `mlp`, `lenet`, `cnn`, `resnet18`, `transformer`, `custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ModelType {
    Mlp,
    Lenet,
    Cnn,
    Resnet18,
    Transformer,
    Custom,
}

/// Settings of a network of fully connected layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MlpModel {
    /// Widths of the hidden layers; the first and the last width follow from the data. None at all is a linear model.
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<u32>,
}

/// Settings of a ResNet-18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resnet18Model {
    /// Groups of channels that are normalised together: a divisor of 64.
    #[schemars(range(min = 1, max = 64))]
    pub groups: u32,
}

impl Default for Resnet18Model {
    fn default() -> Self {
        Self { groups: 32 }
    }
}

/// Settings of a transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TransformerModel {
    /// Number of layers, each of attention and a feed-forward network.
    #[schemars(range(min = 1, max = 48))]
    pub layers: u32,
    /// Attention heads of a layer.
    #[schemars(range(min = 1, max = 64))]
    pub heads: u32,
    /// Width of an embedding, a multiple of the heads.
    #[schemars(range(min = 1, max = 4096))]
    pub width: u32,
}

impl Default for TransformerModel {
    fn default() -> Self {
        Self {
            layers: 2,
            heads: 4,
            width: 128,
        }
    }
}
