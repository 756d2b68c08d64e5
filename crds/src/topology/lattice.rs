//! Wirings that follow from the peers' numbers alone: exponential, torus, hypercube.

use super::Edges;
use crate::{FieldError, experiment::TorusTopology};

/// Peers whose numbers differ by a power of two, counted around the ring: `i ± 2^j mod peers` for every `2^j < peers`.
///
/// Source: Ying et al., "Exponential Graph is Provably Efficient for Decentralized Deep Training" (NeurIPS 2021), the
/// static graph with every connection in both directions.
pub(super) fn exponential(peers: u32) -> Edges {
    let steps = (0..u32::BITS)
        .map(|bit| 1_u32 << bit)
        .take_while(|step| *step < peers);
    once(steps.flat_map(|step| (0..peers).map(move |i| (i, (i + step) % peers))))
}

/// A grid whose rows and columns are rings; peer i is in row i ÷ cols, rounded down.
pub(super) fn torus(torus: TorusTopology, peers: u32) -> Result<Edges, FieldError> {
    let (rows, cols) = sides(torus, peers)?;
    let neighbour = |row: u32, col: u32| (row % rows) * cols + col % cols;
    Ok(once((0..peers).flat_map(|i| {
        let (row, col) = (i / cols, i % cols);
        [(i, neighbour(row, col + 1)), (i, neighbour(row + 1, col))]
    })))
}

/// Rows and columns; the side that is not given follows, both together are as near to a square as there is.
fn sides(torus: TorusTopology, peers: u32) -> Result<(u32, u32), FieldError> {
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
            let rows = (1..=peers.isqrt())
                .rev()
                .find(|rows| divides(*rows))
                .unwrap_or(1);
            Ok((rows, peers / rows))
        }
        (Some(rows), None) if divides(rows) => Ok((rows, peers / rows)),
        (None, Some(cols)) if divides(cols) => Ok((peers / cols, cols)),
        (Some(rows), None) => Err(odd("rows", rows)),
        (None, Some(cols)) => Err(odd("cols", cols)),
        (Some(rows), Some(cols)) if u64::from(rows) * u64::from(cols) == u64::from(peers) => {
            Ok((rows, cols))
        }
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

/// Peers whose numbers differ in one bit.
pub(super) fn hypercube(peers: u32) -> Result<Edges, FieldError> {
    if !peers.is_power_of_two() {
        let above = peers.next_power_of_two();
        return Err(FieldError::new(
            "topology.type",
            format!("a hypercube of {peers} peers is not possible"),
            format!(
                "the number of peers is a power of two; take {} or {above} peers, or type exponential",
                above / 2
            ),
        ));
    }
    let bits = peers.trailing_zeros();
    Ok((0..peers)
        .flat_map(|i| (0..bits).map(move |bit| (i, i ^ (1 << bit))))
        .filter(|(a, b)| a < b)
        .collect())
}

/// Each connection once, without loops: on a short ring two ways lead to the same peer.
fn once(edges: impl Iterator<Item = (u32, u32)>) -> Edges {
    let mut edges: Edges = edges
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}
