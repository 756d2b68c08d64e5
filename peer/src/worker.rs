//! The training thread: train, publish, wait for everybody's chunks, combine, evaluate, round after round.
//!
//! It runs apart from the driver, so that others' chunks flow while this peer computes.

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fltorrent_coordinator::{
    key::KeyError,
    report::{EvaluationFigures, ModelHash, TrainFigures},
    tls::Credentials,
};
use fltorrent_swarm::{ChunkId, ChunkLayout, EvaluationCounts, Metainfo, SignedMetainfo};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::{
    aggregate,
    data::Samples,
    store::{ChunkStore, StoreError},
    train::{TrainError, Trainer, model_hash},
};

/// Why the training thread ended early.
#[derive(Debug, Error)]
pub enum WorkError {
    /// The trainer failed.
    #[error("training failed in round {round}")]
    Train {
        /// When.
        round: u32,
        /// Why.
        source: TrainError,
    },
    /// Chunks could not be kept or read.
    #[error("the chunk store failed in round {round}")]
    Store {
        /// When.
        round: u32,
        /// Why.
        source: StoreError,
    },
    /// The metainfo could not be signed.
    #[error("the update of round {round} could not be signed")]
    Sign {
        /// When.
        round: u32,
        /// Why.
        source: KeyError,
    },
}

/// What the thread works with.
pub struct Work {
    /// This peer's model.
    pub trainer: Box<dyn Trainer>,
    /// This peer's part of the training split.
    pub shard: Samples,
    /// This peer's part of the test split.
    pub test_part: Samples,
    /// How updates are cut.
    pub layout: ChunkLayout,
    /// Rounds of the run.
    pub rounds: u32,
    /// Where chunks are.
    pub store: ChunkStore,
    /// Whose update it is, and who signs.
    pub credentials: std::sync::Arc<Credentials>,
    /// This peer's index and attempt.
    pub peer: (u32, u32),
}

/// What the driver tells the thread: all chunks of a round are held, with these weights by origin.
#[derive(Debug)]
pub struct Completed {
    /// Signed sample counts in origin order.
    pub weights: Vec<u64>,
}

/// What the thread tells the driver.
#[derive(Debug)]
pub enum Progress {
    /// Training of a round begins.
    Training {
        /// Which.
        round: u32,
    },
    /// This peer's update is in the store.
    Published {
        /// Its signed description.
        metainfo: SignedMetainfo,
        /// How training went.
        train: TrainFigures,
        /// BLAKE3 of the model that training started from.
        base: [u8; 32],
    },
    /// The round's updates are combined; its chunks are no longer read here.
    Aggregated {
        /// Which.
        round: u32,
        /// BLAKE3 of the new model.
        model: ModelHash,
        /// Seconds that it took.
        seconds: f64,
        /// The new model on this peer's part of the test split.
        evaluation: EvaluationFigures,
    },
    /// All rounds are over.
    Finished {
        /// The final parameters in declared order.
        parameters: Vec<f32>,
    },
    /// The thread ended early.
    Failed(WorkError),
}

/// Works until all rounds are over, something fails, or the driver has gone.
pub fn run(work: Work, completed: &Receiver<Completed>, progress: &mpsc::Sender<Progress>) {
    if let Some(Err(error)) = Thread::new(work, completed, progress).all_rounds() {
        // The driver has gone when it does not take this.
        progress.blocking_send(Progress::Failed(error)).ok();
    }
}

struct Thread<'a> {
    work: Work,
    parameters: Vec<f32>,
    base: [u8; 32],
    evaluation: EvaluationCounts,
    completed: &'a Receiver<Completed>,
    progress: &'a mpsc::Sender<Progress>,
}

impl<'a> Thread<'a> {
    fn new(
        work: Work,
        completed: &'a Receiver<Completed>,
        progress: &'a mpsc::Sender<Progress>,
    ) -> Self {
        Self {
            parameters: vec![0.0; work.trainer.parameters() as usize],
            work,
            base: [0; 32],
            evaluation: EvaluationCounts::default(),
            completed,
            progress,
        }
    }

