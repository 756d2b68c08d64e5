//! The manifest's text, with comments.

use fltorrent_crds::{
    experiment::Exchange,
    family::{self, Family, Sketch, Variant},
    model::Network,
};
use fltorrent_swarm::{ChokePolicyKind, ChunkSelection};

use super::choices::Choices;

pub(super) fn manifest(choices: &Choices, name: &str) -> String {
    let Choices { peers, rounds, .. } = choices;
    let (epochs, batch, rate) = training(choices);
    let name = scalar(name);
    let names: Vec<&str> = ChunkSelection::ALL.iter().map(|rule| rule.name()).collect();
    let policies: Vec<&str> = ChokePolicyKind::ALL.iter().map(|policy| policy.name()).collect();
    format!(
        "# Created by `fltorrent init`. Check it: fltorrent plan FILE. Run it: fltorrent run FILE.\n\
         # Override any field for one run: --set training.rounds=20\n\
         apiVersion: fltorrent.io/v1alpha1\n\
         kind: FLTorrentExperiment\n\
         metadata:\n  name: {name}\n\
         spec:\n  \
         # Random seed: the same seed gives the same model, bit for bit.\n  \
         seed: 42\n\n  \
         # Peers, numbered from 0 across all groups.\n  \
         groups:\n    - name: peers\n      count: {peers}\n\n  \
         # Which peers are neighbours.\n  topology:\n{}\n  \
         # The model.\n  model:\n{}\n  \
         # The data, and how its training samples are divided among the peers.\n{}\n  \
         # Local training.\n  \
         training:\n    \
         # Each round: train, exchange updates, aggregate them.\n    \
         rounds: {rounds}\n    \
         # Passes over a peer's samples per round.\n    \
         epochs: {epochs}\n    \
         # Samples per step.\n    \
         batchSize: {batch}\n    \
         learningRate: {rate}\n\n  \
         # The exchange of chunks; what is left out follows from the model's size.\n  \
         exchange:\n    \
         # Neighbours that a peer serves at the same time.\n    \
         uploadSlots: {}\n    \
         # {}.\n    \
         chokePolicy: {}\n    \
         # {}.\n    \
         chunkSelection: {}\n",
        variant(choices.topology, &choices.sketch(), 4),
        family::yaml(&choices.model, 4).unwrap_or_default(),
        data(choices),
        Exchange::default().upload_slots,
        policies.join(", "),
        ChokePolicyKind::default().name(),
        names.join(", "),
        ChunkSelection::default().name(),
    )
}

/// A text in YAML: a file may be called on.yaml, and that is no text without quotes.
pub(super) fn scalar(text: &str) -> String {
    let text = serde_saphyr::to_string(&text).unwrap_or_default();
    text.trim_end().to_owned()
}

/// A variant with settings to start from.
fn variant<F: Family>(variant: &Variant<F>, sketch: &Sketch, indent: usize) -> String {
    let example = (variant.example)(sketch);
    // Where there are none, the plan says what is missing.
    let text = example.and_then(|choice| family::yaml(&choice, indent).ok());
    text.unwrap_or_else(|| format!("{:indent$}type: {}\n", "", variant.name))
}

fn data(choices: &Choices) -> String {
    let source = choices.source().and_then(|source| family::yaml(&source, 4).ok());
    let partition = variant(choices.partition, &choices.sketch(), 6);
    format!("  data:\n{}    partition:\n{partition}", source.unwrap_or_default())
}

/// Epochs, batch size and learning rate that suit the data and the network.
fn training(choices: &Choices) -> (u32, u32, f64) {
    match (choices.sketch().samples, &choices.model) {
        (Some(samples), Network::Mlp(_)) => (3, (samples / choices.peers.max(1)).clamp(1, 8), 0.3),
        (Some(samples), _) => (3, (samples / choices.peers.max(1)).clamp(1, 8), 0.05),
        (None, _) => (1, 64, 0.05),
    }
}
