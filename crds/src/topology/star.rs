//! Star: as with a server, to compare with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, missing_peer, one};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// One peer in the middle, the others around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Star {
    /// The index of the peer in the middle.
    #[schemars(range(max = 9_999))]
    pub hub: u32,
}

impl Settings for Star {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }
}

impl Graph for Star {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        let hub = self.hub;
        if hub >= peers {
            return Err(one(missing_peer("topology.star.hub", hub, peers)));
        }
        Ok((0..peers).filter(|&i| i != hub).map(|i| (hub, i)).collect())
    }

    fn warning(&self, neighbours: &[Vec<u32>]) -> Option<(&'static str, String)> {
        let others = neighbours.len().saturating_sub(1);
        let message = format!(
            "every chunk between the other {others} peers goes through peer {}, which carries most of the traffic; \
             a ring or a tree shares it out",
            self.hub
        );
        (others > 2).then_some(("topology.star.hub", message))
    }
}
