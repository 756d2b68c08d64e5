use fltorrent_swarm::Repair;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::Topology;

/// Which peers are neighbours, and which ones become so while others are lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpec {
    /// Which peers are neighbours.
    #[serde(flatten)]
    pub wiring: Topology,
    /// How the neighbours of a lost peer are wired until it is back.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(description = Repair::description(), extend("default" = Repair::default()))]
    pub repair: Repair,
}

/// Peers of an image before the field was there refuse it, so that it is told to them where it says something.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_none(repair: &Repair) -> bool {
    *repair == Repair::None
}
