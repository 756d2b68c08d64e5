//! Hypercube: log2 n neighbours and as many hops at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, one};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// Neighbours' numbers differ in one bit; a power of two peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hypercube;

impl Settings for Hypercube {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Graph for Hypercube {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        if !peers.is_power_of_two() {
            let above = peers.next_power_of_two();
            return Err(one(FieldError::new(
                "topology.type",
                format!("a hypercube of {peers} peers is not possible"),
                format!(
                    "the number of peers is a power of two; take {} or {above} peers, or type exponential",
                    above / 2
                ),
            )));
        }
        let bits = peers.trailing_zeros();
        Ok((0..peers)
            .flat_map(|i| (0..bits).map(move |bit| (i, i ^ (1 << bit))))
            .filter(|(a, b)| a < b)
            .collect())
    }
}
