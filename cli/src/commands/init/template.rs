//! The manifest's text, with comments.

use fltorrent_crds::plan::DIGITS_TRAIN;

use super::choices::{Choices, DataChoice, ModelChoice, PartitionChoice, TopologyChoice};

/// A manifest for the choices.
pub(super) fn manifest(choices: &Choices, name: &str) -> String {
    let Choices { peers, rounds, .. } = choices;
    let (epochs, batch, rate) = training(choices);
    let name = scalar(name);
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
         # Who is whose neighbour.\n{}\n  \
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
         # rarestFirst, random or sequential.\n    \
         chunkSelection: rarestFirst\n",
        topology(choices),
        model(choices.model),
        data(choices),
    )
}

/// A text in YAML: a file may be called on.yaml, and that is no text without quotes.
pub(super) fn scalar(text: &str) -> String {
    let text = serde_saphyr::to_string(&text).unwrap_or_default();
    text.trim_end().to_owned()
}

/// Settings that are possible for the number of peers.
fn topology(choices: &Choices) -> String {
    let peers = choices.peers;
    let (name, settings) = match choices.topology {
        TopologyChoice::Ring => ("ring", String::new()),
        TopologyChoice::Star => (
            "star",
            "    star:\n      # The peer in the middle.\n      hub: 0\n".to_owned(),
        ),
        TopologyChoice::Mesh => ("mesh", String::new()),
        TopologyChoice::Tree => (
            "tree",
            "    tree:\n      # Children of a peer.\n      arity: 2\n".to_owned(),
        ),
        TopologyChoice::Torus => ("torus", String::new()),
        TopologyChoice::Exponential => ("exponential", String::new()),
        TopologyChoice::Hypercube => ("hypercube", String::new()),
        TopologyChoice::RandomRegular => (
            "randomRegular",
            format!(
                "    randomRegular:\n      # Neighbours of every peer.\n      degree: {}\n",
                regular_degree(peers)
            ),
        ),
        TopologyChoice::SmallWorld => (
            "smallWorld",
            format!(
                "    smallWorld:\n      # Neighbours of a peer before connections are moved; even.\n      degree: {}\n      \
                 # Share of the connections that are moved.\n      rewire: 0.1\n",
                if peers > 4 { 4 } else { 2 }
            ),
        ),
        TopologyChoice::ErdosRenyi => (
            "erdosRenyi",
            format!(
                "    erdosRenyi:\n      # Probability of every connection; below ln n ÷ n the graph is seldom connected.\n      \
                 probability: {}\n",
                probability(peers)
            ),
        ),
    };
    format!("  topology:\n    type: {name}\n{settings}")
}

/// Four neighbours, or as many as so few peers can have.
fn regular_degree(peers: u32) -> u32 {
    peers.saturating_sub(1).clamp(1, 4)
}

/// Twice the probability at which a random graph becomes connected, in hundredths.
fn probability(peers: u32) -> f64 {
    let n = f64::from(peers.max(1));
    (200.0 * n.ln() / n).ceil().clamp(1.0, 100.0) / 100.0
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
    let partition = match choices.partition {
        PartitionChoice::Iid => "      type: iid\n".to_owned(),
        PartitionChoice::Dirichlet => format!(
            "      type: dirichlet\n      dirichlet:\n        # Small is uneven, large is even.\n        alpha: 0.5\n        \
             # Samples that every peer has at least.\n        minSamples: {}\n",
            least_samples(choices)
        ),
    };
    format!("  data:\n{source}    partition:\n{partition}")
}

/// A tenth of an even share.
fn least_samples(choices: &Choices) -> u32 {
    match choices.data {
        DataChoice::Digits => (DIGITS_TRAIN / choices.peers.max(1) / 10).max(1),
        DataChoice::Idx => 10,
    }
}

/// Epochs, batch size and learning rate that suit the data.
fn training(choices: &Choices) -> (u32, u32, f64) {
    match choices.data {
        DataChoice::Digits => (3, (DIGITS_TRAIN / choices.peers.max(1)).clamp(1, 8), 0.3),
        DataChoice::Idx => (1, 64, 0.05),
    }
}
