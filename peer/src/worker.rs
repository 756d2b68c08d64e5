//! The training thread: train, publish, wait for everybody's chunks, aggregate, evaluate, round after round.
//!
//! It runs apart from the driver, so that others' chunks flow while this peer computes.

mod progress;
mod set_model;
mod slowdown;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fltorrent_coordinator::key::KeyError;
use fltorrent_records::report::{ModelHash, TrainFigures};
use fltorrent_swarm::{Adoption, ChunkLayout, EvaluationCounts, Metainfo, Signed, StopRecord, churn::Churn};
use thiserror::Error;
use tokio::sync::mpsc;

use set_model::set_model;
use slowdown::rest;

use crate::{
    CurrentCredentials,
    aggregate::{self, Aggregation, FoldError, Updates},
    buffers::Buffers,
    checkpoint::{self, Header},
    cut::Cutter,
    data::Samples,
    last_model::LastModel,
    memory,
    observer::Aggregated,
    orders::{Completed, Inbox, Order},
    signed_record::{RecordError, SignedRecord},
    store::{ChunkStore, StoreError},
    train::{ClassCounts, TrainError, Trainer, model_hash},
};

pub use progress::Progress;

/// Why the training thread ended early.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum WorkError {
    #[error("training failed in round {round}")]
    Train { round: u32, source: TrainError },
    #[error("the chunk store failed in round {round}")]
    Store { round: u32, source: StoreError },
    #[error("the updates of round {round} could not be aggregated")]
    Fold { round: u32, source: FoldError },
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::WriteError),
    #[error("the model of round {round} could not be kept for neighbours that catch up")]
    Keep { round: u32, source: io::Error },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the update of round {round} could not be signed")]
    Sign { round: u32, source: KeyError },
}

/// The training thread's parts.
pub struct Work {
    /// This peer's model.
    pub trainer: Box<dyn Trainer>,
    /// This peer's part of the training split.
    pub shard: Samples,
    /// This peer's part of the test split.
    pub test_part: Samples,
    /// How updates are cut.
    pub layout: ChunkLayout,
    /// The rule that makes one model of a round's updates.
    pub aggregation: Box<dyn Aggregation>,
    /// Where this peer begins.
    pub start: Start,
    /// The writer of checkpoints, and the metrics file that is flushed before; none: no checkpoints.
    pub checkpoints: Option<(checkpoint::Writer, PathBuf)>,
    /// Where this peer's own chunks go.
    pub buffers: Buffers,
    /// Where chunks are.
    pub store: ChunkStore,
    /// Credentials that sign this peer's updates.
    pub credentials: CurrentCredentials,
    /// This peer's index and attempt.
    pub peer: (u32, u32),
    /// The number of this process.
    pub incarnation: u32,
    /// Of which rounds it may have signed an update.
    pub signed: SignedRecord,
    /// Where the last model is kept for neighbours that catch up; none where nobody does.
    pub last_model: Option<LastModel>,
    /// Whether it trains at once; else its first order says when.
    pub begins: bool,
    /// Peers of the plan.
    pub peers: u32,
    /// Whether the final parameters are wanted.
    pub is_model_wanted: bool,
    /// How many times as long as it needs a training takes, ≥ 1.
    pub slowdown: f64,
    /// When training hangs.
    pub churn: Churn,
}

/// Where a peer begins: with drawn values, with a file's, or with a checkpoint's.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The first round.
    pub round: u32,
    /// BLAKE3 of the model, which the trainer has.
    pub model: [u8; 32],
    /// That model on this peer's part of the test split; nothing before the first round.
    pub evaluation: EvaluationCounts,
    /// The record of early stop's rules.
    pub stop: StopRecord,
    /// No round is left: the model is the run's result.
    pub is_over: bool,
}

impl Start {
    /// The beginning of a run with the model that a trainer has.
    ///
    /// # Errors
    /// When the device fails.
    pub fn fresh(trainer: &dyn Trainer) -> Result<Self, TrainError> {
        Ok(Self {
            model: model_hash(&flat(trainer)?),
            ..Self::default()
        })
    }
}

