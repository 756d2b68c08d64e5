//! What a manifest can be started with.

use fltorrent_crds::{
    data::DIGITS_TRAIN,
    family::{Family, Sketch, Variant},
    partition::Partition,
    topology::Topology,
};

use crate::arguments::{DataChoice, InitArguments, ModelChoice};

/// What the manifest will say.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) peers: u32,
    pub(super) topology: &'static Variant<Topology>,
    pub(super) model: ModelChoice,
    pub(super) data: DataChoice,
    pub(super) data_path: Option<String>,
    pub(super) partition: &'static Variant<Partition>,
    pub(super) rounds: u32,
}

impl Choices {
    /// What the flags say, and the defaults for the rest.
    pub(super) fn of(arguments: &InitArguments) -> Self {
        Self {
            peers: arguments.peers.unwrap_or(8),
            topology: arguments.topology.unwrap_or_else(|| named("ring")),
            model: arguments.model.unwrap_or(ModelChoice::Mlp),
            data: arguments.data.unwrap_or(match arguments.data_path {
                Some(_) => DataChoice::Idx,
                None => DataChoice::Digits,
            }),
            data_path: arguments.data_path.clone(),
            partition: arguments.partition.unwrap_or_else(|| named("dirichlet")),
            rounds: arguments.rounds.unwrap_or(10),
        }
    }
}

impl Choices {
    /// What is known before the manifest is written.
    pub(super) fn sketch(&self) -> Sketch {
        Sketch {
            peers: self.peers,
            is_table: false,
            samples: match self.data {
                DataChoice::Digits => Some(DIGITS_TRAIN),
                DataChoice::Idx => None,
            },
        }
    }
}

/// The variant of this name, or the first one.
fn named<F: Family>(name: &str) -> &'static Variant<F> {
    F::named(name).unwrap_or(&F::VARIANTS[0])
}
