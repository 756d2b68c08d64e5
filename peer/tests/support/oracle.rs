//! Plain sequential FedAvg in one process, without chunks, swarm or network: what every run of a plan must end with.

use fltorrent_crds::Plan;
use fltorrent_peer::{
    data::{self, Divided, Split},
    train::{self, EvalCounts, init, model_hash},
};

/// What the model of one round must be.
pub(crate) struct OracleRound {
    /// Its hash.
    pub(crate) hash: [u8; 32],
    /// Its counts on the whole test split.
    pub(crate) test: EvalCounts,
}

/// Trains the peers one after the other, and takes the mean of their parameters in f64, weighted by their samples and
/// summed in peer order, without the updates that are missing in a round; gives one entry a round.
pub(crate) fn fedavg_oracle(plan: &Plan, missing: impl Fn(u32, u32) -> bool) -> Vec<OracleRound> {
    let Divided { labels, shards } = data::divide(plan).unwrap();
    let all: Vec<u32> = (0..labels.test.len() as u32).collect();
    let test = data::load(&plan.data, &labels, Split::Test, &all).unwrap();
    let mut peers: Vec<_> = (0..)
        .zip(&shards)
        .map(|(peer, shard)| {
            (
                train::trainer(&plan.model, &plan.training, plan.seed, peer).unwrap(),
                data::load(&plan.data, &labels, Split::Train, shard).unwrap(),
            )
        })
        .collect();
    let mut model = init::parameters(&plan.model, plan.seed);
    let mut update = vec![0.0; model.len()];
    (0..plan.training.rounds)
        .map(|round| {
            let (mut sums, mut total) = (vec![0.0; model.len()], 0);
            let gives = |peer: &u32| !missing(round, *peer);
            for (_, (trainer, shard)) in (0..).zip(&mut peers).filter(|(peer, _)| gives(peer)) {
                total += shard.len();
                trainer.set(&model).unwrap();
                trainer.train(shard, round).unwrap();
                trainer.flatten(&mut update).unwrap();
                for (sum, &value) in sums.iter_mut().zip(&update) {
                    *sum += shard.len() as f64 * f64::from(value);
                }
            }
            if total > 0 {
                for (value, sum) in model.iter_mut().zip(&sums) {
                    *value = (sum / total as f64) as f32;
                }
            }
            let (trainer, _) = &mut peers[0];
            trainer.set(&model).unwrap();
            OracleRound {
                hash: model_hash(&model),
                test: trainer.evaluate(&test).unwrap(),
            }
        })
        .collect()
}
