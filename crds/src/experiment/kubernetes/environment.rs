use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CONFIG_KEY_PATTERN, ENVIRONMENT_PATTERN, OBJECT_NAME_PATTERN};

/// An environment variable of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!self.name.startsWith('FLTORRENT_') || self.name == 'FLTORRENT_LOG'")
        .message(Message::Message("names that begin with FLTORRENT_ are the operator's, but for FLTORRENT_LOG".into())),
    validation = Rule::new("!has(self.value) || !has(self.valueFrom)")
        .message(Message::Message("value and valueFrom may not both be there".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVariable {
    /// The variable's name; those that begin with FLTORRENT_ are the operator's, but for FLTORRENT_LOG, the level of the peers' log.
    #[schemars(length(min = 1, max = 253), regex(pattern = ENVIRONMENT_PATTERN))]
    pub name: String,
    /// Its value; without it and valueFrom the empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvironmentSource>,
}

/// Where a variable's value comes from; one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("[has(self.configMapKeyRef), has(self.secretKeyRef), has(self.fieldRef)].exists_one(there, there)")
        .message(Message::Message("exactly one of configMapKeyRef, secretKeyRef and fieldRef must be there".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSource {
    /// An entry of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySource>,
    /// An entry of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySource>,
    /// A field of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldSource>,
}

/// An entry of a ConfigMap or a Secret of the experiment's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySource {
    /// The object's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
    /// The entry's key.
    #[schemars(length(min = 1, max = 253), regex(pattern = CONFIG_KEY_PATTERN))]
    pub key: String,
    /// Whether a pod starts without it.
    #[serde(default)]
    pub optional: bool,
}

/// A field of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldSource {
    /// Which field.
    pub field_path: FieldPath,
}

/// Fields of a pod that a variable can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum FieldPath {
    #[serde(rename = "metadata.name")]
    Name,
    #[serde(rename = "metadata.namespace")]
    Namespace,
    #[serde(rename = "metadata.uid")]
    Uid,
    #[serde(rename = "spec.nodeName")]
    NodeName,
    #[serde(rename = "spec.serviceAccountName")]
    ServiceAccountName,
    #[serde(rename = "status.hostIP")]
    HostIp,
    #[serde(rename = "status.podIP")]
    PodIp,
}
