//! What a manifest can be started with.

use clap::ValueEnum;

use crate::arguments::InitArguments;

/// What the manifest will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) peers: u32,
    pub(super) topology: TopologyChoice,
    pub(super) model: ModelChoice,
    pub(super) data: DataChoice,
    pub(super) data_path: Option<String>,
    pub(super) partition: PartitionChoice,
    pub(super) rounds: u32,
}

impl Choices {
    /// What the flags say, and the defaults for the rest.
    pub(super) fn of(arguments: &InitArguments) -> Self {
        Self {
            peers: arguments.peers.unwrap_or(8),
            topology: arguments.topology.unwrap_or(TopologyChoice::Ring),
            model: arguments.model.unwrap_or(ModelChoice::Mlp),
            data: arguments.data.unwrap_or(match arguments.data_path {
                Some(_) => DataChoice::Idx,
                None => DataChoice::Digits,
            }),
            data_path: arguments.data_path.clone(),
            partition: arguments.partition.unwrap_or(PartitionChoice::Dirichlet),
            rounds: arguments.rounds.unwrap_or(10),
        }
    }
}

/// Wirings that need no list of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum TopologyChoice {
    /// Everyone has two neighbours
    Ring,
    /// One peer in the middle
    Star,
    /// Everyone with everyone
    Mesh,
    /// A binary tree
    Tree,
    /// A grid whose rows and columns are rings
    Torus,
    /// The same number of random neighbours each; good for many peers
    RandomRegular,
    /// A ring with some short cuts
    SmallWorld,
    /// Neighbours at distances 1, 2, 4, 8, … on a ring
    Exponential,
    /// Every connection with the same probability
    ErdosRenyi,
    /// Neighbours differ in one bit; a power of two peers
    Hypercube,
}

/// Models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelChoice {
    /// One hidden layer
    Mlp,
    /// No hidden layer
    Linear,
}

/// Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataChoice {
    /// Handwritten digits that ship with FLTorrent
    Digits,
    /// A folder of IDX files, such as MNIST or Fashion-MNIST
    Idx,
}

/// Divisions of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartitionChoice {
    /// Everyone has some of everything
    Iid,
    /// Unevenly, as in real federations
    Dirichlet,
}
