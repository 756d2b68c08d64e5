//! Pods that the cluster or a user takes away: their peers have no part in it, and it costs no restart.

use fltorrent_coordinator::ending::EndState;
use k8s_openapi::api::core::v1::Pod;

use super::{ending, terminated};
use crate::life::Failure;

/// The condition by which evictions, preemptions, taints and the collection of lost nodes' pods say so.
const TARGET: &str = "DisruptionTarget";
/// What a kubelet says of pods that it ended or did not take for its node's sake.
const BY_KUBELET: [&str; 7] = [
    "Evicted",
    "NodeAffinity",
    "NodeLost",
    "NodeShutdown",
    "Preempting",
    "Terminated",
    "UnexpectedAdmissionError",
];
/// Exit code of a peer that begins anew since the manifest says so (`churn`).
const BEGINS_ANEW: i32 = 6;
/// Exit codes of processes that SIGKILL and SIGTERM end.
const ENDED: [i32; 2] = [137, 143];

/// What the cluster says of a pod that it takes away.
pub(super) fn told(pod: &Pod) -> Option<Failure> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let target = conditions.rfind(|condition| condition.type_ == TARGET && condition.status == "True")?;
    Some(Failure {
        reason: target.reason.clone().unwrap_or_else(|| TARGET.to_owned()),
        message: target.message.clone().unwrap_or_default(),
        disrupted: true,
        ..Failure::default()
    })
}

/// Whether a pod that has failed, with these words, was taken away.
pub(super) fn ended(pod: &Pod, said: &str) -> bool {
    if begins_anew(pod) || told(pod).is_some() {
        return true;
    }
    let reason = pod.status.as_ref().and_then(|status| status.reason.as_deref());
    // One that has filled more than its own limit does so again elsewhere.
    let is_own = said.contains("exceed") && said.contains("limit");
    let by_kubelet = reason.is_some_and(|reason| BY_KUBELET.contains(&reason) || reason.starts_with("OutOf"));
    (by_kubelet && !is_own) || was_told_to_end(pod)
}

/// Whether a peer has ended so that it begins anew.
pub(super) fn begins_anew(pod: &Pod) -> bool {
    terminated(pod).is_some_and(|ended| ended.exit_code == BEGINS_ANEW)
}

/// A pod that is being deleted, and whose process ended since it was told to.
fn was_told_to_end(pod: &Pod) -> bool {
    let Some(ended) = terminated(pod).filter(|_| pod.metadata.deletion_timestamp.is_some()) else {
        return false;
    };
    match ending(ended) {
        Some(ending) => ending.state == EndState::Stopped,
        None => ENDED.contains(&ended.exit_code) && ended.reason.as_deref() != Some("OOMKilled"),
    }
}
