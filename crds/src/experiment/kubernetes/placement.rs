use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Affinity, LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN, OBJECT_NAME_PATTERN, forms};
use crate::Quantity;

/// What may differ by group; each field that is there replaces that of `spec.kubernetes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupKubernetes {
    /// What a peer of the group is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels that a node for the group's peers must have, with their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "forms::labels")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that the group's peers tolerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Nodes that the group's peers need or prefer, and pods that they want near or far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The priority class of the group's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub priority_class_name: Option<String>,
    /// The runtime class of the group's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub runtime_class_name: Option<String>,
}

impl GroupKubernetes {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a peer is given: `cpu`, `memory`, `ephemeral-storage`, and whole numbers of what a device plugin offers, such as
/// `nvidia.com/gpu`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What a node must have free for it, by the resource's name; what is under limits alone is requested too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use at most, by the resource's name; devices stand here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

fn quantities(generator: &mut SchemaGenerator) -> Schema {
    let quantity = generator.subschema_for::<Quantity>();
    json_schema!({"type": "object", "additionalProperties": quantity, "maxProperties": 16})
}

impl Resources {
    /// With requests for what neither a request nor a limit names: [`super::CPU_REQUEST`], and this much memory.
    #[must_use]
    pub fn with_defaults(mut self, memory: Quantity) -> Self {
        for (name, quantity) in [("cpu", super::CPU_REQUEST), ("memory", memory)] {
            if !self.limits.contains_key(name) {
                self.requests.entry(name.to_owned()).or_insert(quantity);
            }
        }
        self
    }
}

/// A taint of nodes that a peer tolerates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.key) || (has(self.operator) && self.operator == 'Exists')")
        .message(Message::Message("a toleration without a key has the operator Exists".into())),
    validation = Rule::new("!has(self.value) || !has(self.operator) || self.operator != 'Exists'")
        .message(Message::Message("a toleration with the operator Exists has no value".into())),
    validation = Rule::new("!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')")
        .message(Message::Message("tolerationSeconds belongs to the effect NoExecute".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key; without it every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317), regex(pattern = LABEL_KEY_PATTERN))]
    pub key: Option<String>,
    /// How value is compared; without it Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value; without it the empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = LABEL_VALUE_PATTERN))]
    pub value: Option<String>,
    /// The taint's effect; without it every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TolerationEffect>,
    /// How long a pod stays on a node that gets the taint; without it for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<u32>,
}

/// How a toleration compares: `Equal`, `Exists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TolerationOperator {
    Equal,
    Exists,
}

/// What a taint does: `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TolerationEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}
