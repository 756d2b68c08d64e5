//! Training: the only module that knows burn.
//!
//! A [`Trainer`] hides the backend and the network. Parameters cross its boundary as one slice of f32 in declared order
//! ([`fltorrent_crds::plan::ModelPlan::tensors`]), each tensor row-major in PyTorch's shape.

pub mod backend;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
#[cfg(feature = "flex")]
mod flex;
mod hash;
pub mod init;
pub mod layers;
#[cfg(any(feature = "flex", feature = "cuda"))]
mod network;
#[cfg(any(feature = "flex", feature = "cuda"))]
mod own;
pub mod safetensors;
#[cfg(any(feature = "flex", feature = "cuda"))]
mod sgd;
#[cfg(any(feature = "flex", feature = "cuda"))]
pub(crate) mod synthetic;

#[cfg(any(feature = "flex", feature = "cuda"))]
pub use self::{network::Parameters, own::OwnNetwork};
#[doc(no_inline)]
pub use burn;
pub use error::{BackendError, TrainError};
pub(crate) use hash::little_endian;
pub use hash::model_hash;
#[cfg(any(feature = "flex", feature = "cuda"))]
pub(crate) use own::{NETWORKS, Networks, Registered, networks};

use fltorrent_crds::{
    model::{Architecture, CustomPlan},
    plan::{ModelPlan, TrainingPlan},
};

use crate::{data::Samples, pulse::Pulse};

/// One peer's model and how it learns.
pub trait Trainer: Send {
    /// Number of parameters.
    fn parameters(&self) -> u64 {
        self.lengths().iter().map(|&length| length as u64).sum()
    }

    /// Copies the parameters into `out` in declared order.
    ///
    /// # Errors
    /// When `out` does not hold exactly [`Trainer::parameters`] values, or the device fails.
    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError>;

    /// Moves out the values of the first tensor that is left; none when all have gone. The trainer has no model then until
    /// all are set again.
    ///
    /// # Errors
    /// When the device fails.
    fn take_first(&mut self) -> Result<Option<Vec<f32>>, TrainError>;

    /// Numbers of values of the model's tensors in declared order.
    fn lengths(&self) -> Vec<usize>;

    /// Sets the next tensor, where the ones before it are set.
    ///
    /// # Errors
    /// When all are set, or this one has another number of values.
    fn push(&mut self, values: Vec<f32>) -> Result<(), TrainError>;

    /// Replaces the parameters by `values`, in declared order.
    ///
    /// # Errors
    /// When there are not exactly [`Trainer::parameters`] values.
    fn set(&mut self, values: &[f32]) -> Result<(), TrainError> {
        let lengths = self.lengths();
        let (found, expected) = (values.len(), lengths.iter().sum());
        if found != expected {
            return Err(TrainError::Length { found, expected });
        }
        while self.take_first()?.is_some() {}
        let mut rest = values;
        for length in lengths {
            let (head, tail) = rest.split_at(length);
            self.push(head.to_vec())?;
            rest = tail;
        }
        Ok(())
    }

    /// Each step is told from now on: a batch that was trained on, or that was evaluated. A trainer that tells none seems to make no
    /// progress meanwhile, by `liveness.progressLease`.
    fn tell_steps(&mut self, _: Pulse) {}

    /// Trains on the shard for one round: `epochs` passes of SGD in batches, each pass in an order drawn from the
    /// seed, the peer and the round; the last batch of a pass takes what is left. Nothing of the optimiser outlives the
    /// round.
    ///
    /// # Errors
    /// When the shard does not fit the model, the loss is not finite, or the device fails.
    fn train(&mut self, shard: &Samples, round: u32) -> Result<TrainReport, TrainError>;

    /// Counts correct predictions and sums the cross entropy over the samples' labels.
    ///
    /// # Errors
    /// When the samples do not fit the model, the loss is not finite, or the device fails.
    fn evaluate(&mut self, samples: &Samples) -> Result<EvalCounts, TrainError>;
}

/// Makes the trainer of one peer, with the initial parameters that follow from the seed.
///
/// # Errors
/// As [`backend::probe`], and a plan whose tensors do not follow from its architecture.
pub fn trainer(
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Result<Box<dyn Trainer>, BackendError> {
    backend::probe(training.backend)?;
    if !matches!(model.architecture, Architecture::Custom(_)) {
        backend::check_tensors(model, &model.architecture.tensors())?;
    }
    let mut trainer = match &model.architecture {
        Architecture::Mlp(network) => backend::build(network.clone(), model, training, seed, peer),
        Architecture::Lenet(network) => backend::build(network.clone(), model, training, seed, peer),
        Architecture::Cnn(network) => backend::build(network.clone(), model, training, seed, peer),
        Architecture::Resnet18(network) => backend::build(network.clone(), model, training, seed, peer),
        Architecture::Transformer(network) => backend::build(network.clone(), model, training, seed, peer),
        Architecture::Custom(CustomPlan { name, settings, .. }) => {
            let task = model.architecture.task();
            own::trainer(name, settings, &task, model, training, seed, peer)
        }
    }?;
    trainer.set(&init::parameters(model, seed))?;
    own::try_out(trainer.as_mut(), &model.architecture)?;
    Ok(trainer)
}

/// The network of this name beyond those of a plan's architectures.
#[cfg(any(feature = "flex", feature = "cuda"))]
pub(crate) fn network(name: &str) -> Option<&'static dyn own::AnyNetwork> {
    let built_in = || (name == synthetic::NAME).then_some(synthetic::NETWORK);
    networks().get(name).map(Box::as_ref).or_else(built_in)
}

/// The result of a round of training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainReport {
    /// Mean cross entropy (nats) over all samples of all passes, each before the step that it was part of; 0 when the
    /// shard is empty.
    pub loss: f64,
    /// Samples seen, with repetition over passes.
    pub samples: u64,
    /// Steps taken.
    pub steps: u64,
}

/// The counts of an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvalCounts {
    /// Labels at which the largest logit is, the first among equals.
    pub correct: u64,
    /// Labels evaluated: one a sample, or one a position of a text.
    pub total: u64,
    /// Sum of the cross entropies, nats.
    pub loss_sum: f64,
    /// The same counts by class; empty where samples have no class of their own, as windows of a text.
    pub classes: Vec<ClassCounts>,
}

/// The counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Samples of the class that were classified so.
    pub correct: u64,
    /// Samples of the class.
    pub total: u64,
}
