//! Where the peers of an experiment on several machines are: the file that every machine gets a copy of.
//!
//! Two forms are read, both as YAML or JSON. Ours has `peers`; the other one has `nodes`, and what users of mesh clients
//! in that form have written is taken as it is.
//!
//! ```yaml
//! peers:                                nodes:
//!   - index: 0                            - id: 0
//!     address: node0.example.org:8888       host: 192.168.1.100
//!     bind: "[::]:8888"                     port: 8888
//! ```

mod form;
mod resolve;

use std::net::SocketAddr;

use serde_json::Value;

use crate::{
    Errors, FieldError, PeerAddress, Plan,
    errors::quote,
    manifest::{self, MAX_BYTES},
};

/// Where the peers are, and what else the file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Nodes {
    /// One entry a peer, in index order.
    pub peers: Vec<Node>,
    /// The run's attempt, when the file says it.
    pub attempt: Option<u32>,
    /// The certificate of the experiment's authority (PEM), when the file has it.
    pub authority: Option<String>,
    /// Training settings beside the addresses; they must be those of the manifest.
    pub training: NodesTraining,
}

/// Where one peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where others reach it.
    pub address: PeerAddress,
    /// Where it listens; none: at every address of its machine, at the port of `address`.
    pub bind: Option<SocketAddr>,
}

/// The training block of a nodes file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodesTraining {
    /// `training.rounds` of the manifest.
    pub rounds: Option<u32>,
    /// `training.batchSize` of the manifest.
    pub batch_size: Option<u32>,
    /// `training.learningRate` of the manifest.
    pub learning_rate: Option<f64>,
}

impl Nodes {
    /// Reads either form, of at most [`MAX_BYTES`] bytes.
    ///
    /// # Errors
    /// Everything that is wrong with the text, each with the path of its field.
    pub fn parse(text: &str) -> Result<Self, Errors> {
        if text.len() > MAX_BYTES {
            return Err(Errors::one(FieldError::new(
                "",
                format!("the text has {} bytes", text.len()),
                format!("a nodes file has at most {MAX_BYTES}"),
            )));
        }
        let document = manifest::yaml(text).map_err(Errors::one)?;
        let Value::Object(fields) = &document else {
            return Err(no_form("the file has no fields"));
        };
        match (fields.contains_key("peers"), fields.contains_key("nodes")) {
            (true, true) => Err(no_form("the file has both peers and nodes")),
            (false, false) => Err(no_form("the file has neither peers nor nodes")),
            (true, false) => resolve::peers(form::checked(&form::PEERS, document)?),
            (false, true) => resolve::nodes(form::checked(&form::NODES, document)?),
        }
    }

    /// Compares the file with the plan that it is used with.
    ///
    /// # Errors
    /// When the peers are not as many, or a training setting differs; each error has both values.
    pub fn check(&self, plan: &Plan) -> Result<(), Errors> {
        let mut errors = Vec::new();
        if self.peers.len() != plan.peers.len() {
            errors.push(FieldError::new(
                "",
                format!(
                    "the file has {} peers, the manifest has {}",
                    self.peers.len(),
                    plan.peers.len()
                ),
                "give every peer of the manifest one entry, or correct the manifest's groups",
            ));
        }
        let (own, training) = (self.training, &plan.training);
        let mut compare = |name: &str, field: &str, own: Option<f64>, plan: f64| {
            if let Some(own) = own.filter(|own| *own != plan) {
                errors.push(FieldError::new(
                    format!("training.{name}"),
                    format!("{own} here, but the manifest's training.{field} is {plan}"),
                    "remove it here, or give both the same value",
                ));
            }
        };
        compare("rounds", "rounds", own.rounds.map(f64::from), training.rounds.into());
        compare(
            "batch_size",
            "batchSize",
            own.batch_size.map(f64::from),
            training.batch_size.into(),
        );
        compare(
            "learning_rate",
            "learningRate",
            own.learning_rate,
            training.learning_rate,
        );
        Errors::or(errors, ())
    }

    /// The manifest of a nodes file that comes without one: an honest mesh with as many peers, an MLP 784-128-10 on
    /// data of MNIST's form in `./data`, 50 rounds, batches of 64, learning rate 0.05, unless the file says otherwise.
    pub fn default_manifest(&self) -> String {
        let NodesTraining {
            rounds,
            batch_size,
            learning_rate,
        } = self.training;
        format!(
            "apiVersion: fltorrent.io/v1alpha1\n\
             kind: FLTorrentExperiment\n\
             metadata: {{name: nodes}}\n\
             spec:\n  \
               seed: 0\n  \
               groups: [{{name: nodes, count: {}}}]\n  \
               topology: {{type: mesh}}\n  \
               model: {{type: mlp, mlp: {{hidden: [128]}}}}\n  \
               data: {{type: idx, idx: {{path: ./data}}}}\n  \
               training: {{rounds: {}, batchSize: {}, learningRate: {:?}}}\n",
            self.peers.len(),
            rounds.unwrap_or(50),
            batch_size.unwrap_or(64),
            learning_rate.unwrap_or(0.05),
        )
    }
}

/// The error about a text that is none of the two forms.
fn no_form(found: &str) -> Errors {
    Errors::one(FieldError::new(
        "",
        quote(found).trim_matches('`').to_owned(),
        "write `peers:` with index and address of each peer, or `nodes:` with id, host and port of each",
    ))
}
