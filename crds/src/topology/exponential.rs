//! Exponential graph: few neighbours, and short ways between any two peers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout, once};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// Neighbours at distances 1, 2, 4, 8, … on a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exponential;

impl Settings for Exponential {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Graph for Exponential {
    /// Peers whose numbers differ by a power of two, counted around the ring: `i ± 2^j mod peers` for every `2^j < peers`.
    ///
    /// Source: Ying et al., "Exponential Graph is Provably Efficient for Decentralized Deep Training" (NeurIPS 2021), the
    /// static graph with every connection in both directions.
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        let steps = (0..u32::BITS).map(|bit| 1_u32 << bit).take_while(|step| *step < peers);
        Ok(once(
            steps.flat_map(|step| (0..peers).map(move |i| (i, (i + step) % peers))),
        ))
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}
