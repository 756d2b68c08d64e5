//! What pods tell: from objects of the API to the facts that [`life`](crate::life) decides on, and what keeps peers from starting, in
//! words that say what to do. No client, no clock.

mod disruption;
mod how;
mod trouble;

use std::{collections::BTreeMap, mem};

use fltorrent_coordinator::{ending::Ending, secret::RootSecret};
use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt;

use crate::{
    build::pod::{CONTAINER, ENDS_NOW},
    life::{Failure, PodFacts, PodState},
    names, seal,
};
use how::{how, last_words};
pub use trouble::{Trouble, worst};

/// The facts about a pod that says that it is of the experiment with this UID; none about any other pod. Only those of a sealed one are
/// believed.
pub fn facts(pod: &Pod, experiment: &str, root: &RootSecret) -> Option<PodFacts> {
    let claim = seal::claim(&pod.metadata).filter(|claim| claim.experiment == experiment)?;
    let mut state = pod
        .status
        .as_ref()
        .map_or(PodState::Waiting, |status| state(status, is_told_to_end(pod)));
    if let PodState::Failed(failure) = &mut state {
        failure.disrupted = disruption::ended(pod, &failure.message);
        failure.anew = disruption::begins_anew(pod);
    }
    Some(PodFacts {
        name: pod.name_any(),
        // A pod without is never sealed.
        index: claim.index.unwrap_or(u32::MAX),
        attempt: claim.attempt.unwrap_or_default(),
        incarnation: claim.incarnation.unwrap_or_default(),
        sealed: seal::fits(root, &pod.metadata),
        state,
        lingers: lingers(pod),
        leaving: pod.metadata.deletion_timestamp.as_ref().map(|until| until.0),
        disruption: disruption::told(pod),
    })
}

/// The termination of the peer's container, if it has ended.
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    ended(pod.status.as_ref()?)
}

/// Name of a peer in messages: `peer 3 (pod x-3-0)`.
pub fn called(index: u32, pod: &str) -> String {
    format!("peer {index} (pod {pod})")
}

/// True if the operator has told the kubelet to end what still runs in the pod.
fn is_told_to_end(pod: &Pod) -> bool {
    let deadline = pod.spec.as_ref().and_then(|it| it.active_deadline_seconds);
    deadline == Some(ENDS_NOW)
}

/// True if the trainer has ended and another container goes on, of which nobody has told it to end: to the scheduler and to quotas the pod
/// is there until its phase says that it has ended.
fn lingers(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    !is_over && !is_told_to_end(pod) && ended(status).is_some() && others_live(status)
}

/// Exit codes of a peer after which another process in its place would be of no use: it has left, as the manifest says; the run is over or
/// cannot go on.
const NO_NEXT: [i32; 2] = [4, 5];
/// Bytes of a seal, and more than that.
const LONGEST_SEAL: usize = 256;

