//! How a peer's process ended, as it says itself: the message that a container leaves when it terminates. A coordinator that was away to
//! the end reads there what no report could tell it any more.

use fltorrent_records::{
    report::{ModelHash, ReportError, RoundReport},
    verdict::Verdict,
};
use serde::{Deserialize, Serialize};

/// The most bytes that are read: more of a container's termination message is never kept.
pub const MAX_ENDING_BYTES: usize = 4096;
/// A message has fewer bytes than this. Of all containers of a pod 12 KiB are kept together, so that beside up to five sidecars none of
/// it is cut away, which would leave no ending at all.
pub const ENDING_BYTES: usize = 2048;

/// Why a message is no ending.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum EndingError {
    #[error("the termination message has {found} bytes; at most {MAX_ENDING_BYTES} are read")]
    TooLarge { found: usize },
    #[error("the termination message is not that of a peer: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the termination message has a last round that cannot be")]
    Report(#[from] ReportError),
}

/// The outcome of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndState {
    /// All rounds are over, here and at the neighbours.
    Completed,
    /// So they are, earlier than planned, since a rule of early stop was met.
    Converged,
    /// Terminated by SIGTERM or SIGINT before it had finished.
    Stopped,
    /// Ended by an error.
    Failed,
    /// Gone as the manifest says (`churn`): it does not come back.
    Left,
    /// Another process has taken the place of this one.
    Superseded,
}

/// How a peer's process ended. Fields that are not known are passed over, so that an older coordinator reads a newer peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// The outcome.
    pub state: EndState,
    /// The version of the program.
    pub version: String,
    /// The peer's index, as far as it knew it.
    pub peer: Option<u32>,
    /// The peer's attempt, likewise.
    pub attempt: Option<u32>,
    /// The number of the process among those of the peer in the attempt, likewise.
    #[serde(default)]
    pub incarnation: Option<u32>,
    /// True for a peer that failed since the run is over or cannot go on.
    #[serde(default)]
    pub is_final: bool,
    /// Finished rounds, including those before a checkpoint that it resumed from.
    pub rounds: u32,
    /// Rounds of the plan; 0 when there was none.
    pub rounds_planned: u32,
    /// Accuracy on this peer's part of the test split after the last round, in [0, 1].
    pub accuracy: Option<f64>,
    /// Mean loss over that part.
    pub loss: Option<f64>,
    /// The model after the last round.
    pub model_hash: Option<ModelHash>,
    /// Payload bytes sent to neighbours by this process.
    pub bytes_sent: u64,
    /// Payload bytes received from neighbours by this process.
    pub bytes_received: u64,
    /// Finished rounds of the checkpoints to resume from, the newest first.
    pub checkpoints: Vec<u32>,
    /// The neighbour whose end or fault ended this peer's run, when that was the cause.
    pub blames: Option<u32>,
    /// Why no model of the run counts, when that was the cause. Accuracy, loss and model are absent then.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// The error with its causes, as far as there is room.
    pub error: Option<String>,
    /// The last round that this process finished, as it was reported: the coordinator may not have got it.
    pub last_round: Option<RoundReport>,
}

impl Ending {
    /// An ending of which nothing more is known.
    pub fn new(state: EndState, version: &str) -> Self {
        Self {
            state,
            version: version.to_owned(),
            peer: None,
            attempt: None,
            incarnation: None,
            is_final: false,
            rounds: 0,
            rounds_planned: 0,
            accuracy: None,
            loss: None,
            model_hash: None,
            bytes_sent: 0,
            bytes_received: 0,
            checkpoints: Vec::new(),
            blames: None,
            verdict: None,
            error: None,
            last_round: None,
        }
    }

    /// Counts a finished round.
    pub fn finished(&mut self, report: &RoundReport) {
        let evaluation = &report.evaluation;
        let share = |sum: f64| (evaluation.total > 0).then(|| sum / evaluation.total as f64);
        self.rounds = report.round + 1;
        self.accuracy = share(evaluation.correct as f64);
        self.loss = evaluation.loss_sum.and_then(share);
        self.model_hash = Some(report.model_hash);
        self.bytes_sent = self.bytes_sent.saturating_add(report.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(report.bytes_received);
        self.last_round = Some(*report);
    }

    /// Members' signatures prove that the run cannot go on: the model of an earlier round does not pass for its result.
    pub fn convict(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
        self.model_hash = None;
        self.accuracy = None;
        self.loss = None;
    }

    /// Whether another process in this one's place would be of no use.
    pub const fn is_of_no_use(&self) -> bool {
        self.is_final || matches!(self.state, EndState::Left | EndState::Superseded)
    }

    /// The message: JSON of fewer than [`ENDING_BYTES`] bytes; the error is cut until it fits.
    pub fn to_message(&self) -> String {
        let mut ending = self.clone();
        loop {
            // Texts and finite numbers, which JSON can always say.
            let message = serde_json::to_string(&ending).unwrap_or_default();
            let excess = (message.len() + 1).saturating_sub(ENDING_BYTES);
            let Some(error) = ending.error.as_mut().filter(|_| excess > 0) else {
                return message;
            };
            // One character has up to six bytes in JSON. What is cut away first may be shorter than it looks.
            let keep = error.chars().count().saturating_sub(excess.div_ceil(6) + 1);
            *error = error.chars().take(keep).collect();
            if keep == 0 {
                ending.error = None;
            }
        }
    }

    /// Reads what [`to_message`](Self::to_message) wrote.
    ///
    /// # Errors
    /// When the text is too long or no ending.
    pub fn from_message(message: &str) -> Result<Self, EndingError> {
        if message.len() > MAX_ENDING_BYTES {
            return Err(EndingError::TooLarge { found: message.len() });
        }
        let ending: Self = serde_json::from_str(message)?;
        if let Some(report) = &ending.last_round {
            report.check()?;
        }
        Ok(ending)
    }
}
