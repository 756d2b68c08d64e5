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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.type == 'star' || !has(self.star)")
        .message(Message::Message("star is there, but type names another".into())),
    validation = Rule::new("self.type == 'tree' || !has(self.tree)")
        .message(Message::Message("tree is there, but type names another".into())),
    validation = Rule::new("(self.type == 'randomRegular') == has(self.randomRegular)")
        .message(Message::Message("randomRegular must be there exactly when type is randomRegular".into())),
    validation = Rule::new("(self.type == 'smallWorld') == has(self.smallWorld)")
        .message(Message::Message("smallWorld must be there exactly when type is smallWorld".into())),
    validation = Rule::new("self.type == 'torus' || !has(self.torus)")
        .message(Message::Message("torus is there, but type names another".into())),
    validation = Rule::new("(self.type == 'erdosRenyi') == has(self.erdosRenyi)")
        .message(Message::Message("erdosRenyi must be there exactly when type is erdosRenyi".into())),
    validation = Rule::new("(self.type == 'custom') == has(self.custom)")
        .message(Message::Message("custom must be there exactly when type is custom".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Which member holds the settings. None have ring (each has two neighbours), mesh (everyone with everyone), exponential
    /// (peers at distances 1, 2, 4, 8, … on a ring) and hypercube (numbers that differ in one bit; a power of two peers).
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
    /// A random graph in which every peer has the same number of neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RandomRegularTopology")]
    pub random_regular: Option<RandomRegularTopology>,
    /// A ring whose peers know their nearest, with some connections moved to anywhere (Watts and Strogatz).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SmallWorldTopology")]
    pub small_world: Option<SmallWorldTopology>,
    /// A grid whose rows and columns are rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TorusTopology")]
    pub torus: Option<TorusTopology>,
    /// A random graph in which every two peers are neighbours with the same probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ErdosRenyiTopology")]
    pub erdos_renyi: Option<ErdosRenyiTopology>,
    /// The connections one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CustomTopology")]
    pub custom: Option<CustomTopology>,
}

/// Kinds of wiring: `star`, `ring`, `mesh` (everyone with everyone), `tree`, `randomRegular`, `smallWorld`,
/// `exponential` (peers at distances 1, 2, 4, 8, … on a ring), `torus`, `erdosRenyi`, `hypercube` (numbers that differ in
/// one bit; a power of two peers), `custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TopologyType {
    Star,
    Ring,
    Mesh,
    Tree,
    RandomRegular,
    SmallWorld,
    Exponential,
    Torus,
    ErdosRenyi,
    Hypercube,
    Custom,
}

impl TopologyType {
    /// All kinds, in the order of the schema.
    pub const ALL: [Self; 11] = [
        Self::Star,
        Self::Ring,
        Self::Mesh,
        Self::Tree,
        Self::RandomRegular,
        Self::SmallWorld,
        Self::Exponential,
        Self::Torus,
        Self::ErdosRenyi,
        Self::Hypercube,
        Self::Custom,
    ];

    /// The name in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Star => "star",
            Self::Ring => "ring",
            Self::Mesh => "mesh",
            Self::Tree => "tree",
            Self::RandomRegular => "randomRegular",
            Self::SmallWorld => "smallWorld",
            Self::Exponential => "exponential",
            Self::Torus => "torus",
            Self::ErdosRenyi => "erdosRenyi",
            Self::Hypercube => "hypercube",
            Self::Custom => "custom",
        }
    }
}

/// Settings of a star.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StarTopology {
    /// The index of the peer in the middle.
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

/// Settings of a random regular graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RandomRegularTopology {
    /// Neighbours of every peer: fewer than there are peers, and even when the number of peers is odd.
    #[schemars(range(min = 1, max = 9_999))]
    pub degree: u32,
}

/// Settings of a small world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmallWorldTopology {
    /// Neighbours of a peer before connections are moved, half of them on each side: even, fewer than there are peers.
    #[schemars(range(min = 2, max = 9_998))]
    pub degree: u32,
    /// Probability with which a connection is moved; 0 leaves the ring as it is.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rewire: f64,
}

/// Settings of a torus. Without rows and cols it is as near to a square as the number of peers allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TorusTopology {
    /// Rows; rows times columns is the number of peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 10_000))]
    pub rows: Option<u32>,
    /// Columns; rows times columns is the number of peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 10_000))]
    pub cols: Option<u32>,
}

/// Settings of an Erdős–Rényi graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErdosRenyiTopology {
    /// Probability of every connection. A graph of n peers is seldom connected below ln n ÷ n.
    #[schemars(range(min = 0.000_001, max = 1.0))]
    pub probability: f64,
}

/// Settings of a custom wiring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomTopology {
    /// Pairs of peers that are neighbours, for example `[[0, 1], [1, 2]]`.
    #[schemars(length(max = 50_000), inner(inner(range(max = 9_999))))]
    pub edges: Vec<[u32; 2]>,
}
