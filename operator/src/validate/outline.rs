//! What is kept of a plan: neither who is whose neighbour nor which samples are whose, of which one manifest may name a million.

use std::{collections::BTreeSet, time::Duration};

use fltorrent_crds::{
    Plan, Quantity, analysis,
    data::DataSource,
    plan::{InitFromPlan, OnPeerLoss, PeerPlan, TrainingPlan, Warning},
};

/// A plan without what only peers need.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Settings of training.
    pub training: TrainingPlan,
    /// Rounds from one checkpoint to the next; none without checkpoints.
    pub checkpoint_every: Option<u32>,
    /// The source of the data.
    pub source: DataSource,
    /// File with the initial parameters; none: they are drawn from the seed.
    pub init_from: Option<InitFromPlan>,
    /// Warnings of the plan.
    pub warnings: Vec<Warning>,
    /// True if the others go on without a peer that is lost.
    pub goes_on: bool,
    /// How many peers a round needs.
    pub min_peers: u32,
    /// Peers that join when the others have begun, in an attempt that begins from scratch.
    pub joins: BTreeSet<u32>,
    /// Silence after which a peer counts as absent.
    pub heartbeat_timeout: Duration,
    /// How long peers wait for each other while they are too few.
    pub pause_limit: Duration,
    hash: String,
    peers: u32,
    /// The memory that the first peer's pod asks for.
    first_memory: Quantity,
    /// From which peer on it is another.
    memory: Vec<(u32, Quantity)>,
}

impl Outline {
    pub(super) fn of(plan: Plan) -> Self {
        let request = |peer: Option<&PeerPlan>| {
            let neighbours = peer.map_or(0, |peer| peer.neighbours.len());
            let neighbours = u32::try_from(neighbours).unwrap_or(u32::MAX);
            analysis::memory(&plan, neighbours).request()
        };
        let first_memory = request(plan.peers.first());
        let mut memory: Vec<(u32, Quantity)> = Vec::new();
        let mut last = first_memory;
        for peer in &plan.peers {
            let next = request(Some(peer));
            if next != last {
                memory.push((peer.index, next));
                last = next;
            }
        }
        memory.shrink_to_fit();
        Self {
            joins: plan.late(0).map(|(index, _)| index).collect(),
            hash: plan.hash_text(),
            peers: u32::try_from(plan.peers.len()).unwrap_or(u32::MAX),
            first_memory,
            memory,
            training: plan.training,
            checkpoint_every: plan.checkpoint_every,
            source: plan.data.source,
            init_from: plan.init_from,
            warnings: plan.warnings,
            goes_on: plan.on_peer_loss == OnPeerLoss::Continue,
            min_peers: plan.liveness.min_peers,
            heartbeat_timeout: plan.liveness.heartbeat_timeout,
            pause_limit: plan.liveness.pause_limit,
        }
    }

    /// The plan's hash as 64 hex digits.
    pub fn hash_text(&self) -> &str {
        &self.hash
    }

    /// How many peers there are.
    pub const fn peers(&self) -> u32 {
        self.peers
    }

    /// The memory that the plan forecasts for a peer.
    pub fn memory(&self, index: u32) -> Quantity {
        let after = self.memory.partition_point(|(first, _)| *first <= index);
        let before = after.checked_sub(1).and_then(|at| self.memory.get(at));
        before.map_or(self.first_memory, |(_, request)| *request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A star: the one in the middle holds more connections than the others.
    #[test]
    fn every_peer_asks_for_what_the_plan_forecasts() {
        let text = "{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {name: x}, spec: {groups: [{name: p, count: 20}], \
             topology: {type: star, star: {hub: 2}}, model: {type: mlp, mlp: {hidden: [4096]}}, data: {type: digits}}}";
        let plan = Plan::load(text, &[]).unwrap();
        let outline = Outline::of(plan.clone());
        for peer in &plan.peers {
            let neighbours = u32::try_from(peer.neighbours.len()).unwrap();
            assert_eq!(
                outline.memory(peer.index),
                analysis::memory(&plan, neighbours).request()
            );
        }
        assert!(outline.memory(2) > outline.memory(3));
        assert_eq!(outline.memory.len(), 2);
        assert_eq!((outline.peers(), outline.hash_text()), (20, &*plan.hash_text()));
    }
}
