//! Tree: the fewest connections, and each of them is needed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// A tree in heap order. The parent of peer i is (i − 1) ÷ arity, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Tree {
    /// Children of a peer.
    #[schemars(range(min = 1, max = 9_999))]
    pub arity: u32,
}

impl Default for Tree {
    fn default() -> Self {
        Self { arity: 2 }
    }
}

impl Settings for Tree {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }

    fn brief(&self) -> Option<String> {
        Some(self.arity.to_string())
    }
}

impl Graph for Tree {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        let arity = self.arity.max(1);
        Ok((1..peers).map(|i| ((i - 1) / arity, i)).collect())
    }

    fn layout(&self) -> Layout {
        Layout::Levels
    }
}
