//! What pods tell: from objects of the API to the facts that [`life`](crate::life) decides on, and what keeps peers from starting, in
//! words that say what to do. No client, no clock.

mod trouble;

use std::collections::BTreeMap;

use fltorrent_coordinator::ending::Ending;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use kube::ResourceExt;

use crate::build::pod::CONTAINER;
use crate::life::{Failure, PodFacts, PodState};
use crate::names;
pub use trouble::{Trouble, worst};

/// The facts about a pod of the experiment with this UID; none about any other pod.
pub fn facts(pod: &Pod, experiment: &str) -> Option<PodFacts> {
    let owned = pod
        .owner_references()
        .iter()
        .any(|owner| owner.uid == experiment && owner.controller == Some(true));
    if !owned {
        return None;
    }
    let number = |key| pod.labels().get(key)?.parse().ok();
    Some(PodFacts {
        name: pod.name_any(),
        index: number(names::INDEX)?,
        attempt: number(names::ATTEMPT)?,
        state: state(pod.status.as_ref()),
        leaving: pod.metadata.deletion_timestamp.is_some(),
    })
}

/// How the peer's container ended, if it has.
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    ended(pod.status.as_ref()?)
}

/// What a peer is called in messages: `peer 3 (pod x-3-0)`.
pub fn called(index: u32, pod: &str) -> String {
    format!("peer {index} (pod {pod})")
}

/// Keeps of a pod only what is looked at: thousands of them stay in memory.
pub fn prune(pod: &mut Pod) {
    pod.spec = None;
    pod.metadata.managed_fields = None;
    if let Some(status) = &mut pod.status {
        *status = PodStatus {
            phase: status.phase.take(),
            reason: status.reason.take(),
            message: status.message.take(),
            conditions: status.conditions.take(),
            container_statuses: status.container_statuses.take(),
            ..PodStatus::default()
        };
    }
}

fn trainer(status: &PodStatus) -> Option<&ContainerStatus> {
    status
        .container_statuses
        .iter()
        .flatten()
        .find(|container| container.name == CONTAINER)
}

fn state(status: Option<&PodStatus>) -> PodState {
    let Some(status) = status else {
        return PodState::Waiting;
    };
    match status.phase.as_deref() {
        Some("Succeeded") => PodState::Succeeded,
        Some("Failed") => PodState::Failed(failure(status)),
        // Nothing in it runs again; its phase follows once the sandbox is gone, a second later.
        Some("Running") if ended(status).is_some_and(|ended| ended.exit_code == 0) => {
            PodState::Succeeded
        }
        Some("Running") => PodState::Running {
            ready: holds(status, "Ready"),
        },
        // Nobody hears of the node of a pod in phase Unknown: it may run. When the node is given up the pod is deleted.
        Some("Unknown") => PodState::Running { ready: false },
        _ => PodState::Waiting,
    }
}

fn ended(status: &PodStatus) -> Option<&ContainerStateTerminated> {
    trainer(status)?.state.as_ref()?.terminated.as_ref()
}

fn holds(status: &PodStatus, condition: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|found| found.type_ == condition && found.status == "True")
}

fn failure(status: &PodStatus) -> Failure {
    let ended = ended(status);
    // The pod's own reason (Evicted, UnexpectedAdmissionError, …) says more than that of its container.
    let reason = status
        .reason
        .clone()
        .or_else(|| ended?.reason.clone())
        .unwrap_or_else(|| "Error".to_owned());
    let code = ended.map(|ended| format!("exit code {}", ended.exit_code));
    let ending = ended.and_then(ending);
    let blames = ending
        .as_ref()
        .is_some_and(|ending| ending.blames.is_some());
    let said = status
        .message
        .clone()
        .or_else(|| match ending {
            Some(ending) => ending.error,
            // Not our summary: the last lines of the log, where the process could not even begin.
            None => ended?.message.clone(),
        })
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    Failure {
        reason,
        message: [code, said]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": "),
        at: finished(ended),
        blames,
    }
}

/// The summary that a peer's process left when it ended.
pub fn ending(ended: &ContainerStateTerminated) -> Option<Ending> {
    Ending::from_message(ended.message.as_deref()?).ok()
}

fn finished(ended: Option<&ContainerStateTerminated>) -> Option<Timestamp> {
    ended?.finished_at.as_ref().map(|time| time.0)
}

/// How many peers are how, of the current attempt's pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ready and at work.
    pub ready: u32,
    /// Ended well.
    pub complete: u32,
    /// Ended otherwise.
    pub failed: u32,
}

/// Counts pods by peer.
pub fn count(pods: &BTreeMap<u32, &PodFacts>) -> Counts {
    let mut counts = Counts::default();
    for pod in pods.values() {
        match &pod.state {
            PodState::Running { ready: true } if !pod.leaving => counts.ready += 1,
            PodState::Succeeded => counts.complete += 1,
            PodState::Failed(_) => counts.failed += 1,
            PodState::Waiting | PodState::Running { .. } => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests;
