//! Torus: four neighbours, and no way longer than half of both sides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, once, one};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// A grid whose rows and columns are rings. Without rows and cols it is as near to a square as the number of peers allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Torus {
    /// Rows; rows times columns is the number of peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 10_000))]
    pub rows: Option<u32>,
    /// Columns; rows times columns is the number of peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 10_000))]
    pub cols: Option<u32>,
}

impl Settings for Torus {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self::default())
    }

    fn brief(&self) -> Option<String> {
        let side = |side: Option<u32>| side.map_or_else(|| "auto".to_owned(), |n| n.to_string());
        (self.rows.is_some() || self.cols.is_some()).then(|| format!("{}×{}", side(self.rows), side(self.cols)))
    }
}

impl Graph for Torus {
    /// Peer i is in row i ÷ cols, rounded down.
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        let (rows, cols) = sides(*self, peers).map_err(one)?;
        let neighbour = |row: u32, col: u32| (row % rows) * cols + col % cols;
        Ok(once((0..peers).flat_map(|i| {
            let (row, col) = (i / cols, i % cols);
            [(i, neighbour(row, col + 1)), (i, neighbour(row + 1, col))]
        })))
    }

    fn warning(&self, neighbours: &[Vec<u32>]) -> Option<(&'static str, String)> {
        let degree = neighbours.iter().map(Vec::len).max().unwrap_or(0);
        (degree < 3 && neighbours.len() > 4).then(|| {
            let message = "one row is a ring; take a number of peers that is rows times columns, both 3 or more";
            ("topology.torus", message.to_owned())
        })
    }
}

/// Rows and columns; the side that is not given follows, both together are as near to a square as there is.
fn sides(torus: Torus, peers: u32) -> Result<(u32, u32), FieldError> {
    let divides = |side: u32| side > 0 && peers.is_multiple_of(side);
    let odd = |path: &str, side: u32| {
        let near = (1..=peers)
            .filter(|near| divides(*near))
            .min_by_key(|near| near.abs_diff(side))
            .unwrap_or(1);
        FieldError::new(
            format!("topology.torus.{path}"),
            format!("{side} does not divide the number of peers, {peers}"),
            format!("{near} does, or take another number of peers"),
        )
    };
    match (torus.rows, torus.cols) {
        (None, None) => {
            let rows = (1..=peers.isqrt()).rev().find(|rows| divides(*rows)).unwrap_or(1);
            Ok((rows, peers / rows))
        }
        (Some(rows), None) if divides(rows) => Ok((rows, peers / rows)),
        (None, Some(cols)) if divides(cols) => Ok((peers / cols, cols)),
        (Some(rows), None) => Err(odd("rows", rows)),
        (None, Some(cols)) => Err(odd("cols", cols)),
        (Some(rows), Some(cols)) if u64::from(rows) * u64::from(cols) == u64::from(peers) => Ok((rows, cols)),
        (Some(rows), Some(cols)) => Err(FieldError::new(
            "topology.torus",
            format!(
                "{rows} rows of {cols} are {}, but there are {peers} peers",
                u64::from(rows) * u64::from(cols)
            ),
            "rows times cols is the number of peers; leave one of them out and it follows",
        )),
    }
}
