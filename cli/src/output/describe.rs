//! What a plan will run, in the few words of a header.

use fltorrent_crds::{Experiment, Plan, family::Family, plan::Backend};
use serde::Serialize;

use crate::preflight::Samples;

/// A run in the words of a header.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The experiment's name.
    pub name: String,
    /// Peers.
    pub peers: usize,
    /// The topology, for example `ring`.
    pub topology: String,
    /// Rounds.
    pub rounds: u32,
    /// The model, for example `mlp 64-64-10`.
    pub model: String,
    /// Parameters of the model.
    pub parameters: u64,
    /// Chunks of an update.
    pub chunks: u32,
    /// Bytes of an update.
    pub update_bytes: u64,
    /// The data and its division, for example `digits, dirichlet(0.5)`.
    pub data: String,
    /// Training samples of all peers, when the data was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_samples: Option<usize>,
    /// Test samples, when the data was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_samples: Option<usize>,
    /// The compute backend.
    pub backend: Backend,
}

/// Describes a plan; with the size of the data when that is known.
pub fn describe(experiment: &Experiment, plan: &Plan, samples: Option<Samples>) -> Description {
    Description {
        name: plan.name.clone(),
        peers: plan.peers.len(),
        topology: experiment.spec.topology.wiring.describe(),
        rounds: plan.training.rounds,
        model: plan.model.architecture.brief(),
        parameters: plan.model.parameters,
        chunks: plan.exchange.num_chunks,
        update_bytes: plan.model.bytes,
        data: data(plan),
        train_samples: samples.map(|samples| samples.train),
        test_samples: samples.map(|samples| samples.test),
        backend: plan.training.backend,
    }
}

fn data(plan: &Plan) -> String {
    format!("{}, {}", plan.data.source.brief(), plan.data.partition.describe())
}
