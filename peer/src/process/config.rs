//! The swarm's configuration as it follows from the plan.

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{Plan, plan::ChunkSelection, seeds};
use fltorrent_swarm::{ChunkLayout, Config, Hello, Selection, message::PROTOCOL_VERSION};
use rand_core::Rng;

/// For peer `index`, which is in the plan.
pub(super) fn swarm(
    plan: &Plan,
    index: u32,
    run: RunId,
    attempt: u32,
    label_hash: [u8; 32],
    layout: ChunkLayout,
) -> Config {
    let exchange = &plan.exchange;
    Config {
        hello: Hello {
            version: PROTOCOL_VERSION,
            run: *run.as_bytes(),
            attempt,
            peer: index,
            plan: plan.hash(),
            data: label_hash,
        },
        peers: plan.peers.len() as u32,
        neighbours: plan.peers[index as usize].neighbours.clone(),
        layout,
        rounds: plan.training.rounds,
        upload_slots: exchange.upload_slots,
        unchoke_interval: exchange.unchoke_interval,
        optimistic_interval: exchange.optimistic_unchoke_interval,
        selection: match exchange.chunk_selection {
            ChunkSelection::RarestFirst => Selection::RarestFirst,
            ChunkSelection::Random => Selection::Random,
            ChunkSelection::Sequential => Selection::Sequential,
        },
        lost_after: plan.transport.lost_after,
        seed: seeds::rng(plan.seed, "swarm", index, 0).next_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn config(set: Option<(&str, &str)>) -> String {
        let sets: Vec<_> = set
            .iter()
            .map(|(path, value)| (path.to_string(), value.to_string()))
            .collect();
        let plan = Plan::load(QUICKSTART, &sets).unwrap();
        let layout = ChunkLayout::new(plan.model.parameters, plan.exchange.num_chunks).unwrap();
        let mut config = swarm(&plan, 3, RunId::from_bytes([1; 16]), 0, [2; 32], layout);
        // The plan's hash changes with every field; what matters here is the rest.
        config.hello.plan = [0; 32];
        format!("{config:?}")
    }

    #[test]
    fn every_field_of_the_exchange_reaches_the_swarm() {
        for set in [
            ("seed", "7"),
            ("groups[0].count", "9"),
            ("topology", "{type: mesh}"),
            ("training.rounds", "11"),
            ("exchange.uploadSlots", "2"),
            ("exchange.unchokeInterval", "3s"),
            ("exchange.optimisticUnchokeInterval", "31s"),
            ("exchange.chunkSelection", "random"),
            ("exchange.chunkSelection", "sequential"),
            ("exchange.numChunks", "12"),
            ("transport.lostAfter", "40s"),
        ] {
            assert_ne!(config(None), config(Some(set)), "{set:?}");
        }
    }
}
