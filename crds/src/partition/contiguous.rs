//! Contiguous: what is next to each other in the files stays together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Pool, ShardError, slices};
use crate::family::{Settings, Sketch};

/// Cut into slices of equal length in the data's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contiguous;

impl Settings for Contiguous {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Division for Contiguous {
    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        Ok(slices(pool.peers, pool.count()))
    }
}
