//! The least time that an exchange takes, whatever the peers do.
//!
//! Fluid bounds: chunks are infinitely small, links have no delay and packets no headers. With n peers, updates of S
//! bytes, and peer v sending at most at `u_v` and receiving at most at `d_v`, an exchange takes at least
//!
//! 1. `(n − 1)·S ÷ min(d_v, Σ u_w over the neighbours w)` for every v: it has to receive everybody else's update;
//! 2. `n·(n − 1)·S ÷ Σ u_v`: all that is received has been sent;
//! 3. `(k_v·n − n + 1)·S ÷ u_v` for every v, where `k_v` is the number of parts that the others fall into without v: a
//!    cut vertex sends into each part all that does not come from there, any other peer at least its own update.
//!
//! `u_v` is no more than all neighbours together receive. Upload slots are no limit: one that is choked still receives what is on
//! its way, while another is served. With equal links the largest of the three is reached on a mesh, ring, star and tree; with
//! unequal ones the true optimum, a linear programme, can be many times as long (docs/bound.md; the command line computes it).
//!
//! Sources: Massoulié and Twigg, "Rate-optimal schemes for peer-to-peer live streaming" (Performance Evaluation 65,
//! 2008) for 1 and 2, which follow from cuts around receivers and senders; 3 is the cut between a peer with the rest and
//! each part.

use serde::Serialize;

use super::{Wiring, traffic::updates_sent};
use crate::{Plan, plan::RatePlan};

/// What a peer's link carries, in bytes a second, both above 0; infinite without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// From the peer.
    pub up: f64,
    /// To the peer.
    pub down: f64,
}

/// The rates that the manifest gives each peer's link, infinite where it gives none; none when it gives no peer a rate.
pub fn declared_rates(plan: &Plan) -> Option<Vec<Rates>> {
    let bytes = |rate: Option<RatePlan>| rate.map_or(f64::INFINITY, RatePlan::bytes);
    let rates = plan.peers.iter().map(|peer| {
        let link = peer.link.unwrap_or_default();
        Rates {
            up: bytes(link.up),
            down: bytes(link.down),
        }
    });
    let rates: Vec<Rates> = rates.collect();
    rates
        .iter()
        .any(|rates| rates.up.min(rates.down).is_finite())
        .then_some(rates)
}

/// The least time of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// Seconds.
    pub seconds: f64,
    /// What takes so long.
    pub limit: Limit,
}

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Limit {
    /// A peer's downlink.
    Downlink {
        /// Which peer; of several the first.
        peer: u32,
    },
    /// The uplinks of a peer's neighbours.
    NeighboursUplinks {
        /// Which peer; of several the first.
        peer: u32,
    },
    /// The uplinks of all peers together.
    AllUplinks,
    /// The uplink of a peer that has to send its own update, or more when it is a cut vertex.
    Uplink {
        /// Which peer; of several the first.
        peer: u32,
    },
}

/// The least time of a round's exchange when every peer has the link that `rates` gives for its index.
pub fn exchange_bound(plan: &Plan, wiring: &Wiring, rates: impl Fn(u32) -> Rates) -> Bound {
    let (peers, update) = (u64::from(wiring.peers), plan.model.bytes as f64);
    let rates: Vec<Rates> = (0..wiring.peers).map(rates).collect();
    let uplinks: Vec<f64> = plan
        .peers
        .iter()
        .zip(&rates)
        .map(|(peer, own)| own.up.min(received(&peer.neighbours, &rates)))
        .collect();
    let mut bound = Bound {
        seconds: 0.0,
        limit: Limit::AllUplinks,
    };
    if peers < 2 {
        return bound;
    }
    let others = (peers - 1) as f64 * update;
    let mut take = |seconds: f64, limit: Limit| {
        // Rounding is no reason to name another limit.
        if seconds > bound.seconds * (1.0 + 1e-12) {
            bound = Bound { seconds, limit };
        }
    };
    for (peer, rates) in plan.peers.iter().zip(&rates) {
        take(others / rates.down, Limit::Downlink { peer: peer.index });
    }
    for peer in &plan.peers {
        let sources: f64 = peer.neighbours.iter().map(|&w| uplinks[w as usize]).sum();
        take(others / sources, Limit::NeighboursUplinks { peer: peer.index });
    }
    for (peer, uplink) in (0..wiring.peers).zip(&uplinks) {
        let updates = updates_sent(peers, wiring.cuts.parts(peer)) as f64;
        take(updates * update / uplink, Limit::Uplink { peer });
    }
    take(peers as f64 * others / uplinks.iter().sum::<f64>(), Limit::AllUplinks);
    bound
}

/// What the neighbours receive together at most, bytes a second.
fn received(neighbours: &[u32], rates: &[Rates]) -> f64 {
    neighbours.iter().map(|&w| rates[w as usize].down).sum()
}
