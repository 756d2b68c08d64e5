//! The swarm's configuration as it follows from the plan.

use std::sync::Arc;

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{Plan, plan::PeerPlan, seeds};
use fltorrent_swarm::{Beginning, ChunkLayout, Config, EarlierUpdates, EarlyStop, Forest, Hello, Kept, StopRules};
use rand_core::Rng;

use crate::worker::Start;

/// The identity of a run, the same at all its peers but for the process.
#[derive(Clone, Copy, Debug)]
pub struct RunIdentity {
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// The number of this process of the peer.
    pub incarnation: u32,
    /// [`Plan::hash`].
    pub plan: [u8; 32],
    /// Hash of the data's labels.
    pub data: [u8; 32],
}

/// What the configurations of all peers have in common and takes a while to find.
#[derive(Clone, Debug)]
pub struct Wiring {
    topology: Arc<[Vec<u32>]>,
    forest: Option<Arc<Forest>>,
}

impl Wiring {
    /// Who is wired to whom, and who supplies whom.
    pub fn of(plan: &Plan) -> Self {
        let topology: Arc<[Vec<u32>]> = plan.peers.iter().map(|peer| peer.neighbours.clone()).collect();
        let rate = |peer: &PeerPlan| peer.link.and_then(|link| link.up).map(|up| up.bytes());
        let forest = || {
            let rates: Vec<Option<f64>> = plan.peers.iter().map(rate).collect();
            Arc::new(Forest::new(Arc::clone(&topology), &rates, plan.exchange.num_chunks))
        };
        Self {
            forest: plan.exchange.chunk_selection.has_suppliers().then(forest),
            topology,
        }
    }
}

/// For the first process of peer `index`, which is in the plan, whose [`Wiring`] is given. Neighbours that were never met are waited for as long as
/// others.
pub fn swarm(
    plan: &Plan,
    wiring: &Wiring,
    index: u32,
    identity: &RunIdentity,
    layout: ChunkLayout,
    start: &Start,
) -> Config {
    let (exchange, liveness) = (&plan.exchange, &plan.liveness);
    let late: Arc<[u32]> = plan.late(start.round).map(|(peer, _)| peer).collect();
    Config {
        beginning: match late.contains(&index) {
            true => Beginning::CatchUp(EarlierUpdates::Nothing),
            false => Beginning::Together,
        },
        late,
        hello: Hello {
            run: *identity.run.as_bytes(),
            attempt: identity.attempt,
            peer: index,
            incarnation: identity.incarnation,
            plan: identity.plan,
            data: identity.data,
            first_round: start.round,
            round: start.round,
            catches_up: false,
            model: start.model,
        },
        peers: plan.peers.len() as u32,
        neighbours: plan.peers[index as usize].neighbours.clone(),
        layout,
        rounds: plan.training.rounds,
        counts: None,
        early_stop: plan.early_stop.map(|stop| EarlyStop {
            rules: StopRules {
                target_accuracy: stop.target_accuracy,
                patience: stop.patience,
                min_delta: stop.min_delta,
            },
            record: start.stop,
        }),
        upload_slots: exchange.upload_slots,
        unchoke_interval: exchange.unchoke_interval,
        optimistic_interval: exchange.optimistic_unchoke_interval,
        choke_policy: exchange.choke_policy,
        selection: exchange.chunk_selection,
        topology: Arc::clone(&wiring.topology),
        forest: wiring.forest.clone(),
        repair: plan.repair,
        common_seed: seeds::rng(plan.seed, "repair", 0, 0).next_u64(),
        on_peer_loss: plan.on_peer_loss,
        min_peers: liveness.min_peers,
        pause_limit: liveness.pause_limit,
        round_rules: exchange.round,
        progress_lease: liveness.progress_lease,
        lost_after: liveness.heartbeat_timeout,
        join_within: liveness.heartbeat_timeout,
        kept: Kept::default(),
        has_first_model: true,
        seed: seeds::rng(plan.seed, "swarm", index, 0).next_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fltorrent_swarm::ChokePolicyKind;

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn config(set: Option<(&str, &str)>) -> String {
        let sets: Vec<_> = set
            .iter()
            .map(|(path, value)| (path.to_string(), value.to_string()))
            .collect();
        let plan = Plan::load(QUICKSTART, &sets).unwrap();
        let layout = ChunkLayout::new(plan.model.parameters, plan.exchange.num_chunks).unwrap();
        let start = Start::default();
        // The plan's hash changes with every field; what matters here is the rest.
        let identity = RunIdentity {
            run: RunId::from_bytes([1; 16]),
            attempt: 0,
            incarnation: 0,
            plan: [0; 32],
            data: [2; 32],
        };
        let config = swarm(&plan, &Wiring::of(&plan), 3, &identity, layout, &start);
        format!("{config:?}")
    }

    #[test]
    fn every_field_of_the_exchange_reaches_the_swarm() {
        let others = ChokePolicyKind::ALL.iter().skip(1);
        let policies = others.map(|policy| ("exchange.chokePolicy", policy.name()));
        for set in [
            ("seed", "7"),
            ("groups[0].count", "9"),
            ("topology", "{type: mesh}"),
            ("training.rounds", "11"),
            ("training.earlyStop", "{targetAccuracy: 0.9}"),
            ("training.earlyStop", "{patience: 3}"),
            ("exchange.uploadSlots", "2"),
            ("exchange.unchokeInterval", "3s"),
            ("exchange.optimisticUnchokeInterval", "31s"),
            ("exchange.chunkSelection", "random"),
            ("exchange.chunkSelection", "sequential"),
            ("exchange.numChunks", "12"),
            ("exchange.round.quorum", "0.5"),
            ("exchange.round.patience", "7s"),
            ("exchange.round.deadline", "40s"),
            ("liveness.heartbeatTimeout", "40s"),
            ("liveness.minPeers", "2"),
            ("liveness.pauseLimit", "40s"),
            ("liveness.progressLease", "40s"),
            ("liveness.progressLease", "none"),
            ("failurePolicy.onPeerLoss", "fail"),
            ("topology.type", "star"),
            ("topology.repair", "ring"),
            ("topology.repair", "reconnect"),
            ("churn", "[{event: join, peers: [5], round: 2}]"),
            ("churn", "[{event: join, peers: [3], round: 2}]"),
        ]
        .into_iter()
        .chain(policies)
        {
            assert_ne!(config(None), config(Some(set)), "{set:?}");
        }
    }
}
