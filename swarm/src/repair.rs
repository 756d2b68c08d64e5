//! The neighbours of lost peers, wired anew: by a rule that all compute alike from who is lost, without a word between them.
//!
//! Lost peers that are neighbours are a group. Whoever is left around a group is put into rings, in an order that follows from the
//! seed and the peer alone, as in consistent hashing (Karger and others, STOC 1997): where two know of different losses, their rings
//! differ only next to what they see differently. Every way through the group enters and leaves it by somebody in its first ring,
//! so that what the group held together stays connected.

mod none;
mod reconnect;
mod ring;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use crate::{choices::choices, selection::mix};

choices! {
    /// How the neighbours of a lost peer are wired until it is back.
    pub enum Repair of &'static dyn Rewiring {
        None = "none" in none,
        Ring = "ring" in ring,
        Reconnect = "reconnect" in reconnect,
    }
}

/// A rule that says how the neighbours of a group of lost peers are wired.
pub(crate) trait Rewiring: Debug + Send + Sync {
    /// Of how many rings around a group a peer is part that lost so many neighbours to it, at least one.
    fn rings(&self, lost: usize) -> usize;
}

/// The extra neighbours of peer `me`, as everybody computes them who knows of the same losses. `topology` has the neighbours of all
/// peers.
pub(crate) fn partners(
    repair: Repair,
    topology: &[Vec<u32>],
    lost: &BTreeSet<u32>,
    seed: u64,
    me: u32,
) -> BTreeSet<u32> {
    let rule = repair.rule();
    let own = neighbours(topology, me);
    let mut partners = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for first in own.iter().filter(|peer| lost.contains(peer)) {
        if seen.contains(first) {
            continue;
        }
        let around = around(topology, lost, *first, &mut seen);
        let rings = |peer: &u32| around.get(peer).map_or(0, |&lost| rule.rings(lost));
        for ring in 0..rings(&me) {
            let key = |peer: u32| (mix(mix(seed ^ ring as u64) ^ u64::from(peer)), peer);
            let mut order: Vec<u32> = around.keys().copied().filter(|peer| rings(peer) > ring).collect();
            order.sort_unstable_by_key(|&peer| key(peer));
            let Some(at) = order.iter().position(|&peer| peer == me) else {
                continue;
            };
            let next = order[(at + 1) % order.len()];
            let before = order[(at + order.len() - 1) % order.len()];
            partners.extend([before, next]);
        }
    }
    partners.retain(|partner| *partner != me && own.binary_search(partner).is_err());
    partners
}

/// Whoever is left around the group of a lost peer, with the number of its neighbours in the group. Who is in the group is `seen`.
fn around(topology: &[Vec<u32>], lost: &BTreeSet<u32>, first: u32, seen: &mut BTreeSet<u32>) -> BTreeMap<u32, usize> {
    let mut around = BTreeMap::new();
    let mut border = vec![first];
    seen.insert(first);
    while let Some(at) = border.pop() {
        for &next in neighbours(topology, at) {
            if !lost.contains(&next) {
                *around.entry(next).or_insert(0) += 1;
            } else if seen.insert(next) {
                border.push(next);
            }
        }
    }
    around
}