/// Signs what this peer says with the key that it has now.
pub(crate) fn sign(credentials: &CurrentCredentials, body: Bytes) -> Result<Signed, KeyError> {
    let credentials = Arc::clone(&credentials.borrow());
    let signature = credentials.key().sign(&body)?;
    Ok(Signed {
        body,
        certificate: Bytes::copy_from_slice(credentials.certificate()),
        signature: signature.into(),
    })
}

/// A copy of a trainer's parameters.
pub(crate) fn flat(trainer: &dyn Trainer) -> Result<Vec<f32>, TrainError> {
    let mut parameters = vec![0.0; trainer.parameters() as usize];
    trainer.flatten(&mut parameters)?;
    Ok(parameters)
}

/// Works until all rounds are over, something fails, or the driver has gone.
pub fn run(work: Work, inbox: &Inbox, progress: &mpsc::Sender<Progress>) {
    if let Some(Err(error)) = Thread::new(work, inbox, progress).all_rounds() {
        // The driver has gone when it does not take this.
        progress.blocking_send(Progress::Failed(error)).ok();
    }
}

struct Thread<'a> {
    work: Work,
    round: u32,
    /// It trains for no round before this one.
    gives_from: u32,
    base: [u8; 32],
    folded: [u8; 32],
    /// How long the last aggregation took.
    aggregating: Duration,
    evaluation: EvaluationCounts,
    inbox: &'a Inbox,
    progress: &'a mpsc::Sender<Progress>,
}

impl<'a> Thread<'a> {
    fn new(work: Work, inbox: &'a Inbox, progress: &'a mpsc::Sender<Progress>) -> Self {
        let mut work = work;
        let start = std::mem::take(&mut work.start);
        work.trainer.tell_steps(inbox.pulse().clone());
        Self {
            work,
            round: start.round,
            gives_from: 0,
            base: start.model,
            folded: [0; 32],
            aggregating: Duration::ZERO,
            evaluation: start.evaluation,
            inbox,
            progress,
        }
    }

    /// `None` when the driver has gone.
    fn all_rounds(mut self) -> Option<Result<(), WorkError>> {
        memory::give_back();
        let began = Instant::now();
        let mut has_model = self.work.begins;
        loop {
            let round = self.round;
            let chunks = self.work.store.hold(round);
            if has_model && let Err(error) = self.give(round, began)? {
                return Some(Err(error));
            }
            has_model = true;
            match self.go_on()? {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Some(Err(error)),
            }
            drop(chunks);
            memory::give_back();
        }
        match self.final_model() {
            Ok(parameters) => {
                self.tell(Progress::Finished { parameters })?;
                self.work.signed.remove();
            }
            Err(source) => {
                let round = self.round;
                return Some(Err(WorkError::Train { round, source }));
            }
        }
        Some(Ok(()))
    }

