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
pub enum BackendError {
    /// The program was built without it.
    #[error(
        "training.backend is {backend}; expected one of those that this program was built with ({built}): build with --features {backend}, or choose another"
    )]
    NotBuilt {
        /// The backend asked for.
        backend: &'static str,
        /// The backends that are there.
        built: &'static str,
    },
    /// A library or file that the backend loads at run time is missing.
    #[error(
        "training.backend is {backend}, but {found}; expected {expected}: {next}, or choose training.backend = flex"
    )]
    Missing {
        /// The backend asked for.
        backend: &'static str,
        /// What was found.
        found: String,
        /// What it needs.
        expected: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// The tensors are not those of the architecture.
    #[error(
        "model.tensors are {found:?}; expected {expected:?}, as model.architecture has: make the plan with this version"
    )]
    Tensors {
        /// The plan's tensors.
        found: Vec<String>,
        /// The tensors that follow from the architecture.
        expected: Vec<String>,
    },
    /// Threads could not be started.
    #[error("training.threads = {threads} could not be started: lower it")]
    Threads {
        /// Threads asked for.
        threads: u32,
        /// What the thread pool said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This program has no such network of its own.
    #[error(
        "this program has no network `{name}`; it has {known}: run the program that registers it (docs/own-model.md)"
    )]
    Unknown {
        /// The name in the manifest.
        name: String,
        /// The names that it has.
        known: String,
    },
    /// A program's own network does not take its settings, which it took when the plan was made.
    #[error("the network `{name}` refuses model.custom.settings")]
    Settings {
        /// Its name.
        name: String,
        /// What it says.
        source: FieldError,
    },
    /// A program's own network cannot compute with its tensors.
    #[error("the network `{name}` cannot be used")]
    Trial {
        /// Its name.
        name: String,
        /// What came of two inputs of ones.
        source: TrainError,
    },
    /// The initial parameters could not be put in place.
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
