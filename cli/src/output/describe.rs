//! What a plan will run, in the few words of a header.

use fltorrent_crds::{
    Experiment, Plan,
    experiment::TopologyType,
    plan::{Architecture, Backend, DataSource, Partition},
};
use serde::Serialize;

use crate::preflight::Samples;

/// What runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The experiment's name.
    pub name: String,
    /// Peers.
    pub peers: usize,
    /// How they are wired, for example `ring`.
    pub topology: String,
    /// Rounds.
    pub rounds: u32,
    /// The model, for example `mlp 64-64-10`.
    pub model: String,
    /// Its parameters.
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
    /// Where peers compute.
    pub backend: Backend,
}

/// Describes a plan; with the size of the data when that is known.
pub fn describe(experiment: &Experiment, plan: &Plan, samples: Option<Samples>) -> Description {
    Description {
        name: plan.name.clone(),
        peers: plan.peers.len(),
        topology: topology(experiment),
        rounds: plan.training.rounds,
        model: model(&plan.model.architecture),
        parameters: plan.model.parameters,
        chunks: plan.exchange.num_chunks,
        update_bytes: plan.model.bytes,
        data: data(plan),
        train_samples: samples.map(|samples| samples.train),
        test_samples: samples.map(|samples| samples.test),
        backend: plan.training.backend,
    }
}

fn model(architecture: &Architecture) -> String {
    match architecture {
        Architecture::Mlp { widths } => {
            let widths: Vec<String> = widths.iter().map(ToString::to_string).collect();
            format!("mlp {}", widths.join("-"))
        }
        Architecture::Lenet { .. } => "lenet".to_owned(),
        Architecture::Cnn { .. } => "cnn".to_owned(),
        Architecture::Resnet18 { groups, .. } => format!("resnet18, {groups} groups"),
        Architecture::Transformer {
            layers,
            heads,
            width,
            ..
        } => format!("transformer, layers {layers}, heads {heads}, width {width}"),
        Architecture::Custom { name, .. } => format!("custom {name}"),
    }
}

fn topology(experiment: &Experiment) -> String {
    let topology = &experiment.spec.topology;
    let name = topology.kind.name();
    let settings = match topology.kind {
        TopologyType::Star
        | TopologyType::Ring
        | TopologyType::Mesh
        | TopologyType::Exponential
        | TopologyType::Hypercube
        | TopologyType::Custom => None,
        TopologyType::Tree => topology.tree.map(|tree| tree.arity.to_string()),
        TopologyType::RandomRegular => topology
            .random_regular
            .map(|regular| regular.degree.to_string()),
        TopologyType::SmallWorld => topology
            .small_world
            .map(|small| format!("{}, {}", small.degree, small.rewire)),
        TopologyType::Torus => topology.torus.and_then(|torus| {
            let side =
                |side: Option<u32>| side.map_or_else(|| "auto".to_owned(), |n| n.to_string());
            (torus.rows.is_some() || torus.cols.is_some())
                .then(|| format!("{}×{}", side(torus.rows), side(torus.cols)))
        }),
        TopologyType::ErdosRenyi => topology
            .erdos_renyi
            .map(|erdos| erdos.probability.to_string()),
    };
    settings.map_or_else(|| name.to_owned(), |settings| format!("{name}({settings})"))
}

fn data(plan: &Plan) -> String {
    let source = match &plan.data.source {
        DataSource::Digits => "digits",
        DataSource::Idx { path, .. } => path,
        DataSource::Csv { train, .. } => &train.path,
        DataSource::Safetensors { train, .. } => train.path.trim_end_matches("/train.safetensors"),
        DataSource::Text { file, .. } => &file.path,
        DataSource::Custom { name, .. } => name,
    };
    match &plan.data.partition {
        Partition::Iid => format!("{source}, iid"),
        Partition::Dirichlet { alpha, .. } => format!("{source}, dirichlet({alpha})"),
        Partition::Explicit { .. } => format!("{source}, explicit shards"),
        Partition::Classes { per_peer } => format!("{source}, classes({per_peer})"),
        Partition::Shards { per_peer } => format!("{source}, shards({per_peer})"),
        Partition::Quantity { alpha, .. } => format!("{source}, quantity({alpha})"),
        Partition::Contiguous => format!("{source}, contiguous"),
    }
}
