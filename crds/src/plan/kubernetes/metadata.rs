//! Labels and annotations of pods: which keys are a user's.

use crate::{
    errors::{entry, quote},
    experiment::kubernetes::{Kubernetes, is_label_key},
    findings::Findings,
};

/// The domain of the operator's own labels and annotations.
const DOMAIN: &str = "fltorrent.io";
/// Kubernetes' recommended labels, by which the operator, Services and NetworkPolicies know the pods.
const RECOMMENDED: [&str; 5] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
];

pub(super) fn check(kubernetes: &Kubernetes, findings: &mut Findings) {
    let (labels, annotations) = (&kubernetes.labels, &kubernetes.annotations);
    for (field, noun, keys) in [
        ("labels", "a label", labels.keys()),
        ("annotations", "an annotation", annotations.keys()),
    ] {
        for key in keys {
            let path = entry(&format!("kubernetes.{field}"), key);
            if !is_label_key(key) {
                findings.error(
                    &path,
                    format!("{} is not the key of {noun}", quote(key)),
                    "write a key such as team or example.com/team",
                );
            } else if is_operators(key) {
                findings.error(
                    &path,
                    format!("{} is the operator's", quote(key)),
                    "remove it, or take a key of your own such as example.com/team",
                );
            }
        }
    }
}

fn is_operators(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let ours = domain
        .strip_suffix(DOMAIN)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    ours || RECOMMENDED.contains(&key)
}
