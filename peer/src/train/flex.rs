use burn::backend::{Autodiff, Flex};
use fltorrent_crds::plan::{ModelPlan, TrainingPlan};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{BackendError, EvalCounts, TrainError, TrainReport, Trainer, network::Network, sgd::Sgd};
use crate::{data::Samples, pulse::Pulse};

/// A trainer on flex, whose kernels run on the rayon pool that they are called from.
struct Pooled<N> {
    pool: ThreadPool,
    inner: Sgd<Autodiff<Flex>, N>,
}

pub(super) fn trainer<N: Network>(
    network: N,
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Result<Box<dyn Trainer>, BackendError> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(training.threads as usize)
        .thread_name(|thread| format!("train-{thread}"))
        .build()
        .map_err(|source| BackendError::Threads {
            threads: training.threads,
            source: source.into(),
        })?;
    Ok(Box::new(Pooled {
        pool,
        inner: Sgd::new(network, model, training, seed, peer),
    }))
}

impl<N: Network> Trainer for Pooled<N> {
    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError> {
        self.inner.flatten(out)
    }

    fn take_first(&mut self) -> Result<Option<Vec<f32>>, TrainError> {
        self.inner.take_first()
    }

    fn lengths(&self) -> Vec<usize> {
        self.inner.lengths()
    }

    fn push(&mut self, values: Vec<f32>) -> Result<(), TrainError> {
        self.inner.push(values)
    }

    fn tell_steps(&mut self, pulse: Pulse) {
        self.inner.tell_steps(pulse);
    }

    fn train(&mut self, shard: &Samples, round: u32) -> Result<TrainReport, TrainError> {
        self.pool.install(|| self.inner.train(shard, round))
    }

    fn evaluate(&mut self, samples: &Samples) -> Result<EvalCounts, TrainError> {
        self.pool.install(|| self.inner.evaluate(samples))
    }
}
