//! What the pods of an experiment are like on a cluster. Fields that a pod has as well are written as a pod has them.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

mod affinity;
mod data;
mod environment;
mod placement;
mod security;
mod storage;
mod volumes;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use crate::forms::is_label_key;
use crate::{
    Quantity,
    forms::{
        self, CLAIM_PREFIX_PATTERN, CONFIG_KEY_PATTERN, ENVIRONMENT_PATTERN, IMAGE_PATTERN, LABEL_KEY_PATTERN,
        LABEL_VALUE_PATTERN, MOUNT_PATH_PATTERN, OBJECT_NAME_PATTERN, SUB_PATH_PATTERN,
    },
};
pub use affinity::{
    Affinity, LabelExpression, LabelExpressionOperator, LabelSelector, NodeAffinity, NodeSelectorTerms, PodAffinity,
    PodAffinityTerm, PreferredNodes, PreferredPods, SelectorTerm, SelectorTermExpression, SelectorTermOperator,
};
pub use data::{ClaimByIndex, KubernetesData, KubernetesDataType, MountedClaim, MountedClaimByIndex};
pub use environment::{EnvironmentSource, EnvironmentVariable, FieldPath, FieldSource, KeySource};
pub use placement::{GroupKubernetes, Resources, Toleration, TolerationEffect, TolerationOperator};
pub use security::{FsGroupChangePolicy, SecurityContext};
pub use storage::{
    AccessMode, EmptyDir, EmptyDirMedium, ExistingClaim, KeptClaim, KeptStorage, KeptStorageType, NewClaim,
    ScratchStorage, ScratchStorageType, Storage,
};
pub use volumes::{ClaimVolume, ConfigMapVolume, KeyToPath, SecretVolume, Volume, VolumeMount};

/// What the pods of an experiment are like; a run on one machine reads nothing of it. A change takes effect with the pods
/// that are made next, after a suspension or a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// The peers' image; without it the one that belongs to the operator and to `training.backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = IMAGE_PATTERN))]
    pub image: Option<String>,
    /// When a node fetches the image; without it, when the node does not have it, or always where its tag is `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets of the experiment's namespace with which the image is fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// What a peer is given: `cpu`, `memory`, `ephemeral-storage`, and devices such as `nvidia.com/gpu`. Without it a request of
    /// 100m of a CPU and of the memory that the plan forecasts, and no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels that a peer's node must have, with their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "forms::labels")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that peers tolerate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Nodes that peers need or prefer, and pods that they want near or far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The pods' priority class; without it the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub priority_class_name: Option<String>,
    /// The pods' runtime class; without it the node's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub runtime_class_name: Option<String>,
    /// Who places the pods; without it the cluster's default scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub scheduler_name: Option<String>,
    /// The pods' service account, of which they get no token but the one that the operator asks for; without it `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub service_account_name: Option<String>,
    /// Labels of the pods beside the operator's: for a service mesh, a policy or a bill.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "forms::labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods beside the operator's: for a service mesh, the autoscaler or a scheduler.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "forms::annotations")]
    pub annotations: BTreeMap<String, String>,
    /// Whom peers run as and to which group their volumes are handed. Without it what the operator was told, which is 65532 for all three
    /// of runAsUser, runAsGroup and fsGroup; with it the platform chooses what it leaves out, so that `{}` leaves it all to the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// TCP ports that peers may connect to at any address, beside those that the URLs of data and the proxies in env name: of a proxy
    /// that stands elsewhere, of what a URL redirects to, of a service mesh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_535)))]
    pub egress_ports: Vec<u16>,
    /// Volumes beside those that the operator makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,
    /// Where a peer finds `volumes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"]))]
    pub volume_mounts: Vec<VolumeMount>,
    /// Environment variables of a peer beside those that the operator sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvironmentVariable>,
    /// Where the files that `data` and `model.initFrom` name are; a URL needs nothing of it. A relative path counts from the claim's
    /// mountPath, or with type image from the image's working folder.
    #[serde(default)]
    pub data: KubernetesData,
    /// Where chunks, checkpoints and results are kept.
    #[serde(default)]
    pub storage: Storage,
}

impl Kubernetes {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the pods of a group are given and where they may run: each field of the group replaces that of the experiment.
    pub fn of_group(&self, group: &GroupKubernetes) -> GroupKubernetes {
        let group = group.clone();
        GroupKubernetes {
            resources: group.resources.or_else(|| self.resources.clone()),
            node_selector: group.node_selector.or_else(|| self.node_selector.clone()),
            tolerations: group.tolerations.or_else(|| self.tolerations.clone()),
            affinity: group.affinity.or_else(|| self.affinity.clone()),
            priority_class_name: group.priority_class_name.or_else(|| self.priority_class_name.clone()),
            runtime_class_name: group.runtime_class_name.or_else(|| self.runtime_class_name.clone()),
        }
    }
}

/// When a node fetches an image: `Always`, `IfNotPresent`, `Never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// A Secret of the experiment's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalReference {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
}

/// CPU that a peer requests when nothing is said: eight fit on two cores, and nothing limits them.
pub const CPU_REQUEST: Quantity = Quantity::from_thousandths(100);
