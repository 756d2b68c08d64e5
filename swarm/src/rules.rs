//! The rules of a manifest for the loss of peers, and for the end of a round.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of the run when a peer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "a described variant would turn the schema into a oneOf")]
pub enum OnPeerLoss {
    #[default]
    Continue,
    Fail,
}

/// How long a round waits for peers that take part but do not complete it, or a peer for its own training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deadline {
    /// It follows from earlier rounds.
    #[default]
    Auto,
    /// As long as it takes.
    None,
    /// So long from the beginning of the round, or from the last sign of progress.
    After(Duration),
}

/// When a round may close that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundRules {
    /// Peers whose updates have to be there, ≥ 1.
    pub quorum: u32,
    /// How long nothing new has to have come.
    pub patience: Duration,
    /// When it closes with what is there.
    pub deadline: Deadline,
}
