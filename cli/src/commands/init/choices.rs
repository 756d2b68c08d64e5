//! What a manifest can be started with.

use fltorrent_crds::{
    data::Source,
    family::{Family, Sketch, Variant},
    model::Network,
    partition::Partition,
    topology::Topology,
};

use crate::arguments::{InitArguments, networks, startable};

/// The settings of a new manifest.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) peers: u32,
    pub(super) topology: &'static Variant<Topology>,
    pub(super) model: Network,
    pub(super) data: &'static Variant<Source>,
    pub(super) data_path: Option<String>,
    pub(super) partition: &'static Variant<Partition>,
    pub(super) rounds: u32,
}

impl Choices {
    /// The choices of the flags, and defaults for the rest.
    pub(super) fn of(arguments: &InitArguments) -> Self {
        let with_path = arguments.data_path.as_ref();
        let data = with_path.and_then(|_| startable::<Source>().find(|source| wants_path(source)));
        Self {
            peers: arguments.peers.unwrap_or(8),
            topology: arguments.topology.unwrap_or_else(|| named("ring")),
            model: arguments.model.clone().unwrap_or_else(|| networks()[0].2.clone()),
            data: arguments.data.or(data).unwrap_or_else(|| named("digits")),
            data_path: arguments.data_path.clone(),
            partition: arguments.partition.unwrap_or_else(|| named("dirichlet")),
            rounds: arguments.rounds.unwrap_or(10),
        }
    }

    /// The facts that examples of variants depend on.
    pub(super) fn sketch(&self) -> Sketch {
        Sketch {
            peers: self.peers,
            is_table: false,
            samples: self.source().and_then(|source| source.train_samples()),
        }
    }

    /// The data with its path.
    pub(super) fn source(&self) -> Option<Source> {
        let mut source = example(self.data, self.peers)?;
        if let Some(given) = &self.data_path {
            for (_, path) in source.paths() {
                path.clone_from(given);
            }
        }
        Some(source)
    }

    /// Whether it is open where the data is.
    pub(super) fn lacks_path(&self) -> bool {
        self.data_path.is_none() && wants_path(self.data)
    }
}

/// Whether the data is read from files.
pub(super) fn wants_path(data: &Variant<Source>) -> bool {
    example(data, 1).is_some_and(|mut source| !source.paths().is_empty())
}

fn example(data: &Variant<Source>, peers: u32) -> Option<Source> {
    (data.example)(&Sketch {
        peers,
        samples: None,
        is_table: false,
    })
}

/// The variant of this name, or the first one.
fn named<F: Family>(name: &str) -> &'static Variant<F> {
    F::named(name).unwrap_or(&F::VARIANTS[0])
}