/// Keeps of a pod only what is looked at: thousands of them stay in memory, also such as others have made.
pub fn prune(pod: &mut Pod) {
    let deadline = pod.spec.take().and_then(|it| it.active_deadline_seconds);
    pod.spec = deadline.map(|seconds| PodSpec {
        active_deadline_seconds: Some(seconds),
        ..PodSpec::default()
    });
    let ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        mut annotations,
        mut labels,
        mut owner_references,
        ..
    } = mem::take(&mut pod.metadata);
    if let Some(annotations) = &mut annotations {
        annotations.retain(|key, value| key == names::SEAL && value.len() <= LONGEST_SEAL);
    }
    if let Some(labels) = &mut labels {
        let looked_at = [names::EXPERIMENT, names::INDEX, names::ATTEMPT, names::INCARNATION];
        labels.retain(|key, _| looked_at.contains(&key.as_str()));
    }
    if let Some(owners) = &mut owner_references {
        owners.retain(|owner| owner.controller == Some(true));
        owners.shrink_to_fit();
    }
    pod.metadata = ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        annotations,
        labels,
        owner_references,
        ..ObjectMeta::default()
    };
    if let Some(status) = &mut pod.status {
        *status = PodStatus {
            phase: status.phase.take(),
            reason: status.reason.take(),
            message: status.message.take(),
            conditions: status.conditions.take(),
            container_statuses: status.container_statuses.take(),
            init_container_statuses: status.init_container_statuses.take(),
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

/// `told`: the operator has told it to end, which says nothing of how its trainer did.
fn state(status: &PodStatus, told: bool) -> PodState {
    let phase = status.phase.as_deref();
    // Nothing in the pod runs again, so that what its trainer came to is what the pod came to, whatever a sidecar does meanwhile.
    match ended(status) {
        Some(ended) if ended.exit_code == 0 => return PodState::Succeeded,
        // Without a sidecar the phase follows within a second, and says more: Evicted, for example.
        Some(_) if phase == Some("Failed") || others_live(status) => {
            return PodState::Failed(failure(status, told));
        }
        _ => {}
    }
    match phase {
        Some("Succeeded") => PodState::Succeeded,
        Some("Failed") => PodState::Failed(failure(status, told)),
        Some("Running") => PodState::Running {
            ready: holds(status, "Ready"),
        },
        // Nobody hears of the node of a pod in phase Unknown: it may run. When the node is given up the pod is deleted.
        Some("Unknown") => PodState::Running { ready: false },
        _ => PodState::Waiting,
    }
}

/// True if a container beside the trainer has not ended, so that the pod's phase stays as it is.
fn others_live(status: &PodStatus) -> bool {
    let mut others = status
        .container_statuses
        .iter()
        .flatten()
        .filter(|container| container.name != CONTAINER);
    others.any(|other| terminated_state(other).is_none())
}

fn terminated_state(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

fn ended(status: &PodStatus) -> Option<&ContainerStateTerminated> {
    terminated_state(trainer(status)?)
}

fn holds(status: &PodStatus, condition: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|found| found.type_ == condition && found.status == "True")
}

fn failure(status: &PodStatus, told: bool) -> Failure {
    // The pod's own reason (Evicted, UnexpectedAdmissionError, …) says more than that of its container.
    let of_pod = Some(status).filter(|_| !told);
    let trainer = ended(status);
    // Where the trainer has not even begun, a container before it or beside it has failed.
    let other = if trainer.is_none() { other_failed(status) } else { None };
    let ended = trainer.or_else(|| other.map(|(_, ended)| ended));
    let reason = of_pod
        .and_then(|it| it.reason.clone())
        .or_else(|| ended?.reason.clone())
        .unwrap_or_else(|| "Error".to_owned());
    let ending = trainer.and_then(ending);
    let blames = ending.as_ref().is_some_and(|ending| ending.blames.is_some());
    let permanent = ending.as_ref().is_some_and(|ending| ending.verdict.is_some());
    let of_no_use = match &ending {
        Some(ending) => ending.is_of_no_use(),
        None => trainer.is_some_and(|ended| NO_NEXT.contains(&ended.exit_code)),
    };
    let how = ended.map(|ended| {
        let how = how(ended, ending.is_some());
        match other {
            Some((name, _)) => format!("container {name}: {how}"),
            None => how,
        }
    });
    let said = of_pod
        .and_then(|it| it.message.clone())
        .or_else(|| match ending {
            Some(ending) => ending.error,
            None => last_words(ended?),
        })
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    Failure {
        reason,
        message: [how, said].into_iter().flatten().collect::<Vec<_>>().join(": "),
        at: trainer.and_then(|ended| ended.finished_at.as_ref().map(|time| time.0)),
        noticed: None,
        blames,
        permanent,
        disrupted: false,
        anew: false,
        of_no_use,
    }
}

/// The first container but the trainer that has failed, and how.
fn other_failed(status: &PodStatus) -> Option<(&str, &ContainerStateTerminated)> {
    let first = status.init_container_statuses.iter().flatten();
    first
        .chain(status.container_statuses.iter().flatten())
        .filter(|container| container.name != CONTAINER)
        .filter_map(|container| Some((container.name.as_str(), terminated_state(container)?)))
        .find(|(_, ended)| ended.exit_code != 0)
}

/// The summary that a peer's process left when it ended.
pub fn ending(ended: &ContainerStateTerminated) -> Option<Ending> {
    Ending::from_message(ended.message.as_deref()?).ok()
}

/// Peers of the current attempt by state.
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
            PodState::Running { ready: true } if !pod.is_leaving() => counts.ready += 1,
            PodState::Succeeded => counts.complete += 1,
            PodState::Failed(_) => counts.failed += 1,
            PodState::Waiting | PodState::Running { .. } => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests;
