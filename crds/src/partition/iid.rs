//! IID: every peer has some of everything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Pool, ShardError};
use crate::{
    family::{Settings, Sketch},
    seeds,
};

/// Shuffled and dealt out evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Iid;

impl Settings for Iid {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Division for Iid {
    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        Ok(seeds::deal(pool.seed, "shards.iid", pool.peers, pool.count()))
    }
}
