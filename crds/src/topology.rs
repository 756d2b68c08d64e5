//! Who is whose neighbour.

use std::fmt::Write;

use crate::{
    FieldError,
    experiment::{Topology, TopologyType},
};

/// Most connections of an experiment, so that a mesh does not fill the memory.
const MAX_EDGES: u64 = 1_000_000;
/// Parts, and ranges of a part, that an error about a disconnected graph prints.
const PRINTED: usize = 6;

/// Every peer's neighbours, ascending, without itself; `peers` is at least 1.
///
/// # Errors
/// Everything that keeps the wiring from being a connected graph without loops and without repeated connections.
pub(crate) fn neighbours(
    topology: &Topology,
    peers: u32,
) -> Result<Vec<Vec<u32>>, Vec<FieldError>> {
    let edges: Vec<(u32, u32)> = match topology.kind {
        TopologyType::Star => star(topology.star.unwrap_or_default().hub, peers)?,
        TopologyType::Ring if peers <= 2 => (1..peers).map(|i| (i - 1, i)).collect(),
        TopologyType::Ring => (0..peers).map(|i| (i, (i + 1) % peers)).collect(),
        TopologyType::Mesh => mesh(peers)?,
        TopologyType::Tree => {
            let arity = topology.tree.unwrap_or_default().arity.max(1);
            (1..peers).map(|i| ((i - 1) / arity, i)).collect()
        }
        TopologyType::Custom => custom(topology, peers)?,
    };
    let mut neighbours = vec![Vec::new(); peers as usize];
    for (a, b) in edges {
        neighbours[a as usize].push(b);
        neighbours[b as usize].push(a);
    }
    for list in &mut neighbours {
        list.sort_unstable();
    }
    let parts = components(&neighbours);
    if parts.len() > 1 {
        return Err(vec![FieldError::new(
            "topology.custom.edges",
            format!(
                "the graph is not connected, it has {} parts: {}",
                parts.len(),
                describe(&parts)
            ),
            "add connections between them",
        )]);
    }
    Ok(neighbours)
}

fn star(hub: u32, peers: u32) -> Result<Vec<(u32, u32)>, Vec<FieldError>> {
    if hub >= peers {
        return Err(vec![missing_peer("topology.star.hub", hub, peers)]);
    }
    Ok((0..peers).filter(|&i| i != hub).map(|i| (hub, i)).collect())
}

fn mesh(peers: u32) -> Result<Vec<(u32, u32)>, Vec<FieldError>> {
    let edges = u64::from(peers) * u64::from(peers - 1) / 2;
    if edges > MAX_EDGES {
        return Err(vec![FieldError::new(
            "topology.type",
            format!("a mesh of {peers} peers has {edges} connections"),
            format!(
                "at most {MAX_EDGES} are possible, in a mesh of 1414 peers; take another topology or fewer peers"
            ),
        )]);
    }
    Ok((0..peers)
        .flat_map(|a| (a + 1..peers).map(move |b| (a, b)))
        .collect())
}

fn custom(topology: &Topology, peers: u32) -> Result<Vec<(u32, u32)>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut edges = Vec::new();
    let listed = topology.custom.iter().flat_map(|custom| &custom.edges);
    for (i, &[a, b]) in listed.enumerate() {
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

/// `peer 9 does not exist; peers are 0–7`.
fn missing_peer(path: &str, peer: u32, peers: u32) -> FieldError {
    let known = match peers {
        1 => "there is only peer 0".to_owned(),
        n => format!("peers are 0–{}", n - 1),
    };
    FieldError::new(path, format!("peer {peer} does not exist"), known)
}

/// The graph's connected parts, each ascending, in the order of their smallest peers.
fn components(neighbours: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut seen = vec![false; neighbours.len()];
    let mut parts = Vec::new();
    for start in 0..neighbours.len() {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start as u32];
        let mut next = 0;
        while let Some(&peer) = part.get(next) {
            next += 1;
            for &neighbour in &neighbours[peer as usize] {
                if !seen[neighbour as usize] {
                    seen[neighbour as usize] = true;
                    part.push(neighbour);
                }
            }
        }
        part.sort_unstable();
        parts.push(part);
    }
    parts
}

/// `{0–3}, {4, 5}, {6}`, shortened when there are many.
fn describe(parts: &[Vec<u32>]) -> String {
    let mut text = String::new();
    for (i, part) in parts.iter().take(PRINTED).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{{{}}}", ranges(part));
    }
    if parts.len() > PRINTED {
        let _ = write!(text, " and {} more", parts.len() - PRINTED);
    }
    text
}

/// Ascending numbers as ranges: `0–3, 5, 8–9`.
fn ranges(numbers: &[u32]) -> String {
    let runs: Vec<&[u32]> = numbers.chunk_by(|a, b| a + 1 == *b).collect();
    let mut texts: Vec<String> = runs
        .iter()
        .take(PRINTED)
        .map(|run| match run {
            [first, .., last] => format!("{first}–{last}"),
            [only] => only.to_string(),
            [] => String::new(),
        })
        .collect();
    if runs.len() > PRINTED {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}
