//! How a run begins, what it keeps, and when it ends early.

use serde::{Deserialize, Serialize};

use crate::{
    experiment::{Checkpoint, CheckpointType, EarlyStop, Model},
    findings::Findings,
};

/// When a run ends before its last round; at least one of the first two is there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlyStopPlan {
    /// Accuracy on the test split, 0..=1, at which the run ends.
    pub target_accuracy: Option<f64>,
    /// Rounds in a row without a better accuracy after which the run ends, ≥ 1.
    pub patience: Option<u32>,
    /// By more than this an accuracy must pass the best so far to be better, 0..=1.
    pub min_delta: f64,
}

/// Where the first model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitFromPlan {
    /// A safetensors file; not part of [`super::Plan::hash`], since it may differ by machine.
    pub path: String,
    /// SHA-256 of the file, 64 hex digits in lower case.
    pub sha256: Option<String>,
}

/// Rounds from one checkpoint to the next; none without checkpoints.
pub(super) fn checkpoint_every(checkpoint: &Checkpoint) -> Option<u32> {
    match checkpoint.kind {
        CheckpointType::None => None,
        CheckpointType::Periodic => Some(checkpoint.periodic.unwrap_or_default().every_rounds),
    }
}

pub(super) fn early_stop(stop: Option<&EarlyStop>, findings: &mut Findings) -> Option<EarlyStopPlan> {
    let stop = stop?;
    if stop.target_accuracy.is_none() && stop.patience.is_none() {
        findings.error(
            "training.earlyStop",
            "has no rule",
            "write targetAccuracy, patience or both, or remove it",
        );
    } else if stop.min_delta.is_some() && stop.patience.is_none() {
        findings.error(
            "training.earlyStop.minDelta",
            "is there without patience",
            "write patience, or remove it",
        );
    }
    Some(EarlyStopPlan {
        target_accuracy: stop.target_accuracy,
        patience: stop.patience,
        min_delta: stop.min_delta.unwrap_or(0.0),
    })
}

pub(super) fn init_from(model: &Model) -> Option<InitFromPlan> {
    model.init_from.as_ref().map(|from| InitFromPlan {
        path: from.path.clone(),
        sha256: from.sha256.clone(),
    })
}
