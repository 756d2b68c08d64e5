//! The manifest's text, with comments.

use fltorrent_crds::{
    data::DIGITS_TRAIN,
    family::{self, Family, Sketch, Variant},
};
use fltorrent_swarm::ChunkSelection;

use super::choices::Choices;
use crate::arguments::{DataChoice, ModelChoice};

/// A manifest for the choices.
pub(super) fn manifest(choices: &Choices, name: &str) -> String {
    let Choices { peers, rounds, .. } = choices;
    let (epochs, batch, rate) = training(choices);
    let name = scalar(name);
    let names: Vec<&str> = ChunkSelection::ALL.iter().map(|rule| rule.name()).collect();
    format!(
        "# Made by `fltorrent init`. Check it: fltorrent plan FILE. Run it: fltorrent run FILE.\n\
         # Every field can be changed for one run: --set training.rounds=20\n\
         apiVersion: fltorrent.io/v1alpha1\n\
         kind: FLTorrentExperiment\n\
         metadata:\n  name: {name}\n\
         spec:\n  \
         # Everything random follows from this number: the same seed gives the same model, to the last bit.\n  \
         seed: 42\n\n  \
         # Who takes part; peers are numbered from 0 through all groups.\n  \
         groups:\n    - name: peers\n      count: {peers}\n\n  \
         # Who is whose neighbour.\n  topology:\n{}\n  \
         # What every peer trains; the first and the last width follow from the data.\n{}\n  \
         # What they learn from, and how the training samples are divided among them.\n{}\n  \
         # How each peer trains between two exchanges.\n  \
         training:\n    \
         # Each round: train, swap updates, combine them.\n    \
         rounds: {rounds}\n    \
         # Passes over a peer's own samples in a round.\n    \
         epochs: {epochs}\n    \
         # Samples of one step.\n    \
         batchSize: {batch}\n    \
         learningRate: {rate}\n\n  \
         # How chunks are swapped; what is left out is chosen from the model's size.\n  \
         exchange:\n    \
         # Neighbours that a peer serves at once.\n    \
         uploadSlots: 8\n    \
         # {}.\n    \
         chunkSelection: {}\n",
        variant(choices.topology, &choices.sketch(), 4),
        model(choices.model),
        data(choices),
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

fn model(model: ModelChoice) -> String {
    let hidden = match model {
        ModelChoice::Mlp => "[64]",
        ModelChoice::Linear => "[]",
    };
    format!(
        "  model:\n    type: mlp\n    mlp:\n      # Widths of the hidden layers; none at all is a linear model.\n      \
         hidden: {hidden}\n"
    )
}

fn data(choices: &Choices) -> String {
    let source = match choices.data {
        DataChoice::Digits => "    type: digits\n".to_owned(),
        DataChoice::Idx => {
            let path = choices.data_path.as_deref().unwrap_or_default();
            format!(
                "    type: idx\n    idx:\n      path: {}\n      inputShape: [28, 28]\n      classes: 10\n",
                // A text of JSON is one of YAML, whatever is in it.
                serde_json::Value::from(path)
            )
        }
    };
    let partition = variant(choices.partition, &choices.sketch(), 6);
    format!("  data:\n{source}    partition:\n{partition}")
}

/// Epochs, batch size and learning rate that suit the data.
fn training(choices: &Choices) -> (u32, u32, f64) {
    match choices.data {
        DataChoice::Digits => (3, (DIGITS_TRAIN / choices.peers.max(1)).clamp(1, 8), 0.3),
        DataChoice::Idx => (1, 64, 0.05),
    }
}
