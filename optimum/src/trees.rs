//! The bound by spanning trees, for graphs that are too large for the programme.
//!
//! docs/bound.md derives it. It looks at uplinks alone, and at what they can use of the downlinks, as [`Network`] has them.

use fltorrent_crds::Plan;
use fltorrent_swarm::Trees;

use super::{ROUNDING, network::Network};

/// The least time in times of the closed forms', never too long; none where the graph does not hang together.
pub(super) fn factor(plan: &Plan, network: &Network) -> Option<f64> {
    let neighbours: Vec<Vec<u32>> = plan.peers.iter().map(|peer| peer.neighbours.clone()).collect();
    let found = Trees::bound(&neighbours, &network.uplinks())?;
    // A bound is n times the price of a tree less n − 1 times that of all peers, and a tree is no cheaper than these. So sums of n
    // numbers, n times as large as their difference, are rounded.
    let peers = network.peers as f64;
    Some(found * (1.0 - ROUNDING - peers * peers * f64::EPSILON))
}
