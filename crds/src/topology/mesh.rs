//! Mesh: no chunk is relayed, and connections grow with the square of the peers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout, MAX_EDGES, all_pairs, one, pairs};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// Every peer with every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mesh;

impl Settings for Mesh {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Graph for Mesh {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        let edges = pairs(peers);
        if edges > MAX_EDGES {
            return Err(one(FieldError::new(
                "topology.type",
                format!("a mesh of {peers} peers has {edges} connections"),
                format!(
                    "at most {MAX_EDGES} are possible, in a mesh of 1414 peers; take another topology or fewer peers"
                ),
            )));
        }
        Ok(all_pairs(peers))
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}
