use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClaimByIndex, OBJECT_NAME_PATTERN};
use crate::ByteSize;

/// Where a peer keeps chunks, checkpoints and results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// Chunks beyond `exchange.memoryBudget`, which go with the pod.
    pub scratch: ScratchStorage,
    /// Checkpoints. Where they go with the pod, a new attempt starts from round 0.
    pub checkpoints: KeptStorage,
    /// Results: each peer's figures, and the model, which peer 0 writes.
    pub output: KeptStorage,
}

/// Where chunks are kept while a pod runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.type == 'emptyDir' || !has(self.emptyDir)")
        .message(Message::Message("emptyDir may only be there when type is emptyDir".into())),
    validation = Rule::new("(self.type == 'newClaim') == has(self.newClaim)")
        .message(Message::Message("newClaim must be there exactly when type is newClaim".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct ScratchStorage {
    /// Which member holds the settings; emptyDir needs none.
    #[serde(rename = "type", default)]
    pub kind: ScratchStorageType,
    /// A folder on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,
    /// A claim that is made with the pod and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_claim: Option<NewClaim>,
}

/// Where chunks are kept: `emptyDir`, `newClaim`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ScratchStorageType {
    #[default]
    EmptyDir,
    NewClaim,
}

/// A folder that goes with the pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDir {
    /// The most that it may hold; a pod that keeps more is evicted. Without it, what the node has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<ByteSize>,
    /// Memory keeps it in the node's memory, where it counts against the pod's limit; without it, it is on the node's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<EmptyDirMedium>,
}

/// Where a folder is: `Memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum EmptyDirMedium {
    Memory,
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewClaim {
    /// Who provides the volume; without it the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub storage_class_name: Option<String>,
    /// How much it holds.
    pub size: ByteSize,
    /// By how many nodes or pods it may be used at a time.
    #[serde(default = "read_write_once")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub access_modes: Vec<AccessMode>,
}

fn read_write_once() -> Vec<AccessMode> {
    vec![AccessMode::ReadWriteOnce]
}

/// How a claim may be used: `ReadWriteOnce`, `ReadWriteMany`, `ReadWriteOncePod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum AccessMode {
    ReadWriteOnce,
    ReadWriteMany,
    ReadWriteOncePod,
}

impl AccessMode {
    /// As a claim has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteMany => "ReadWriteMany",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
        }
    }
}

/// Where checkpoints or results are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'claim') == has(self.claim)")
        .message(Message::Message("claim must be there exactly when type is claim".into())),
    validation = Rule::new("(self.type == 'claimByIndex') == has(self.claimByIndex)")
        .message(Message::Message("claimByIndex must be there exactly when type is claimByIndex".into())),
    validation = Rule::new("(self.type == 'newClaim') == has(self.newClaim)")
        .message(Message::Message("newClaim must be there exactly when type is newClaim".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct KeptStorage {
    /// Which member holds the settings; emptyDir, a folder that goes with the pod, has none.
    #[serde(rename = "type", default)]
    pub kind: KeptStorageType,
    /// A claim that is there already and that all peers share, each in a folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ExistingClaim>,
    /// Claims that are there already, one for each peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by_index: Option<ClaimByIndex>,
    /// Claims that the operator makes, and that stay when the experiment is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_claim: Option<KeptClaim>,
}

/// Where checkpoints or results are kept: `emptyDir`, `claim`, `claimByIndex`, `newClaim`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum KeptStorageType {
    #[default]
    EmptyDir,
    Claim,
    ClaimByIndex,
    NewClaim,
}

/// A claim of the experiment's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingClaim {
    /// The claim's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub claim_name: String,
}

/// Claims that outlive the experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptClaim {
    /// Who provides the volumes; without it the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub storage_class_name: Option<String>,
    /// How much each holds.
    pub size: ByteSize,
    /// By how many nodes or pods each may be used at a time.
    #[serde(default = "read_write_once")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub access_modes: Vec<AccessMode>,
    /// Whether all peers share one claim, each in a folder of its own; without it each peer has a claim.
    #[serde(default)]
    pub shared: bool,
}
