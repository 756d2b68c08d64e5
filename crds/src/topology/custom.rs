//! Connections that the manifest lists one by one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, missing_peer};
use crate::{
    FieldError,
    errors::MAX_ERRORS,
    family::{Settings, Sketch},
};

/// The connections one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    /// Pairs of peers that are neighbours, for example `[[0, 1], [1, 2]]`.
    #[schemars(length(max = 50_000), inner(inner(range(max = 9_999))))]
    pub edges: Vec<[u32; 2]>,
}

impl Settings for Custom {
    fn example(_sketch: &Sketch) -> Option<Self> {
        None
    }
}

impl Graph for Custom {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        edges(&self.edges, peers)
    }
}

/// The listed connections, the lower peer first, ascending.
fn edges(listed: &[[u32; 2]], peers: u32) -> Result<Edges, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut edges = Vec::new();
    for (i, &[a, b]) in listed.iter().enumerate() {
        if errors.len() >= MAX_ERRORS {
            return Err(errors);
        }
        let path = format!("topology.custom.edges[{i}]");
        let strangers: Vec<u32> = [a, b].into_iter().filter(|&end| end >= peers).collect();
        for &stranger in &strangers {
            errors.push(missing_peer(&path, stranger, peers));
        }
        if a == b {
            errors.push(FieldError::new(
                path,
                format!("peer {a} is connected to itself"),
                "name two peers",
            ));
        } else if strangers.is_empty() {
            edges.push((a.min(b), a.max(b), i));
        }
    }
    edges.sort_unstable();
    for pair in edges.windows(2) {
        if errors.len() >= MAX_ERRORS {
            break;
        }
        let ((a, b, first), (c, d, second)) = (pair[0], pair[1]);
        if (a, b) == (c, d) {
            errors.push(FieldError::new(
                format!("topology.custom.edges[{second}]"),
                format!("peers {a} and {b} are connected already by edges[{first}]"),
                "remove one of the two",
            ));
        }
    }
    if errors.is_empty() {
        Ok(edges.into_iter().map(|(a, b, _)| (a, b)).collect())
    } else {
        Err(errors)
    }
}
