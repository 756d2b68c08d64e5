use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CONFIG_KEY_PATTERN, EmptyDir, MOUNT_PATH_PATTERN, OBJECT_NAME_PATTERN, SUB_PATH_PATTERN};
use crate::forms::NAME_PATTERN;

/// A volume of a pod, of one kind. A path of the node (hostPath) is refused: pods keep to Pod Security's `restricted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("[has(self.emptyDir), has(self.configMap), has(self.secret), has(self.persistentVolumeClaim)].exists_one(there, there)")
        .message(Message::Message("exactly one of emptyDir, configMap, secret and persistentVolumeClaim must be there".into())),
    validation = Rule::new("!self.name.startsWith('fltorrent')")
        .message(Message::Message("names that begin with fltorrent are the operator's".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The volume's name, by RFC 1035; those that begin with fltorrent are the operator's.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// A folder that goes with the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,
    /// A ConfigMap of the experiment's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,
    /// A Secret of the experiment's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,
    /// A claim of the experiment's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimVolume>,
}

/// A ConfigMap as a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapVolume {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
    /// The entries that become files; without it all, under their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub items: Vec<KeyToPath>,
    /// Whether a pod starts without it.
    #[serde(default)]
    pub optional: bool,
}

/// A Secret as a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub secret_name: String,
    /// The entries that become files; without it all, under their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub items: Vec<KeyToPath>,
    /// Whether a pod starts without it.
    #[serde(default)]
    pub optional: bool,
}

/// An entry that becomes a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyToPath {
    /// The entry's key.
    #[schemars(length(min = 1, max = 253), regex(pattern = CONFIG_KEY_PATTERN))]
    pub key: String,
    /// The file's path in the volume.
    #[schemars(length(min = 1, max = 1024), regex(pattern = SUB_PATH_PATTERN))]
    pub path: String,
}

/// A claim as a volume, which all peers share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume {
    /// The claim's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub claim_name: String,
    /// Whether peers may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// Where a peer finds a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// The name of one of `volumes`.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The folder where the peer finds it.
    #[schemars(length(min = 2, max = 1024), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
    /// The folder in the volume; without it all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = SUB_PATH_PATTERN))]
    pub sub_path: Option<String>,
    /// Whether a peer may only read it.
    #[serde(default)]
    pub read_only: bool,
}
