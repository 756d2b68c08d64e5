//! Clusters: sites that are dense within and have few links between them, as hospitals and data centres do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Edges, Graph, Layout, MAX_EDGES, one, pairs};
use crate::{
    FieldError,
    family::{Settings, Sketch},
};

/// Dense sites of peers on a ring of few links. All peers of a site are connected, with consecutive indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clusters {
    /// Sites, whose numbers of peers differ by one at most.
    #[schemars(range(min = 2, max = 10_000))]
    pub sites: u32,
    /// Links between a site and the next one, at ends of their own; no more than a site has peers.
    #[serde(default = "one_bridge")]
    #[schemars(range(min = 1, max = 10_000))]
    pub bridges: u32,
}

const fn one_bridge() -> u32 {
    1
}

impl Settings for Clusters {
    /// Sites of about the square root of the peers.
    fn example(sketch: &Sketch) -> Option<Self> {
        Some(Self {
            sites: sketch.peers.isqrt().max(2),
            bridges: one_bridge(),
        })
    }

    fn brief(&self) -> Option<String> {
        Some(format!("{}, {}", self.sites, self.bridges))
    }
}

impl Graph for Clusters {
    fn edges(&self, peers: u32, _seed: u64) -> Result<Edges, Vec<FieldError>> {
        self.check(peers).map_err(one)?;
        // A ring of two sites is one pair of them.
        let pairs = if self.sites == 2 { 1 } else { self.sites };
        let within = (0..self.sites).flat_map(|site| {
            let (first, last) = (self.first(site, peers), self.first(site + 1, peers));
            (first..last).flat_map(move |a| (a + 1..last).map(move |b| (a, b)))
        });
        let between = (0..pairs).flat_map(|site| {
            let next = (site + 1) % self.sites;
            // A site's links to the next one begin at its last peers, those to the one before at its first.
            let last = self.first(site + 1, peers) - 1;
            let first = self.first(next, peers);
            (0..self.bridges).map(move |bridge| (last - bridge, first + bridge))
        });
        Ok(within.chain(between).collect())
    }

    fn layout(&self) -> Layout {
        Layout::Circle
    }
}

impl Clusters {
    /// The first peer of a site; of the site after the last the number of peers.
    fn first(&self, site: u32, peers: u32) -> u32 {
        // No larger than `peers`.
        (u64::from(site) * u64::from(peers) / u64::from(self.sites.max(1))) as u32
    }

    fn check(&self, peers: u32) -> Result<(), FieldError> {
        let Self { sites, bridges } = *self;
        if sites > peers {
            return Err(FieldError::new(
                "topology.clusters.sites",
                format!("{sites} sites for {peers} peers"),
                "every site needs a peer; take fewer sites or more peers",
            ));
        }
        let least = peers / sites.max(1);
        if bridges > least {
            return Err(FieldError::new(
                "topology.clusters.bridges",
                format!("{bridges} links between sites of {least} peers have no ends of their own"),
                format!("at most {least} will do"),
            ));
        }
        let edges = u64::from(sites) * (pairs(peers.div_ceil(sites.max(1))) + u64::from(bridges));
        if edges > MAX_EDGES {
            return Err(FieldError::new(
                "topology.clusters.sites",
                format!("{peers} peers in {sites} sites have about {edges} connections"),
                format!("at most {MAX_EDGES} are possible; take more sites or fewer peers"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::topology::neighbours;

    fn clusters(sites: u32, bridges: u32, peers: u32) -> Result<Vec<Vec<u32>>, String> {
        neighbours(&Clusters { sites, bridges }.into(), peers, 0)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_site_is_a_mesh_and_sites_are_a_ring() {
        let two = clusters(2, 1, 6).unwrap();
        assert_eq!(two[0], [1, 2]);
        assert_eq!(two[2], [0, 1, 3]);
        assert_eq!(two[3], [2, 4, 5]);
        let three = clusters(3, 2, 12).unwrap();
        assert_eq!(three.iter().map(Vec::len).sum::<usize>(), 2 * (3 * 6 + 3 * 2));
        assert_eq!(three[3], [0, 1, 2, 4]);
        assert_eq!(three[0], [1, 2, 3, 11]);
    }

    /// Whatever is possible is connected, with each connection once and as many of them as the settings say.
    #[test]
    fn every_number_of_peers_is_shared_out() {
        for peers in 2..=30_u32 {
            for sites in 2..=peers {
                for bridges in 1..=peers / sites {
                    let found = clusters(sites, bridges, peers).unwrap();
                    let least = (peers / sites) as usize;
                    for (peer, list) in found.iter().enumerate() {
                        let others: HashSet<&u32> = list.iter().collect();
                        assert_eq!(others.len(), list.len(), "{sites} {bridges} {peers}: {peer}");
                        assert!((least - 1..=least + 2).contains(&list.len()));
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let refused = |sites, bridges, peers| clusters(sites, bridges, peers).unwrap_err();
        assert_eq!(
            refused(9, 1, 8),
            "topology.clusters.sites: 9 sites for 8 peers; every site needs a peer; take fewer sites or more peers"
        );
        assert_eq!(
            refused(3, 3, 8),
            "topology.clusters.bridges: 3 links between sites of 2 peers have no ends of their own; at most 2 will do"
        );
        assert!(refused(2, 1, 10_000).contains("at most 1000000 are possible"));
    }
}
