//! The trees of a run, for whoever takes part.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Graph, Trees, UplinkRate};

/// Bytes on the wire for a byte of pieces that is sent, with all headers.
const SENT: f64 = 1.051;
/// Bytes that a peer sends for a byte of pieces that it receives: acknowledgements, requests, announcements.
const RECEIVED: f64 = 0.03;
/// Share of an uplink that pieces have in any case.
const LEAST: f64 = 0.25;
/// Share of the fastest uplink from which a measured one counts as equal.
const ALIKE: f64 = 0.88;
/// Views whose trees are remembered: that of now, and the one before for those who hear of a loss later.
const REMEMBERED: usize = 2;

/// The trees of those who take part, found once for all that share it.
#[derive(Debug)]
pub struct Forest {
    wiring: Arc<[Vec<u32>]>,
    /// As declared, bytes a second.
    rates: Vec<Option<f64>>,
    chunks: u32,
    /// The newest last.
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    members: Vec<u32>,
    uplinks: Vec<UplinkRate>,
    /// None where they do not hang together.
    trees: Option<Arc<Trees>>,
}

impl Forest {
    /// `wiring` has the neighbours of each peer, `rates` that of its uplink, headers included, bytes a second, where it is declared. Updates have so many
    /// chunks.
    pub fn new(wiring: Arc<[Vec<u32>]>, rates: &[Option<f64>], chunks: u32) -> Self {
        Self {
            rates: rates.to_vec(),
            wiring,
            chunks,
            known: Mutex::default(),
        }
    }

    /// The trees of these members, ascending, by what each peer's uplink was measured to carry, else by its declared rate; whoever has neither counts as
    /// much as the fastest one. None where the members do not hang together.
    pub(crate) fn trees(&self, members: &[u32], uplinks: &[UplinkRate]) -> Option<Arc<Trees>> {
        // What is remembered follows from its key alone: whoever panicked with it left it whole.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |known: &&Known| known.members == members && known.uplinks == uplinks;
        if let Some(known) = known.iter().find(is_of) {
            return known.trees.clone();
        }
        let rates = for_pieces(&self.wiring, &self.reckoned(uplinks));
        let graph = Graph::new(&self.wiring, &rates, members);
        let trees = graph.and_then(|graph| Trees::new(graph, self.chunks)).map(Arc::new);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push(Known {
            members: members.to_vec(),
            uplinks: uplinks.to_vec(),
            trees: trees.clone(),
        });
        trees
    }

    /// What trees take each uplink for, as far as anything is known of it: those that were measured to be nearly as fast as the fastest one count as equal,
    /// so that equal links keep their trees when they have been measured.
    fn reckoned(&self, uplinks: &[UplinkRate]) -> Vec<Option<f64>> {
        let known = self.rates.iter().zip(uplinks);
        let known = known.map(|(declared, measured)| (measured.bytes(), *declared));
        let fastest = known.clone().filter_map(|(measured, declared)| measured.or(declared));
        let fastest = fastest.fold(0.0, f64::max);
        let alike = |rate: f64| if rate >= ALIKE * fastest { fastest } else { rate };
        known
            .map(|(measured, declared)| measured.map(alike).or(declared))
            .collect()
    }

    /// Hops from a peer to each other one by way of these members, into `hops`.
    pub(crate) fn hops(&self, members: &[u32], from: u32, hops: &mut Vec<u32>) {
        let alike = vec![1.0; self.wiring.len()];
        match Graph::new(&self.wiring, &alike, members) {
            Some(graph) => graph.hops(from, hops),
            None => hops.clear(),
        }
    }
}

/// What each uplink carries of pieces: a slow one is busy with acknowledgements of what comes to it fast.
fn for_pieces(wiring: &[Vec<u32>], rates: &[Option<f64>]) -> Vec<f64> {
    let fastest = rates.iter().flatten().copied().reduce(f64::max).unwrap_or(1.0);
    let rates: Vec<f64> = rates.iter().map(|rate| rate.unwrap_or(fastest)).collect();
    let others = wiring.len().saturating_sub(1) as f64;
    // In an exchange that takes no longer than it has to.
    let received = Trees::bound(wiring, &rates).map_or(0.0, |least| others / least);
    let of = |rate: &f64| (rate / SENT - RECEIVED * received).max(rate * LEAST);
    rates.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_to_be_nearly_as_fast_counts_as_equal() {
        let wiring: Arc<[Vec<u32>]> = vec![vec![]; 4].into();
        let forest = Forest::new(wiring, &[None, Some(9e5), Some(1e6), None], 1);
        let measured = |rate: f64| UplinkRate::default().measured(rate);
        let unknown = UplinkRate::default();
        let fastest = measured(2e6).bytes();
        let uplinks = [measured(1.9e6), unknown, measured(2e6), unknown];
        assert_eq!(forest.reckoned(&uplinks), [fastest, Some(9e5), fastest, None]);
        let slow = measured(1.5e6);
        let uplinks = [slow, unknown, measured(2e6), unknown];
        assert_eq!(forest.reckoned(&uplinks), [slow.bytes(), Some(9e5), fastest, None]);
        assert_eq!(
            forest.reckoned(&[unknown; 4]),
            [None, Some(9e5), Some(1e6), None],
            "what is declared is exact"
        );
    }
}
