//! What the operator says about an experiment: counts and figures, never a list of peers.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_PEERS;

/// Largest count: the largest whole number that every JSON reader keeps exactly.
const MAX_COUNT: u64 = crate::limits::MAX_SEED;
/// Longest text of a condition's message.
const MAX_MESSAGE: usize = 4096;
/// Longest word for a reason.
const MAX_REASON: usize = 64;
/// Longest text about missing peers.
const MAX_MISSING: usize = 128;
/// Longest text about who was waited for.
const MAX_BOTTLENECK: usize = 64;
/// Longest text of the last error.
const MAX_ERROR: usize = 1024;

/// What the operator knows of an experiment. What is not known yet is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_COUNT))]
    pub observed_generation: Option<i64>,
    /// What the experiment is doing, in a word; the conditions say more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Why it does not progress, in a word; a condition has the same word with a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_REASON))]
    pub reason: Option<String>,
    /// What is so, what is not, since when and why; one of each type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// How many peers there are, and what they are doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<PeerCounts>,
    /// How many rounds are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundCounts>,
    /// How the rounds of this attempt ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_ends: Option<RoundEnds>,
    /// The last round that lacks updates of peers, as `round 7: peers 3, 5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_MISSING))]
    pub missing: Option<String>,
    /// The last round in which most peers that waited did so for one peer, and for what, as `round 7: peer 3, training`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_BOTTLENECK))]
    pub bottleneck: Option<String>,
    /// Test accuracy of the newest model, with four digits after the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub accuracy: Option<String>,
    /// Test loss of the newest model, with four digits after the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub loss: Option<String>,
    /// Chunks that all peers together have received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Exchanged>,
    /// BLAKE3 hash of the final model, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub model: Option<String>,
    /// When the first pods were made; what makes the model cannot be changed from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub start_time: Option<Time>,
    /// When the experiment was complete or had failed, or its manifest was refused before there were pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub end_time: Option<Time>,
    /// Seconds from the start to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_COUNT))]
    pub duration_seconds: Option<u64>,
    /// Which attempt the pods belong to: 0 at first, one more with each restart and each resumption.
    #[schemars(range(max = u32::MAX))]
    pub attempt: u32,
    /// What is done with the pods of this attempt; the operator goes on from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Rounds of the checkpoint that this attempt began with; 0 is the start.
    #[schemars(range(max = 1_000_000))]
    pub resumed_after: u32,
    /// How many times all peers were restarted after a failure, of `spec.restarts`.
    #[schemars(range(max = 100))]
    pub restarts: u32,
    /// Peers of this attempt whose pods were replaced, or that are lost; the operator goes on from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "replaced")]
    pub replaced: Vec<ReplacedPeer>,
    /// What went wrong last; left out once it has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_ERROR))]
    pub last_error: Option<String>,
}

/// What an experiment is doing.
///
/// `Pending`: there are no pods; nobody has looked at it yet, or they cannot be made. `Starting`: pods are made, and not all peers are
/// ready. `Training`: all peers have been ready in this attempt, or a round was finished. `Paused`: fewer than `liveness.minPeers` are there, so
/// that no round closes until others are back. `Suspended`: its pods are taken away until `spec.suspend` is false.
/// `Complete` and `Failed` are ends: they stay, but for a manifest that was refused before there were pods, which can be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Phase {
    Pending,
    Starting,
    Training,
    Paused,
    Suspended,
    Complete,
    Failed,
}

impl Phase {
    /// Whether nothing changes any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}

/// What is done with an experiment's pods. A phase is what a user wants to know; this is what the operator has to, when it goes
/// on after a restart of its own.
///
/// `Draining`: pods of earlier attempts end. `Starting`: those of this attempt are created, which were not all there yet. `Running`: all of
/// them were created. `Suspended`: there are none. `Complete` and `Failed` are ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Stage {
    Draining,
    #[default]
    Starting,
    Running,
    Suspended,
    Complete,
    Failed,
}