fn neighbours(topology: &[Vec<u32>], peer: u32) -> &[u32] {
    topology.get(peer as usize).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A connected graph of 2 to 24 peers: a random tree and some more edges.
    fn topologies() -> impl Strategy<Value = Vec<Vec<u32>>> {
        let parents = proptest::collection::vec(any::<u32>(), 1..24);
        let more = proptest::collection::vec((any::<u32>(), any::<u32>()), 0..30);
        (parents, more).prop_map(|(parents, more)| {
            let peers = parents.len() as u32 + 1;
            let tree = (1..peers).zip(parents).map(|(child, parent)| (parent % child, child));
            let more = more.into_iter().map(|(a, b)| (a % peers, b % peers));
            let mut topology = vec![BTreeSet::new(); peers as usize];
            for (a, b) in tree.chain(more).filter(|(a, b)| a != b) {
                topology[a as usize].insert(b);
                topology[b as usize].insert(a);
            }
            topology.into_iter().map(|of| of.into_iter().collect()).collect()
        })
    }

    fn is_connected(peers: &BTreeSet<u32>, next: impl Fn(u32) -> Vec<u32>) -> bool {
        let mut border: Vec<u32> = peers.first().copied().into_iter().collect();
        let mut reached: BTreeSet<u32> = border.iter().copied().collect();
        while let Some(at) = border.pop() {
            let found = next(at).into_iter().filter(|peer| peers.contains(peer));
            border.extend(found.filter(|peer| reached.insert(*peer)));
        }
        reached == *peers
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_rest_is_connected_by_few_edges_that_both_ends_know(
            topology in topologies(),
            dead in proptest::collection::btree_set(0u32..24, 0..12),
            seed in any::<u64>(),
        ) {
            let peers = topology.len() as u32;
            let dead: BTreeSet<u32> = dead.into_iter().filter(|peer| *peer < peers).collect();
            let left: BTreeSet<u32> = (0..peers).filter(|peer| !dead.contains(peer)).collect();
            for repair in [Repair::Ring, Repair::Reconnect] {
                let of = |peer| partners(repair, &topology, &dead, seed, peer);
                for &peer in &left {
                    let (extra, own) = (of(peer), &topology[peer as usize]);
                    for partner in &extra {
                        prop_assert!(left.contains(partner) && *partner != peer && !own.contains(partner));
                        prop_assert!(of(*partner).contains(&peer), "{partner} does not know of {peer}");
                    }
                    let lost = own.iter().filter(|peer| dead.contains(peer)).count();
                    let most = match repair {
                        Repair::Reconnect => lost + lost.min(groups(&topology, &dead, peer)),
                        _ => 2 * groups(&topology, &dead, peer),
                    };
                    prop_assert!(extra.len() <= most, "{peer} lost {lost}, and gets {extra:?}");
                }
                let next = |peer: u32| topology[peer as usize].iter().copied().chain(of(peer)).collect();
                prop_assert!(is_connected(&left, next), "{repair:?}");
            }
            prop_assert!((0..peers).all(|peer| partners(Repair::None, &topology, &dead, seed, peer).is_empty()));
        }
    }

    /// Groups of lost peers next to a peer.
    fn groups(topology: &[Vec<u32>], lost: &BTreeSet<u32>, peer: u32) -> usize {
        let mut seen = BTreeSet::new();
        let own = topology[peer as usize].iter().filter(|peer| lost.contains(peer));
        let is_new = |first: &&u32| {
            !seen.contains(*first) && {
                around(topology, lost, **first, &mut seen);
                true
            }
        };
        own.filter(is_new).count()
    }

    fn star(peers: u32) -> Vec<Vec<u32>> {
        let leaves = (1..peers).map(|_| vec![0]);
        std::iter::once((1..peers).collect()).chain(leaves).collect()
    }

    #[test]
    fn one_more_loss_moves_only_those_next_to_it() {
        let topology = star(12);
        let with = |lost: &[u32], peer| {
            let lost = lost.iter().copied().collect();
            partners(Repair::Ring, &topology, &lost, 3, peer)
        };
        let moved = (1..12).filter(|&peer| peer != 7 && with(&[0], peer) != with(&[0, 7], peer));
        assert_eq!(moved.collect::<BTreeSet<u32>>(), with(&[0], 7));
    }

    #[test]
    fn whoever_lost_many_together_gets_as_many_back() {
        // 8–12 are lost, whose neighbours were all the others.
        let low = (0..8).map(|_| (8..13).collect());
        let high = (8..13).map(|of| (0..13).filter(|&peer| peer != of).collect());
        let topology: Vec<Vec<u32>> = low.chain(high).collect();
        let lost = (8..13).collect();
        let extra = |repair| -> Vec<usize> {
            let of = |peer| partners(repair, &topology, &lost, 1, peer).len();
            (0..8).map(of).collect()
        };
        assert_eq!(extra(Repair::Ring), [2; 8]);
        let more = extra(Repair::Reconnect);
        assert!(more.iter().all(|&extra| (3..=6).contains(&extra)), "{more:?}");
    }

    #[test]
    fn another_seed_wires_otherwise() {
        let topology = star(12);
        let with = |seed| partners(Repair::Ring, &topology, &BTreeSet::from([0]), seed, 5);
        assert!((1..20).any(|seed| with(seed) != with(0)));
    }
}
