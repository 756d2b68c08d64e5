//! Networks that a program brings itself: from their plain interface to the trainer's.

mod guard;

use std::{collections::BTreeMap, marker::PhantomData, sync::OnceLock};

use burn::tensor::Tensor;
use fltorrent_crds::{
    FieldError,
    catalogue::Task,
    model::{Architecture, CustomPlan},
    plan::{ModelPlan, TensorPlan, TrainingPlan},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::guard::Guarded;
use super::{
    BackendError, TrainError, Trainer, backend,
    layers::LayerBackend,
    network::{Network, Parameters},
};
use crate::{
    data::{Inputs, Samples},
    guard as code,
};

/// A network that a program brings itself. It has no state but its settings: the trainer keeps the parameters.
///
/// Its results have to follow from its arguments alone, so that all peers and machines have the same model.
pub trait OwnNetwork: Sized + Send + Sync + 'static {
    /// The type of the manifest's `model.custom.settings`; refuse unknown fields (serde's `deny_unknown_fields`), or a
    /// misspelt one is ignored.
    type Settings: DeserializeOwned;

    /// Most samples that are evaluated at once, at least 1; it bounds the memory of their activations.
    const EVALUATION_BATCH: usize = 256;

    /// Makes the network for a task.
    ///
    /// # Errors
    /// Settings that cannot be used, with the path below the settings, or a task that the network does not fit.
    fn new(settings: Self::Settings, task: &Task) -> Result<Self, FieldError>;

    /// Its tensors in declared order, with the names and shapes that the model file shall have.
    fn tensors(&self) -> Vec<TensorPlan>;

    /// Logits `[batch · targets, classes]`, sample after sample, of inputs `[batch, values of an input]`. It takes the
    /// parameters one by one in declared order, all of them.
    fn logits<B: LayerBackend>(&self, parameters: &mut Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2>;
}

/// Networks that a program brings itself, by name.
pub(crate) type Networks = BTreeMap<&'static str, Box<dyn AnyNetwork>>;

/// Those of this program.
pub(crate) static NETWORKS: OnceLock<Networks> = OnceLock::new();

pub(crate) fn networks() -> &'static Networks {
    NETWORKS.get_or_init(Networks::default)
}

/// A network of some type, by its name in the program.
pub(crate) trait AnyNetwork: Send + Sync {
    fn tensors(&self, settings: &Map<String, Value>, task: &Task) -> Result<Vec<TensorPlan>, FieldError>;

    fn trainer(&self, order: Order<'_>) -> Result<Box<dyn Trainer>, BackendError>;
}

/// The arguments of a trainer.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    name: &'a str,
    pub(super) settings: &'a Map<String, Value>,
    pub(super) task: &'a Task,
    pub(super) model: &'a ModelPlan,
    training: &'a TrainingPlan,
    pub(super) seed: u64,
    pub(super) peer: u32,
}

pub(crate) struct Registered<N>(PhantomData<fn() -> N>);

impl<N> Registered<N> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<N: OwnNetwork> AnyNetwork for Registered<N> {
    fn tensors(&self, settings: &Map<String, Value>, task: &Task) -> Result<Vec<TensorPlan>, FieldError> {
        Ok(N::new(code::settings(settings)?, task)?.tensors())
    }

    fn trainer(&self, order: Order<'_>) -> Result<Box<dyn Trainer>, BackendError> {
        let network = code::settings(order.settings)
            .and_then(|settings| N::new(settings, order.task))
            .map_err(|source| BackendError::Settings {
                name: order.name.to_owned(),
                source,
            })?;
        backend::check_tensors(order.model, &network.tensors())?;
        let network = Adapted {
            network,
            targets: order.task.targets as usize,
            classes: order.task.classes as usize,
        };
        backend::build(network, order.model, order.training, order.seed, order.peer)
    }
}

/// The trainer of one of the program's networks, whose panics are errors.
pub(super) fn trainer(
    name: &str,
    settings: &Map<String, Value>,
    task: &Task,
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Result<Box<dyn Trainer>, BackendError> {
    let Some(network) = super::network(name) else {
        return Err(BackendError::Unknown {
            name: name.to_owned(),
            known: code::names(networks()),
        });
    };
    let order = Order {
        name,
        settings,
        task,
        model,
        training,
        seed,
        peer,
    };
    let failed = |source| BackendError::Trial {
        name: name.to_owned(),
        source: guard::error(name, source),
    };
    let inner = code::guard(|| network.trainer(order)).map_err(failed)??;
    Ok(Box::new(Guarded::new(name, inner)))
}

/// Lets one of the program's networks, and no other, compute the logits of two inputs of ones, so that what it does not do
/// as it says is noticed before anything starts.
pub(super) fn try_out(trainer: &mut dyn Trainer, architecture: &Architecture) -> Result<(), BackendError> {
    let Architecture::Custom(CustomPlan { name, .. }) = architecture else {
        return Ok(());
    };
    const SAMPLES: usize = 2;
    let (input_len, targets) = (architecture.input_len() as usize, architecture.targets() as usize);
    let samples = Samples::new(
        Inputs::Tokens(vec![1; SAMPLES * input_len]),
        vec![0; SAMPLES * targets],
        targets,
        input_len,
        architecture.classes(),
    );
    match trainer.evaluate(&samples) {
        // Such inputs need not make sense to it.
        Ok(_) | Err(TrainError::EvaluationDiverged { .. }) => Ok(()),
        Err(source) => Err(BackendError::Trial {
            name: name.clone(),
            source,
        }),
    }
}

/// A network as the trainer wants it.
struct Adapted<N> {
    network: N,
    targets: usize,
    classes: usize,
}

impl<N: OwnNetwork> Network for Adapted<N> {
    const EVALUATION_BATCH: usize = {
        assert!(N::EVALUATION_BATCH > 0, "a batch has a sample at least");
        N::EVALUATION_BATCH
    };

    fn logits<B: LayerBackend>(&self, mut parameters: Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let [batch, _] = inputs.dims();
        let logits = self.network.logits(&mut parameters, inputs);
        let left = parameters.left();
        assert!(left == 0, "logits() took all tensors but the last {left}");
        let (found, expected) = (logits.dims(), [batch * self.targets, self.classes]);
        assert!(
            found == expected,
            "logits() gave {found:?} for a batch of {batch}; expected {expected:?}"
        );
        logits.transpose()
    }
}
