//! How the peers are wired.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the peers are wired: who is whose neighbour. Every connection has two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.type == 'star' || !has(self.star)")
        .message(Message::Message("star is there, but type names another".into())),
    validation = Rule::new("self.type == 'tree' || !has(self.tree)")
        .message(Message::Message("tree is there, but type names another".into())),
    validation = Rule::new("(self.type == 'custom') == has(self.custom)")
        .message(Message::Message("custom must be there exactly when type is custom".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Which member holds the settings; ring and mesh have none.
    #[serde(rename = "type")]
    pub kind: TopologyType,
    /// One peer in the middle, the others around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StarTopology")]
    pub star: Option<StarTopology>,
    /// A tree in heap order: the parent of peer i is (i − 1) ÷ arity, rounded down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TreeTopology")]
    pub tree: Option<TreeTopology>,
    /// The connections one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CustomTopology")]
    pub custom: Option<CustomTopology>,
}

/// Kinds of wiring: `star`, `ring`, `mesh` (everyone with everyone), `tree`, `custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TopologyType {
    Star,
    Ring,
    Mesh,
    Tree,
    Custom,
}

/// Settings of a star.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StarTopology {
    /// The peer in the middle.
    #[schemars(range(max = 9_999))]
    pub hub: u32,
}

/// Settings of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TreeTopology {
    /// Children of a peer.
    #[schemars(range(min = 1, max = 9_999))]
    pub arity: u32,
}

impl Default for TreeTopology {
    fn default() -> Self {
        Self { arity: 2 }
    }
}

/// Settings of a custom wiring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomTopology {
    /// Pairs of peers that are neighbours, for example `[[0, 1], [1, 2]]`.
    #[schemars(length(max = 50_000), inner(inner(range(max = 9_999))))]
    pub edges: Vec<[u32; 2]>,
}
