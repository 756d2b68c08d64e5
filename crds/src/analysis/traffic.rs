//! Bytes of a round.

use serde::Serialize;

use super::Wiring;
use crate::Plan;

/// Payload of a round in bytes: chunks only. Packet headers, hashes and messages add 5 to 8 in a hundred to updates of megabytes,
/// and more to small ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// What every peer receives: everybody else's update once.
    pub received_by_each: u64,
    /// What all peers together receive, and send.
    pub total: u64,
    /// What each peer sends at least, in index order; the rest of `total` goes to whoever is free.
    pub least_sent: Vec<u64>,
}

/// The payload of a round of the plan.
pub fn traffic(plan: &Plan, wiring: &Wiring) -> Traffic {
    let (peers, update) = (u64::from(wiring.peers), plan.model.bytes);
    let received = peers.saturating_sub(1) * update;
    Traffic {
        received_by_each: received,
        total: peers * received,
        least_sent: (0..wiring.peers)
            .map(|peer| updates_sent(peers, wiring.cuts.parts(peer)) * update)
            .collect(),
    }
}

/// Updates that a peer sends at least when the others fall into `parts` without it: into each part everything that does
/// not come from there, `Σ (peers − part) = parts·peers − (peers − 1)`. That is 1, its own, where it is no cut vertex.
pub(super) const fn updates_sent(peers: u64, parts: u32) -> u64 {
    if peers < 2 {
        return 0;
    }
    parts as u64 * peers - (peers - 1)
}
