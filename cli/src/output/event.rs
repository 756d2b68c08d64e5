//! Events of a run, as `--output json` writes them: one object a line, told apart by `event`.

use std::path::Path;

use fltorrent_crds::{FieldError, plan::Warning};
use fltorrent_records::{bottleneck::WaitedFor, classes::ClassFigures, progress::RoundSummary, report::ModelHash};
use serde::{Serialize, Serializer};

use super::Description;
use crate::launcher::{PeerLoss, PeerRestart, RoundFigures};

/// One event.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event<'a> {
    /// The start takes a while; for people only.
    Starting {
        /// Peers that listen.
        ready: usize,
        /// All peers.
        peers: usize,
    },
    /// The processes are being started.
    Started(Started<'a>),
    /// A peer's process has died, and another one takes its place.
    Restarted(&'a PeerRestart),
    /// A peer has ended before the run.
    Lost(&'a PeerLoss),
    /// Everybody who is there has reported a round and those before it.
    Round {
        /// Rounds of the run.
        rounds: u32,
        /// Peers of the run; the figures say how many of them have reported it.
        #[serde(skip)]
        peers: usize,
        /// The round's figures.
        #[serde(flatten)]
        summary: &'a RoundSummary,
    },
    /// The run is complete.
    Finished(&'a Summary),
    /// The run has ended before its end, or did not start.
    Failed(Failed<'a>),
}

impl Event<'_> {
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Failed(_))
    }
}

/// A run begins.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Started<'a> {
    /// The run's id, 32 hex digits.
    pub run: String,
    /// The results folder.
    #[serde(serialize_with = "path")]
    pub results: &'a Path,
    /// The run.
    #[serde(flatten)]
    pub description: &'a Description,
    /// Finished rounds after which the run resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<u32>,
    /// Warnings of the plan and the data.
    pub warnings: &'a [Warning],
}

/// A run has failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed<'a> {
    /// The error with its causes and a remedy.
    pub error: String,
    /// Wrong fields of the manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field<'a>>,
    /// The exit code that follows.
    pub exit_code: u8,
    /// The progress of the run; none if it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<&'a Summary>,
}

/// A wrong field of the manifest.
#[derive(Debug, Serialize)]
pub struct Field<'a> {
    /// The field's path.
    pub path: &'a str,
    /// The value found.
    pub found: &'a str,
    /// The values allowed.
    pub expected: &'a str,
}

impl<'a> From<&'a FieldError> for Field<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self {
            path: &error.path,
            found: &error.found,
            expected: &error.expected,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// All rounds that the manifest asks for, on all peers.
    Completed,
    /// It ended before its last round, since `training.earlyStop` was met.
    Converged,
    /// Its user ended it.
    Stopped,
    /// Something went wrong.
    Failed,
}

/// A run that has ended: the file `summary.json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The outcome.
    pub outcome: Outcome,
    /// The error, if the run was stopped or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The rule of early stopping that was met, if it converged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The command that resumes it, if it was stopped or failed and every peer has a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Finished rounds after which it resumed the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<u32>,
    /// The experiment's name.
    pub name: String,
    /// The run's id; none when nothing was started.
    pub run: Option<String>,
    /// The version of this program.
    pub version: &'static str,
    /// When the launcher began, UTC, RFC 3339.
    pub started: String,
    /// The results folder.
    pub results: String,
    /// The page about the run, once it is made; `summary.json` is written before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Seconds from the launcher's beginning to the end.
    pub wall_seconds: f64,
    /// Seconds from the launcher's beginning until the last peer trained.
    pub startup_seconds: Option<f64>,
    /// Test accuracy of the last finished round's model, in [0, 1].
    pub accuracy: Option<f64>,
    /// Test samples that this is over: of all peers, or of the one that was started individually.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_samples: Option<u64>,
    /// The peer whose part of the test samples these are, when it is that of one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_of_peer: Option<u32>,
    /// Accuracy by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassFigures>,
    /// Mean loss of that model on the test samples.
    pub loss: Option<f64>,
    /// Hash of that model; none if the run failed.
    pub model_hash: Option<ModelHash>,
    /// Largest resident set of any peer, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Peers that ended before the run, which went on without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<PeerLoss>,
    /// Finished rounds that lack the update of a peer, or a part of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub degraded_rounds: usize,
    /// Rounds of which no more than half of all peers have signed that they ended them alike, as far as finished rounds after them tell.
    #[serde(skip_serializing_if = "is_zero")]
    pub uncertified_rounds: usize,
    /// For whom the peers waited last in a round, and in how many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waited_for: Vec<WaitedFor>,
    /// Finished rounds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<RoundFigures>,
    /// The peers in index order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerSummary>,
}

/// How one peer ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerSummary {
    /// Index in the plan.
    pub index: u32,
    /// Rounds that it finished.
    pub rounds: u32,
    /// Exit status of its last process, as the system describes it.
    pub exit: String,
    /// How many times it was restarted after its process had died.
    #[serde(skip_serializing_if = "is_zero")]
    pub restarts: u32,
}

fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}

fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