/// A peer whose pod was replaced in this attempt, or that is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplacedPeer {
    /// The peer's index.
    #[schemars(range(max = 10_000))]
    pub peer: u32,
    /// Which of its pods counts: the first one is 0, each replacement is one more.
    #[schemars(range(max = u32::MAX))]
    pub incarnation: u32,
    /// What is done with that pod.
    pub state: ReplacedState,
    /// How many of `spec.restarts` it has used since it finished a round.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(max = 100))]
    pub used: u32,
    /// How many times in a row it was replaced since then, whatever for.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(max = u32::MAX))]
    pub row: u32,
    /// Rounds that it had reported when it was replaced last.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(max = 1_000_000))]
    pub round: u32,
    /// When it was replaced or lost; left out once it has finished a round again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub since: Option<Time>,
    /// Why, in a word.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = MAX_REASON))]
    pub reason: String,
}

/// What is done with the pod of a peer that was replaced.
///
/// `Replacing`: it is to be made. `Replaced`: it was made. `Lost`: the peer takes part in this attempt no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ReplacedState {
    #[default]
    Replacing,
    Replaced,
    Lost,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// There is a plan: the manifest means something; otherwise the message has all errors.
    Accepted,
    /// All peers' pods are there and ready.
    PeersReady,
    /// Peers train and swap chunks.
    Training,
    /// A peer is absent: it was replaced and is not back, or it is lost, or too few are there.
    Stalled,
    /// Too few peers take part for a round: they wait for others.
    Paused,
    /// All peers that are not lost have ended with a model.
    Complete,
    /// The experiment has ended without.
    Failed,
    /// The pods are taken away until `spec.suspend` is false.
    Suspended,
}

impl ConditionType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::PeersReady,
        Self::Training,
        Self::Stalled,
        Self::Paused,
        Self::Complete,
        Self::Failed,
        Self::Suspended,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::PeersReady => "PeersReady",
            Self::Training => "Training",
            Self::Stalled => "Stalled",
            Self::Paused => "Paused",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Suspended => "Suspended",
        }
    }
}

/// Numbers of peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerCounts {
    /// Peers of the plan.
    #[schemars(range(max = 10_000))]
    pub desired: u32,
    /// Peers whose pods are ready.
    #[schemars(range(max = 10_000))]
    pub ready: u32,
    /// Peers that have ended with a model.
    #[schemars(range(max = 10_000))]
    pub complete: u32,
    /// Peers that have ended without.
    #[schemars(range(max = 10_000))]
    pub failed: u32,
    /// Ready or complete peers of all, as `8/8`.
    #[schemars(length(max = 32))]
    pub text: String,
}

impl PeerCounts {
    /// The counts with their text.
    pub fn new(desired: u32, ready: u32, complete: u32, failed: u32) -> Self {
        let text = format!("{}/{desired}", ready.saturating_add(complete).min(desired));
        Self {
            desired,
            ready,
            complete,
            failed,
            text,
        }
    }
}

/// Numbers of rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RoundCounts {
    /// Rounds that all peers have completed which took part.
    #[schemars(range(max = 1_000_000))]
    pub done: u32,
    /// Rounds of the plan.
    #[schemars(range(max = 1_000_000))]
    pub total: u32,
    /// Both, as `4/10`.
    #[schemars(length(max = 32))]
    pub text: String,
}

impl RoundCounts {
    /// The counts with their text.
    pub fn new(done: u32, total: u32) -> Self {
        Self {
            done,
            total,
            text: format!("{done}/{total}"),
        }
    }
}

/// Numbers of rounds by what ended them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RoundEnds {
    /// Rounds with the updates of all peers.
    #[schemars(range(max = 1_000_000))]
    pub all: u32,
    /// Rounds that the peers which took part agreed to end without the others.
    #[schemars(range(max = 1_000_000))]
    pub quorum: u32,
    /// Rounds that had taken too long.
    #[schemars(range(max = 1_000_000))]
    pub deadline: u32,
    /// Rounds whose end is not signed by more than half of all peers.
    #[schemars(range(max = 1_000_000))]
    pub uncertified: u32,
}

