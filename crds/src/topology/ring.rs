//! Ring: the cheapest wiring that survives the loss of a peer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// Every peer has two neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ring;

impl Settings for Ring {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Graph for Ring {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        Ok(edges(peers))
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

/// Peers whose numbers differ by one, and the last with the first.
pub(super) fn edges(peers: u32) -> Edges {
    if peers <= 2 {
        return (1..peers).map(|i| (i - 1, i)).collect();
    }
    (0..peers).map(|i| (i, (i + 1) % peers)).collect()
}
