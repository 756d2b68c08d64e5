//! Who is whose neighbour.

mod adjacency;
mod clusters;
mod custom;
mod draws;
mod erdos_renyi;
mod exponential;
mod hypercube;
mod line;
mod mesh;
mod parts;
mod random_regular;
mod ring;
mod small_world;
mod star;
mod torus;
mod tree;

use crate::{FieldError, family::family};
pub use clusters::Clusters;
pub use custom::Custom;
pub use erdos_renyi::ErdosRenyi;
pub use exponential::Exponential;
pub use hypercube::Hypercube;
pub use line::Line;
pub use mesh::Mesh;
pub use random_regular::RandomRegular;
pub use ring::Ring;
pub use small_world::SmallWorld;
pub use star::Star;
pub use torus::Torus;
pub use tree::Tree;

family! {
    /// The topology: which peers are neighbours. Every connection has two ends.
    pub enum Topology: dyn Graph {
        "star" => Star,
        "ring" => Ring,
        "mesh" => Mesh,
        "tree" => Tree,
        "randomRegular" => RandomRegular,
        "smallWorld" => SmallWorld,
        "exponential" => Exponential,
        "torus" => Torus,
        "erdosRenyi" => ErdosRenyi,
        "hypercube" => Hypercube,
        "line" => Line,
        "clusters" => Clusters,
        "custom" => Custom,
    }
}

/// What a topology is asked.
pub(crate) trait Graph {
    /// Every connection once, without loops. What is random follows from `seed`: purpose `topology.<type>`, round = the number of
    /// the draw, of which the first that is connected is taken.
    ///
    /// # Errors
    /// What keeps so many peers, at least 1, from being wired in this way.
    fn edges(&self, peers: u32, seed: u64) -> Result<Edges, Vec<FieldError>>;

    /// What is possible with these neighbours of each peer, but probably not meant: the field and the message.
    fn warning(&self, _neighbours: &[Vec<u32>]) -> Option<(&'static str, String)> {
        None
    }

    /// How it is drawn best.
    fn layout(&self) -> Layout {
        Layout::Free
    }
}

/// How a wiring is drawn best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// By the lengths of its ways.
    Free,
    /// On a circle in the order of the peers' numbers.
    Circle,
    /// From the first peer down.
    Levels,
}

impl Topology {
    /// How it is drawn best.
    pub fn layout(&self) -> Layout {
        self.as_dyn().layout()
    }
}

/// Most connections of an experiment, so that a mesh does not fill the memory.
const MAX_EDGES: u64 = 1_000_000;

/// Connections as pairs of peers, each connection once.
type Edges = Vec<(u32, u32)>;

/// Every peer's neighbours, ascending, without itself; `peers` is at least 1.
///
/// # Errors
/// Everything that keeps the wiring from being a connected graph without loops and without repeated connections.
pub(crate) fn neighbours(topology: &Topology, peers: u32, seed: u64) -> Result<Vec<Vec<u32>>, Vec<FieldError>> {
    let edges = topology.as_dyn().edges(peers, seed)?;
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

fn all_pairs(peers: u32) -> Edges {
    (0..peers).flat_map(|a| (a + 1..peers).map(move |b| (a, b))).collect()
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
pub(crate) fn missing_peer(path: &str, peer: u32, peers: u32) -> FieldError {
    let known = match peers {
        1 => "there is only peer 0".to_owned(),
        n => format!("peers are 0–{}", n - 1),
    };
    FieldError::new(path, format!("peer {peer} does not exist"), known)
}
