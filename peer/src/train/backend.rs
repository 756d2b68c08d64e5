//! Which backend computes, and whether it can.

use fltorrent_crds::{
    FieldError,
    catalogue::Task,
    plan::{Architecture, Backend, ModelPlan, TensorPlan, TrainingPlan},
};
use thiserror::Error;

use super::{
    TrainError, Trainer,
    network::{self, Network},
    own,
};

/// A backend that cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum BackendError {
    #[error(
        "training.backend is {backend}; expected one of those that this program was built with ({built}): build with --features {backend}, or choose another"
    )]
    NotBuilt { backend: &'static str, built: &'static str },
    #[error(
        "training.backend is {backend}, but {found}; expected {expected}: {next}, or choose training.backend = flex"
    )]
    Missing {
        backend: &'static str,
        found: String,
        expected: &'static str,
        next: &'static str,
    },
    #[error(
        "model.tensors are {found:?}; expected {expected:?}, as model.architecture has: make the plan with this version"
    )]
    Tensors { found: Vec<String>, expected: Vec<String> },
    #[error("training.threads = {threads} could not be started: lower it")]
    Threads {
        threads: u32,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "this program has no network `{name}`; it has {known}: run the program that registers it (docs/own-model.md)"
    )]
    Unknown { name: String, known: String },
    #[error("the network `{name}` refuses model.custom.settings")]
    Settings { name: String, source: FieldError },
    #[error("the network `{name}` cannot be used")]
    Trial { name: String, source: TrainError },
    #[error("the initial model could not be made")]
    Init(#[from] TrainError),
}

#[cfg(not(any(feature = "flex", feature = "cuda")))]
compile_error!("nothing can train without a backend: build with the feature flex, cuda or both");

const BUILT: &str = match (cfg!(feature = "flex"), cfg!(feature = "cuda")) {
    (true, true) => "flex, cuda",
    (true, false) => "flex",
    (false, _) => "cuda",
};

/// Checks that a backend was built in and finds what it needs on this machine, before anything starts.
///
/// # Errors
/// [`BackendError::NotBuilt`] and [`BackendError::Missing`].
pub fn probe(backend: Backend) -> Result<(), BackendError> {
    match backend {
        Backend::Flex if cfg!(feature = "flex") => Ok(()),
        #[cfg(feature = "cuda")]
        Backend::Cuda => super::cuda::probe(),
        missing => Err(not_built(missing)),
    }
}

fn not_built(backend: Backend) -> BackendError {
    let backend = match backend {
        Backend::Flex => "flex",
        Backend::Cuda => "cuda",
    };
    BackendError::NotBuilt { backend, built: BUILT }
}

/// Makes the trainer of one peer, with the initial parameters that follow from the seed.
///
/// # Errors
/// As [`probe`], and a plan whose tensors do not follow from its architecture.
pub fn trainer(
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Result<Box<dyn Trainer>, BackendError> {
    probe(training.backend)?;
    if !matches!(model.architecture, Architecture::Custom { .. }) {
        check_tensors(model, &model.architecture.tensors())?;
    }
    let mut trainer = match model.architecture {
        Architecture::Mlp { .. } => build(network::Mlp, model, training, seed, peer),
        Architecture::Lenet { input, .. } => build(network::Lenet { input }, model, training, seed, peer),
        Architecture::Cnn { input, .. } => build(network::Cnn { input }, model, training, seed, peer),
        Architecture::Resnet18 { input, groups, .. } => {
            let network = network::Resnet18 { input, groups };
            build(network, model, training, seed, peer)
        }
        Architecture::Transformer {
            context,
            layers,
            heads,
            width,
        } => {
            let network = network::Transformer {
                context,
                layers,
                heads,
                width,
            };
            build(network, model, training, seed, peer)
        }
        Architecture::Custom {
            ref name,
            ref settings,
            ref input,
            classes,
            targets,
        } => {
            let task = Task {
                input_shape: input.clone(),
                classes,
                targets,
            };
            own::trainer(name, settings, &task, model, training, seed, peer)
        }
    }?;
    trainer.set(&super::init::parameters(model, seed))?;
    own::try_out(trainer.as_mut(), &model.architecture)?;
    Ok(trainer)
}

pub(super) fn build<N: Network>(
    network: N,
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Result<Box<dyn Trainer>, BackendError> {
    match training.backend {
        #[cfg(feature = "flex")]
        Backend::Flex => super::flex::trainer(network, model, training, seed, peer),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Ok(super::cuda::trainer(network, model, training, seed, peer)),
        #[cfg(not(all(feature = "flex", feature = "cuda")))]
        missing => Err(not_built(missing)),
    }
}

/// Names and shapes must be those that the network computes with, since everything else goes by them.
pub(super) fn check_tensors(model: &ModelPlan, expected: &[TensorPlan]) -> Result<(), BackendError> {
    let list = |tensors: &[TensorPlan]| {
        tensors
            .iter()
            .map(|tensor| format!("{} {:?}", tensor.name, tensor.shape))
            .collect()
    };
    if model.tensors == expected {
        return Ok(());
    }
    Err(BackendError::Tensors {
        found: list(&model.tensors),
        expected: list(expected),
    })
}