    /// `None` when the driver has gone.
    fn all_rounds(mut self) -> Option<Result<(), WorkError>> {
        if let Err(source) = self.work.trainer.flatten(&mut self.parameters) {
            return Some(Err(WorkError::Train { round: 0, source }));
        }
        self.base = model_hash(&self.parameters);
        for round in 0..self.work.rounds {
            self.tell(Progress::Training { round })?;
            match self.update(round) {
                Ok(published) => self.tell(published)?,
                Err(error) => return Some(Err(error)),
            }
            let completed = self.completed.recv().ok()?;
            match self.combine(round, &completed.weights) {
                Ok(aggregated) => self.tell(aggregated)?,
                Err(error) => return Some(Err(error)),
            }
        }
        let parameters = std::mem::take(&mut self.parameters);
        self.tell(Progress::Finished { parameters })?;
        Some(Ok(()))
    }

    fn tell(&self, progress: Progress) -> Option<()> {
        self.progress.blocking_send(progress).ok()
    }

    fn update(&mut self, round: u32) -> Result<Progress, WorkError> {
        let trained = |source| WorkError::Train { round, source };
        let started = Instant::now();
        let report = self
            .work
            .trainer
            .train(&self.work.shard, round)
            .map_err(trained)?;
        let train = TrainFigures {
            loss: (report.samples > 0)
                .then_some(report.loss)
                .filter(|loss| loss.is_finite()),
            seconds: started.elapsed().as_secs_f64(),
        };
        // The store takes the vector over, as one buffer that its chunks share.
        let mut update = vec![0.0; self.parameters.len()];
        self.work.trainer.flatten(&mut update).map_err(trained)?;
        let hashes = self
            .keep(round, update)
            .map_err(|source| WorkError::Store { round, source })?;
        let run = self.work.credentials.identity().run;
        let (origin, attempt) = self.work.peer;
        let body = Metainfo {
            run: *run.as_bytes(),
            attempt,
            round,
            origin,
            samples: self.work.shard.len() as u64,
            evaluation: self.evaluation,
            base: self.base,
            hashes,
        }
        .encode();
        let signature = self
            .work
            .credentials
            .key()
            .sign(&body)
            .map_err(|source| WorkError::Sign { round, source })?;
        let certificate = Bytes::copy_from_slice(self.work.credentials.certificate());
        let metainfo = SignedMetainfo {
            body,
            certificate,
            signature: signature.into(),
        };
        Ok(Progress::Published {
            metainfo,
            train,
            base: self.base,
        })
    }

    /// Puts the update's chunks into the store and gives their hashes.
    fn keep(&self, round: u32, update: Vec<f32>) -> Result<Vec<[u8; 32]>, StoreError> {
        let whole = little_endian(update);
        let layout = &self.work.layout;
        (0..layout.chunks())
            .map(|index| {
                let range = layout.range(index);
                let data = whole.slice(range.start as usize * 4..range.end as usize * 4);
                let hash = *blake3::hash(&data).as_bytes();
                self.work.store.put(
                    ChunkId {
                        round,
                        origin: self.work.peer.0,
                        index,
                    },
                    data,
                )?;
                Ok(hash)
            })
            .collect()
    }

    fn combine(&mut self, round: u32, weights: &[u64]) -> Result<Progress, WorkError> {
        let trained = |source| WorkError::Train { round, source };
        let started = Instant::now();
        aggregate::fedavg(
            &self.work.store,
            &self.work.layout,
            round,
            weights,
            &mut self.parameters,
        )
        .map_err(|source| WorkError::Store { round, source })?;
        self.work.trainer.set(&self.parameters).map_err(trained)?;
        self.base = model_hash(&self.parameters);
        let seconds = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let counts = self
            .work
            .trainer
            .evaluate(&self.work.test_part)
            .map_err(trained)?;
        self.evaluation = EvaluationCounts {
            correct: counts.correct as u32,
            total: counts.total as u32,
            loss_sum: counts.loss_sum,
        };
        let evaluation = figures(&self.evaluation, started.elapsed());
        Ok(Progress::Aggregated {
            round,
            model: ModelHash::from_bytes(self.base),
            seconds,
            evaluation,
        })
    }
}

fn figures(counts: &EvaluationCounts, elapsed: Duration) -> EvaluationFigures {
    EvaluationFigures {
        correct: counts.correct.into(),
        total: counts.total.into(),
        loss_sum: Some(counts.loss_sum).filter(|sum| sum.is_finite()),
        seconds: elapsed.as_secs_f64(),
    }
}

/// The bytes of f32 in little-endian order, without a copy where the machine has that order.
fn little_endian(values: Vec<f32>) -> Bytes {
    if cfg!(target_endian = "little") {
        struct Owner(Vec<f32>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                bytemuck::cast_slice(&self.0)
            }
        }
        Bytes::from_owner(Owner(values))
    } else {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }
}
