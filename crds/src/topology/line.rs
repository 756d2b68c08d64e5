//! Line: the longest ways of all, and each peer between its ends divides the rest when it is lost; here to compare with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// A ring that is open between the last peer and the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line;

impl Settings for Line {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Graph for Line {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        Ok((1..peers).map(|i| (i - 1, i)).collect())
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::neighbours;

    #[test]
    fn each_peer_knows_the_one_before_and_the_one_after() {
        let found = neighbours(&Line.into(), 4, 0).unwrap();
        assert_eq!(found, [vec![1], vec![0, 2], vec![1, 3], vec![2]]);
        assert_eq!(neighbours(&Line.into(), 1, 0).unwrap(), [Vec::<u32>::new()]);
    }
}