    /// Gives an update of a round, unless it takes part in that one without.
    fn give(&mut self, round: u32, began: Instant) -> Option<Result<(), WorkError>> {
        while let Some(wedge) = self.work.churn.next(round, began.elapsed()) {
            let lasts = wedge.lasts;
            self.tell(Progress::Hangs { round, lasts })?;
            self.inbox.hang(lasts)?;
        }
        if round < self.gives_from {
            return Some(Ok(()));
        }
        self.tell(Progress::Training { round })?;
        match self.update(round) {
            Ok(published) => Some(Ok(self.tell(published)?)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Waits for the model from which the next round goes on; false where there is no next one.
    fn go_on(&mut self) -> Option<Result<bool, WorkError>> {
        loop {
            match self.inbox.next()? {
                Order::Fold(completed) => {
                    return match self.fold(completed)? {
                        Ok(is_last) => Some(Ok(!is_last)),
                        Err(error) => Some(Err(error)),
                    };
                }
                Order::Begin { gives_from } => {
                    self.gives_from = gives_from;
                    return Some(Ok(true));
                }
                Order::Adopt { adoption, hold } => {
                    let adopted = self.adopt(&adoption);
                    drop(hold);
                    let round = adoption.round;
                    match adopted {
                        Ok(true) => {
                            self.tell(Progress::Adopted { round })?;
                            return Some(Ok(true));
                        }
                        Ok(false) => self.tell(Progress::WrongModel { round })?,
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
        }
    }

    /// Makes one model of a closed round; true if it was the last one.
    fn fold(&mut self, completed: Completed) -> Option<Result<bool, WorkError>> {
        let round = completed.round;
        (self.round, self.gives_from) = (round, completed.gives_from);
        let checkpoints = self.work.checkpoints.as_ref();
        let is_due = checkpoints.is_some_and(|(writer, _)| writer.is_due(round + 1, completed.is_last));
        let (noted, is_noted) = sync_channel(1);
        if let Err(error) = self.aggregate(round, &completed) {
            return Some(Err(error));
        }
        match self.assess(round, is_due.then_some(noted)) {
            Ok(aggregated) => self.tell(aggregated)?,
            Err(error) => return Some(Err(error)),
        }
        if is_due {
            is_noted.recv().ok()?;
            if let Err(error) = self.keep_model(&completed) {
                return Some(Err(error));
            }
        }
        self.round += 1;
        Some(Ok(completed.is_last))
    }

    /// Takes over the model that others made of a round; false where the store has another one.
    fn adopt(&mut self, adoption: &Adoption) -> Result<bool, WorkError> {
        let round = adoption.round;
        // The model is the update of the first index after the peers'.
        let mut samples = vec![None; self.work.peers as usize];
        samples.push(Some(1));
        let Work {
            trainer,
            store,
            layout,
            last_model,
            ..
        } = &mut self.work;
        let updates = Updates::new(store, layout, round, &samples);
        let last = last_model.as_ref();
        if set_model(trainer.as_mut(), &mut aggregate::alone(), updates, round, last)? != adoption.model {
            if let Some(last) = last {
                last.clear();
            }
            return Ok(false);
        }
        (self.base, self.folded, self.round) = (adoption.model, adoption.folded, round + 1);
        self.gives_from = adoption.gives_from;
        self.evaluation = self.evaluate(round)?.0;
        Ok(true)
    }

    fn tell(&self, progress: Progress) -> Option<()> {
        self.progress.blocking_send(progress).ok()
    }

    fn update(&mut self, round: u32) -> Result<Progress, WorkError> {
        let trained = |source| WorkError::Train { round, source };
        let (started, stood_still) = (Instant::now(), self.inbox.stood_still());
        let report = self.work.trainer.train(&self.work.shard, round).map_err(trained)?;
        self.slow_down(started.elapsed(), stood_still);
        let train = TrainFigures {
            loss: (report.samples > 0)
                .then_some(report.loss)
                .filter(|loss| loss.is_finite()),
            seconds: started.elapsed().as_secs_f64(),
        };
        let hashes = self.cut(round)?;
        memory::give_back();
        let run = self.work.credentials.borrow().identity().run;
        let (origin, attempt) = self.work.peer;
        self.work.signed.note(round)?;
        let body = Metainfo {
            run: *run.as_bytes(),
            attempt,
            round,
            origin,
            incarnation: self.work.incarnation,
            samples: self.work.shard.len() as u64,
            evaluation: self.evaluation,
            base: self.base,
            folded: self.folded,
            hashes,
        };
        let metainfo = sign(&self.work.credentials, body.encode());
        let metainfo = metainfo.map_err(|source| WorkError::Sign { round, source })?;
        Ok(Progress::Published { round, metainfo, train })
    }

    /// Waits until a training that took so long has taken as long as it shall, or there is something else to do. `stood_still` is how long
    /// the process had stood still when it began.
    fn slow_down(&self, taken: Duration, stood_still: Duration) {
        let stood_still = self.inbox.stood_still().saturating_sub(stood_still);
        self.inbox
            .wait(rest(taken, self.work.slowdown).saturating_add(stood_still));
    }

    /// Moves the update out of the trainer into the store, tensor by tensor, and gives its chunks' hashes: a model more in
    /// the memory of each peer is felt where many share a machine.
    fn cut(&mut self, round: u32) -> Result<Vec<[u8; 32]>, WorkError> {
        let Work {
            trainer,
            store,
            layout,
            buffers,
            peer: (origin, _),
            ..
        } = &mut self.work;
        let mut cutter = Cutter::new(store, layout, buffers, round, *origin);
        while let Some(values) = trainer
            .take_first()
            .map_err(|source| WorkError::Train { round, source })?
        {
            self.inbox.pulse().beat();
            cutter
                .add(&values)
                .map_err(|source| WorkError::Store { round, source })?;
        }
        Ok(cutter.hashes())
    }

    /// Writes a checkpoint. The next update is published after it only, so that of two peers' newest checkpoints at most
    /// one round of checkpoints lies between.
    fn keep_model(&mut self, completed: &Completed) -> Result<(), WorkError> {
        let round = self.round;
        let Some((writer, metrics_file)) = &mut self.work.checkpoints else {
            return Ok(());
        };
        let header = Header {
            peer: self.work.peer.0,
            rounds: round + 1,
            plan: writer.plan(),
            model: self.base,
            evaluation: self.evaluation,
            stop: completed.stop,
            converged: completed.converged,
        };
        let started = Instant::now();
        let parameters = flat(self.work.trainer.as_ref()).map_err(|source| WorkError::Train { round, source })?;
        writer.write(&header, &parameters, metrics_file)?;
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(round, seconds, "checkpoint written");
        Ok(())
    }

    fn final_model(&mut self) -> Result<Vec<f32>, TrainError> {
        let trainer = &mut self.work.trainer;
        let mut parameters = Vec::new();
        if self.work.is_model_wanted {
            parameters.reserve_exact(trainer.parameters() as usize);
            while let Some(values) = trainer.take_first()? {
                parameters.extend(values);
            }
        }
        Ok(parameters)
    }

    /// Gives the trainer the round's new model, tensor by tensor as well.
    fn aggregate(&mut self, round: u32, completed: &Completed) -> Result<(), WorkError> {
        let started = Instant::now();
        let Work {
            trainer,
            store,
            layout,
            aggregation,
            last_model,
            ..
        } = &mut self.work;
        self.folded = completed.folded;
        // Whoever catches up in the last round goes on from the model before it.
        let last = last_model.as_ref().filter(|_| !completed.is_last);
        // Everybody who takes part has just come back, and gives an update of a later round: the model stays what it is.
        if completed.samples.iter().all(Option::is_none) {
            if let Some(last) = last {
                last.stays(round);
            }
            return Ok(());
        }
        let updates = Updates::new(store, layout, round, &completed.samples).only(completed.set.as_ref());
        self.base = set_model(trainer.as_mut(), aggregation.as_mut(), updates, round, last)?;
        self.aggregating = started.elapsed();
        self.inbox.pulse().beat();
        Ok(())
    }

    /// Evaluates the new model and says what became of the round.
    fn assess(&mut self, round: u32, noted: Option<SyncSender<()>>) -> Result<Progress, WorkError> {
        let started = Instant::now();
        let (evaluation, classes) = self.evaluate(round)?;
        self.evaluation = evaluation;
        let aggregated = Aggregated {
            round,
            model: ModelHash::from_bytes(self.base),
            seconds: self.aggregating.as_secs_f64(),
            evaluation: progress::figures(&self.evaluation, started.elapsed()),
            classes,
        };
        Ok(Progress::Aggregated { aggregated, noted })
    }

    /// The trainer's model on this peer's part of the test split, in all and by class.
    fn evaluate(&mut self, round: u32) -> Result<(EvaluationCounts, Vec<ClassCounts>), WorkError> {
        let counts = self.work.trainer.evaluate(&self.work.test_part);
        let counts = counts.map_err(|source| WorkError::Train { round, source })?;
        let in_all = EvaluationCounts {
            correct: counts.correct as u32,
            total: counts.total as u32,
            loss_sum: counts.loss_sum,
        };
        Ok((in_all, counts.classes))
    }
}
