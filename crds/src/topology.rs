//! Who is whose neighbour.

mod adjacency;
mod custom;
mod draws;
mod lattice;
mod parts;
mod random;
mod regular;

use crate::{
    FieldError,
    experiment::{Topology, TopologyType},
};

/// Most connections of an experiment, so that a mesh does not fill the memory.
const MAX_EDGES: u64 = 1_000_000;

/// Connections as pairs of peers, each connection once.
type Edges = Vec<(u32, u32)>;

/// Every peer's neighbours, ascending, without itself; `peers` is at least 1.
///
/// What is random follows from the experiment's `seed`: purpose `topology.<type>`, round = the number of the draw. The
/// first draw that is connected is taken.
///
/// # Errors
/// Everything that keeps the wiring from being a connected graph without loops and without repeated connections.
pub(crate) fn neighbours(
    topology: &Topology,
    peers: u32,
    seed: u64,
) -> Result<Vec<Vec<u32>>, Vec<FieldError>> {
    let edges = match topology.kind {
        TopologyType::Star => star(topology.star.unwrap_or_default().hub, peers).map_err(one),
        TopologyType::Ring => Ok(ring(peers)),
        TopologyType::Mesh => mesh(peers).map_err(one),
        TopologyType::Tree => Ok(tree(topology.tree.unwrap_or_default().arity.max(1), peers)),
        TopologyType::RandomRegular => settings(topology.random_regular, "randomRegular")
            .and_then(|regular| regular::random(regular, peers, seed))
            .map_err(one),
        TopologyType::SmallWorld => settings(topology.small_world, "smallWorld")
            .and_then(|small| random::small_world(small, peers, seed))
            .map_err(one),
        TopologyType::Exponential => Ok(lattice::exponential(peers)),
        TopologyType::Torus => {
            lattice::torus(topology.torus.unwrap_or_default(), peers).map_err(one)
        }
        TopologyType::ErdosRenyi => settings(topology.erdos_renyi, "erdosRenyi")
            .and_then(|erdos| random::erdos_renyi(erdos, peers, seed))
            .map_err(one),
        TopologyType::Hypercube => lattice::hypercube(peers).map_err(one),
        TopologyType::Custom => custom::edges(topology, peers),
    }?;
    let neighbours = lists(&edges, peers);
    let parts = parts::components(&neighbours);
    if parts.len() > 1 {
        return Err(one(FieldError::new(
            "topology.custom.edges",
            format!(
                "the graph is not connected, it has {} parts: {}",
                parts.len(),
                parts::describe(&parts)
            ),
            "add connections between them",
        )));
    }
    Ok(neighbours)
}

fn one(error: FieldError) -> Vec<FieldError> {
    vec![error]
}

/// The settings that the type wants; the schema sees to it that a manifest has them.
fn settings<T>(settings: Option<T>, name: &str) -> Result<T, FieldError> {
    settings.ok_or_else(|| {
        FieldError::new(
            format!("topology.{name}"),
            "is missing",
            format!("type {name} wants its settings"),
        )
    })
}

/// Neighbours by peer, ascending.
fn lists(edges: &[(u32, u32)], peers: u32) -> Vec<Vec<u32>> {
    let mut neighbours = vec![Vec::new(); peers as usize];
    for &(a, b) in edges {
        neighbours[a as usize].push(b);
        neighbours[b as usize].push(a);
    }
    for list in &mut neighbours {
        list.sort_unstable();
    }
    neighbours
}

fn star(hub: u32, peers: u32) -> Result<Edges, FieldError> {
    if hub >= peers {
        return Err(missing_peer("topology.star.hub", hub, peers));
    }
    Ok((0..peers).filter(|&i| i != hub).map(|i| (hub, i)).collect())
}

fn ring(peers: u32) -> Edges {
    if peers <= 2 {
        return (1..peers).map(|i| (i - 1, i)).collect();
    }
    (0..peers).map(|i| (i, (i + 1) % peers)).collect()
}

fn tree(arity: u32, peers: u32) -> Edges {
    (1..peers).map(|i| ((i - 1) / arity, i)).collect()
}

fn mesh(peers: u32) -> Result<Edges, FieldError> {
    let edges = pairs(peers);
    if edges > MAX_EDGES {
        return Err(FieldError::new(
            "topology.type",
            format!("a mesh of {peers} peers has {edges} connections"),
            format!(
                "at most {MAX_EDGES} are possible, in a mesh of 1414 peers; take another topology or fewer peers"
            ),
        ));
    }
    Ok(all_pairs(peers))
}

fn all_pairs(peers: u32) -> Edges {
    (0..peers)
        .flat_map(|a| (a + 1..peers).map(move |b| (a, b)))
        .collect()
}

/// Pairs of different peers.
fn pairs(peers: u32) -> u64 {
    u64::from(peers) * u64::from(peers.saturating_sub(1)) / 2
}

/// What keeps a graph with so many neighbours a peer from being made.
fn check_size(path: &str, degree: u32, peers: u32) -> Result<(), FieldError> {
    if degree >= peers {
        return Err(FieldError::new(
            path,
            format!("{degree} neighbours for each of {peers} peers"),
            match peers {
                1 => "one peer has no neighbours; take more peers or type ring".to_owned(),
                _ => format!("at most {} will do", peers - 1),
            },
        ));
    }
    let edges = u64::from(peers) * u64::from(degree) / 2;
    if edges > MAX_EDGES {
        return Err(FieldError::new(
            path,
            format!("{peers} peers with {degree} neighbours have {edges} connections"),
            format!(
                "at most {MAX_EDGES} are possible; take {} neighbours or fewer",
                2 * MAX_EDGES / u64::from(peers)
            ),
        ));
    }
    Ok(())
}

/// `peer 9 does not exist; peers are 0–7`.
fn missing_peer(path: &str, peer: u32, peers: u32) -> FieldError {
    let known = match peers {
        1 => "there is only peer 0".to_owned(),
        n => format!("peers are 0–{}", n - 1),
    };
    FieldError::new(path, format!("peer {peer} does not exist"), known)
}