impl RoundEnds {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            quorum: self.quorum.saturating_add(other.quorum),
            deadline: self.deadline.saturating_add(other.deadline),
            uncertified: self.uncertified.saturating_add(other.uncertified),
        }
    }

    /// Rounds that are counted.
    pub const fn known(self) -> u32 {
        self.all.saturating_add(self.degraded())
    }

    /// Rounds that did not wait for all peers.
    pub const fn degraded(self) -> u32 {
        self.quorum.saturating_add(self.deadline)
    }
}

/// How much was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Exchanged {
    /// Bytes.
    #[schemars(range(max = MAX_COUNT))]
    pub bytes: u64,
    /// The same to read, as `1.24 GiB`.
    #[schemars(length(max = 32))]
    pub text: String,
}

impl Exchanged {
    /// The count with its text.
    pub fn new(bytes: u64) -> Self {
        let bytes = bytes.min(MAX_COUNT);
        let mut amount = bytes as f64;
        let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
        let mut unit = "B";
        while amount >= 1024.0 {
            let Some(next) = units.next() else { break };
            (amount, unit) = (amount / 1024.0, next);
        }
        let text = match unit {
            "B" => format!("{bytes} B"),
            _ => format!("{amount:.2} {unit}"),
        };
        Self { bytes, text }
    }
}

/// A figure as the status shows it.
pub fn figure(value: f64) -> String {
    format!("{value:.4}")
}

impl ExperimentStatus {
    /// The condition of this type, if it is there.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == kind.as_str())
    }

    /// Whether the condition of this type is there and true.
    pub fn is(&self, kind: ConditionType) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == "True")
    }

    /// Says whether a condition holds and why: `reason` is a word in CamelCase, `message` a sentence, cut off after 4,096
    /// characters. The time of the last change stays when it held before as it does now.
    pub fn set(&mut self, kind: ConditionType, holds: bool, reason: &str, message: &str, now: &Time) {
        let status = if holds { "True" } else { "False" };
        let since = self
            .condition(kind)
            .filter(|condition| condition.status == status)
            .map_or(now, |condition| &condition.last_transition_time);
        let condition = Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: cut(message, MAX_MESSAGE),
            last_transition_time: since.clone(),
            observed_generation: self.observed_generation,
        };
        self.conditions.retain(|other| other.type_ != condition.type_);
        self.conditions.push(condition);
        let place = |condition: &Condition| {
            ConditionType::ALL
                .iter()
                .position(|kind| kind.as_str() == condition.type_)
        };
        self.conditions.sort_by_key(place);
    }

    /// A reason as it may be written here.
    pub fn word(reason: &str) -> String {
        cut(reason, MAX_REASON)
    }

    /// Says what went wrong, cut off after 1,024 characters.
    pub fn set_error(&mut self, error: &str) {
        self.last_error = Some(cut(error, MAX_ERROR));
    }

    /// Forgets what went wrong if it is what this message said.
    pub fn forget_error(&mut self, message: &str) {
        let said = cut(message, MAX_ERROR);
        self.last_error.take_if(|error| *error == said);
    }
}

/// At most so many characters of a text.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 64})
}

/// Peers that were replaced, written anew as a whole.
fn replaced(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_PEERS,
        "x-kubernetes-list-type": "atomic",
        "items": ReplacedPeer::json_schema(generator),
    })
}

/// Conditions as all of Kubernetes has them, merged by their type.
fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let time = time(generator);
    let types: Vec<&str> = ConditionType::ALL.iter().map(|kind| kind.as_str()).collect();
    json_schema!({
        "type": "array",
        "maxItems": ConditionType::ALL.len(),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "enum": types},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
                "message": {"type": "string", "maxLength": 4096},
                "lastTransitionTime": time,
                "observedGeneration": {"type": "integer", "minimum": 0, "maximum": MAX_COUNT},
            },
        },
    })
}
