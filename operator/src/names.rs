//! Names, labels and annotations of what the operator makes. Users and dashboards select by them, so they never change.

use std::collections::BTreeMap;

/// Who writes: the field manager of every server-side apply, and the value of [`MANAGED_BY`].
pub const MANAGER: &str = "fltorrent-operator";
/// Kubernetes' recommended label of the application.
pub const APP: &str = "app.kubernetes.io/name";
/// Kubernetes' recommended label of one instance of it: the experiment's name.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Kubernetes' recommended label of the part: `peer` or `operator`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Kubernetes' recommended label of what made the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Kubernetes' recommended label of the version.
pub const VERSION: &str = "app.kubernetes.io/version";
/// The value of [`APP`].
pub const APP_NAME: &str = "fltorrent";
/// The experiment that an object belongs to.
pub const EXPERIMENT: &str = "fltorrent.io/experiment";
/// A pod's peer.
pub const INDEX: &str = "fltorrent.io/index";
/// Label: the attempt of a pod.
pub const ATTEMPT: &str = "fltorrent.io/attempt";
/// Label: the number of a pod among those of its peer in its attempt; 0 where it is absent.
pub const INCARNATION: &str = "fltorrent.io/incarnation";
/// The group that a pod's peer belongs to.
pub const GROUP: &str = "fltorrent.io/group";
/// Annotation of a pod: proves that this operator made it.
pub const SEAL: &str = "fltorrent.io/seal";

/// Selects everything that the operator made.
pub fn selector() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// Selects the pods of one experiment.
pub fn pods_of(experiment: &str) -> String {
    format!("{MANAGED_BY}={MANAGER},{COMPONENT}=peer,{EXPERIMENT}={experiment}")
}

/// Labels of every object of an experiment.
pub fn labels(experiment: &str) -> BTreeMap<String, String> {
    [
        (APP, APP_NAME),
        (INSTANCE, experiment),
        (COMPONENT, "peer"),
        (MANAGED_BY, MANAGER),
        (VERSION, env!("CARGO_PKG_VERSION")),
        (EXPERIMENT, experiment),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Labels that the pods of an experiment have and others do not, for Services and policies.
pub fn pod_selector(experiment: &str) -> BTreeMap<String, String> {
    [(COMPONENT, "peer"), (EXPERIMENT, experiment), (MANAGED_BY, MANAGER)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The name of a pod of a peer in an attempt: `x-3-0`, and `x-3-0-r1` for the first that replaces it. Without the letter that would be
/// attempt 1 of peer 0 of an experiment `x-3`.
pub fn pod(experiment: &str, index: u32, attempt: u32, incarnation: u32) -> String {
    match incarnation {
        0 => format!("{experiment}-{index}-{attempt}"),
        later => format!("{experiment}-{index}-{attempt}-r{later}"),
    }
}

/// A peer's host name, the same in every attempt.
pub fn hostname(index: u32) -> String {
    format!("peer-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit_into_a_label() {
        let longest = "x".repeat(fltorrent_crds::experiment::MAX_NAME);
        let last = fltorrent_crds::experiment::MAX_PEERS - 1;
        assert!(pod(&longest, last, 99_999, 99_999).len() <= 63);
        assert!(labels(&longest).values().all(|value| value.len() <= 63));
    }
}
