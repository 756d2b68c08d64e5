//! The choice of the backend, and whether it can compute here.

use fltorrent_crds::plan::{Backend, ModelPlan, TensorPlan, TrainingPlan};

use super::{BackendError, Trainer, network::Network};

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
