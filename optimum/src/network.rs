//! What the peers' links carry, in updates for each time of the closed forms.

use fltorrent_crds::{Plan, analysis::Rates};

/// The links of an exchange.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) peers: usize,
    /// Sender and receiver of each directed connection.
    pub(super) links: Vec<(usize, usize)>,
    /// Bytes a second of each peer's uplink; none if it is no limit.
    pub(super) up: Vec<Option<f64>>,
    /// Bytes a second of each peer's downlink, at most what it has to receive: others' updates once.
    pub(super) down: Vec<f64>,
}

impl Network {
    /// With at least two peers; `seconds` is what the closed forms give, finite and above 0.
    pub(super) fn new(plan: &Plan, seconds: f64, rates: impl Fn(u32) -> Rates) -> Self {
        let peers = plan.peers.len();
        let rates: Vec<Rates> = (0..peers as u32).map(rates).collect();
        let carried = |rate: f64| rate * seconds / plan.model.bytes as f64;
        // Whoever receives an update twice could as well not have received it again, and no exchange is faster than the
        // closed forms.
        let most = (peers - 1) as f64;
        let down: Vec<f64> = rates.iter().map(|rates| carried(rates.down).min(most)).collect();
        let links = plan.peers.iter().zip(0..).flat_map(|(peer, from)| {
            let neighbours = peer.neighbours.iter();
            neighbours.map(move |&to| (from, to as usize))
        });
        let up = plan.peers.iter().zip(&rates).map(|(peer, rates)| {
            let received: f64 = peer.neighbours.iter().map(|&to| down[to as usize]).sum();
            Some(carried(rates.up)).filter(|up| *up < received)
        });
        Self {
            peers,
            links: links.collect(),
            up: up.collect(),
            down,
        }
    }

    /// What each peer's uplink carries, at most what its neighbours receive together.
    pub(super) fn uplinks(&self) -> Vec<f64> {
        let mut received = vec![0.0; self.peers];
        for &(from, to) in &self.links {
            received[from] += self.down[to];
        }
        let limits = self.up.iter().zip(received);
        limits.map(|(up, received)| up.unwrap_or(received)).collect()
    }

    /// The links that lead into a set of peers.
    pub(super) fn into(&self, set: &[bool]) -> impl Iterator<Item = usize> {
        let links = self.links.iter().enumerate();
        links
            .filter(|(_, (from, to))| !set[*from] && set[*to])
            .map(|(link, _)| link)
    }

    /// The r that a set gets enough for.
    pub(super) fn reached(&self, carried: &[f64], set: &[bool]) -> f64 {
        let into: f64 = self.into(set).map(|link| carried[link]).sum();
        into / outside(set)
    }
}

/// The number of peers outside a set.
pub(super) fn outside(set: &[bool]) -> f64 {
    set.iter().filter(|inside| !**inside).count() as f64
}
