//! What keeps a pod from starting, and what to do about it.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::ResourceExt;

use super::trainer;

/// Why a pod does not start by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// A stable name.
    pub reason: &'static str,
    /// Problem and remedy.
    pub message: String,
}

/// The problem that keeps these pods from starting: the first one, and the number of pods like it.
pub fn worst<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<Trouble> {
    let mut found: Vec<Trouble> = pods.into_iter().filter_map(of).collect();
    found.sort();
    let first = found.first()?.clone();
    let more = found.iter().filter(|trouble| trouble.reason == first.reason).count() - 1;
    Some(match more {
        0 => first,
        more => Trouble {
            message: format!("{}; and {more} more pods", first.message),
            ..first
        },
    })
}

fn of(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Pending") {
        return None;
    }
    let name = pod.name_any();
    if let Some(message) = unschedulable(status) {
        return Some(Trouble {
            reason: "Unschedulable",
            message: format!(
                "pod {name} cannot be scheduled: {message}. Free or add nodes, or lower spec.kubernetes.resources; a change takes effect after suspend and resume"
            ),
        });
    }
    let waiting = trainer(status)?.state.as_ref()?.waiting.as_ref()?;
    let kind = waiting.reason.as_deref()?;
    let said = waiting.message.as_deref().unwrap_or_default();
    let (reason, help) = match kind {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => (
            "ImageUnavailable",
            "correct spec.kubernetes.image, its imagePullPolicy or imagePullSecrets, then suspend and resume",
        ),
        "CreateContainerConfigError" => (
            "MissingReference",
            "create the ConfigMap or Secret named in spec.kubernetes; the pod then starts by itself",
        ),
        "CreateContainerError" | "RunContainerError" => (
            "ContainerRefused",
            "the node cannot start the container; see `kubectl describe pod`",
        ),
        _ => return None,
    };
    let colon = if said.is_empty() { "" } else { ": " };
    Some(Trouble {
        reason,
        message: format!("pod {name} does not start, {kind}{colon}{said}; {help}"),
    })
}

fn unschedulable(status: &PodStatus) -> Option<String> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| {
            condition.type_ == "PodScheduled"
                && condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable")
        })
        .map(|condition| condition.message.clone().unwrap_or_default())
}
