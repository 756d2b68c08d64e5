//! A trainer whose panics are errors.

use crate::{
    data::Samples,
    guard::{self, Panicked},
    pulse::Pulse,
    train::{EvalCounts, TrainError, TrainReport, Trainer},
};

/// Turns panics of a program's own network into errors. After one the trainer may be without its parameters.
pub(super) struct Guarded {
    name: String,
    inner: Box<dyn Trainer>,
}

impl Guarded {
    pub(super) fn new(name: &str, inner: Box<dyn Trainer>) -> Self {
        Self {
            name: name.to_owned(),
            inner,
        }
    }
}

pub(super) fn error(name: &str, source: Panicked) -> TrainError {
    TrainError::Own {
        network: name.to_owned(),
        source,
    }
}

impl Trainer for Guarded {
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
        let Self { name, inner } = self;
        guard::guard(|| inner.train(shard, round)).map_err(|panic| error(name, panic))?
    }

    fn evaluate(&mut self, samples: &Samples) -> Result<EvalCounts, TrainError> {
        let Self { name, inner } = self;
        guard::guard(|| inner.evaluate(samples)).map_err(|panic| error(name, panic))?
    }
}
