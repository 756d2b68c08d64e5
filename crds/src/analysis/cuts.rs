//! Peers and connections that hold the graph together.

use serde::Serialize;

use super::Graph;

/// What divides the graph when it is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cuts {
    /// Peers without which the others are not connected, ascending.
    pub cut_vertices: Vec<CutVertex>,
    /// Connections without which the peers are not connected, the lower peer first, ascending.
    pub bridges: Vec<(u32, u32)>,
}

/// A peer without which the others are not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CutVertex {
    /// Its index.
    pub peer: u32,
    /// Parts that the others fall into without it, at least 2.
    pub parts: u32,
}

impl Cuts {
    /// Parts that the others fall into without `peer`: 1 where it is no cut vertex.
    pub fn parts(&self, peer: u32) -> u32 {
        self.cut_vertices
            .binary_search_by_key(&peer, |cut| cut.peer)
            .map_or(1, |at| self.cut_vertices[at].parts)
    }
}

/// Cut vertices and bridges of a connected graph.
///
/// Source: Tarjan, "Depth-first search and linear graph algorithms" (SIAM Journal on Computing 1, 1972) and Hopcroft
/// and Tarjan, "Algorithm 447" (CACM 16, 1973). Without recursion, so that a line of 10,000 peers is no deep stack.
pub(super) fn cuts(graph: &Graph<'_>) -> Cuts {
    let mut search = Search::new(graph.len());
    let mut cuts = Cuts::default();
    if graph.is_empty() {
        return cuts;
    }
    search.enter(0);
    // Peer, the one it was reached from, and how many of its neighbours were looked at.
    let mut path: Vec<(u32, Option<u32>, usize)> = vec![(0, None, 0)];
    while let Some((peer, parent, looked)) = path.last_mut() {
        let (peer, parent) = (*peer, *parent);
        if let Some(&neighbour) = graph[peer as usize].get(*looked) {
            *looked += 1;
            if search.order[neighbour as usize] == UNSEEN {
                search.enter(neighbour);
                path.push((neighbour, Some(peer), 0));
            } else if Some(neighbour) != parent {
                search.reach(peer, search.order[neighbour as usize]);
            }
            continue;
        }
        path.pop();
        if let Some(parent) = parent {
            let low = search.low[peer as usize];
            search.reach(parent, low);
            // Nothing below `peer` leads past `parent`: without `parent` it is a part of its own.
            if low >= search.order[parent as usize] {
                search.below[parent as usize] += 1;
            }
            if low > search.order[parent as usize] {
                cuts.bridges.push((parent.min(peer), parent.max(peer)));
            }
        }
    }
    cuts.bridges.sort_unstable();
    for (peer, &below) in (0_u32..).zip(&search.below) {
        // What is above a peer is one part more; above the first there is nothing.
        let parts = below + u32::from(peer != 0);
        if parts > 1 {
            cuts.cut_vertices.push(CutVertex { peer, parts });
        }
    }
    cuts
}

const UNSEEN: u32 = u32::MAX;

struct Search {
    /// When a peer was entered.
    order: Vec<u32>,
    /// The earliest peer that can be reached from below it without the connection that it was entered by.
    low: Vec<u32>,
    /// Children from below which nothing earlier than the peer can be reached.
    below: Vec<u32>,
    entered: u32,
}

impl Search {
    fn new(peers: usize) -> Self {
        Self {
            order: vec![UNSEEN; peers],
            low: vec![UNSEEN; peers],
            below: vec![0; peers],
            entered: 0,
        }
    }

    fn enter(&mut self, peer: u32) {
        self.order[peer as usize] = self.entered;
        self.low[peer as usize] = self.entered;
        self.entered += 1;
    }

    fn reach(&mut self, peer: u32, order: u32) {
        let low = &mut self.low[peer as usize];
        *low = (*low).min(order);
    }
}
