//! Which pods are believed: those that the operator has made itself. Labels and owner are what whoever makes a pod writes into it; the seal
//! is not, and since it covers the pod's UID a copy of a pod has none that fits.
//!
//! The API server gives a UID to a pod when it is created, so that a pod is sealed right after. One that was created and not sealed, because
//! the operator died in between, cannot be told from a forged one: it is deleted and made again.

use fltorrent_coordinator::secret::{RootSecret, SealedPod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names;

/// The peer that a pod claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The UID of its experiment, which is its controller.
    pub experiment: &'a str,
    /// The peer's index, if a label says one.
    pub index: Option<u32>,
    /// The peer's attempt, if a label says one.
    pub attempt: Option<u32>,
    /// The number of the pod among those of its peer in the attempt: 0 unless a label says another one; none if that is no number.
    pub incarnation: Option<u32>,
}

/// The claim of a pod with these metadata; none if it belongs to no experiment.
pub fn claim(metadata: &ObjectMeta) -> Option<Claim<'_>> {
    let owner = metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))?;
    let label = |key| metadata.labels.as_ref()?.get(key);
    let number = |key| label(key)?.parse().ok();
    Some(Claim {
        experiment: &owner.uid,
        index: number(names::INDEX),
        attempt: number(names::ATTEMPT),
        incarnation: label(names::INCARNATION).map_or(Some(0), |text| text.parse().ok()),
    })
}

/// The seal of a pod that was created with these metadata, as the API server has them; none when they are not those of a peer.
pub fn of(root: &RootSecret, metadata: &ObjectMeta) -> Option<String> {
    Some(root.seal(&pod(metadata)?))
}

/// True if the operator has made the pod.
pub fn fits(root: &RootSecret, metadata: &ObjectMeta) -> bool {
    found(metadata)
        .zip(pod(metadata))
        .is_some_and(|(seal, pod)| root.is_sealed(&pod, seal))
}

/// True if the pod has a seal, of whomever.
pub fn is_there(metadata: &ObjectMeta) -> bool {
    found(metadata).is_some()
}

fn found(metadata: &ObjectMeta) -> Option<&String> {
    metadata.annotations.as_ref()?.get(names::SEAL)
}

fn pod(metadata: &ObjectMeta) -> Option<SealedPod<'_>> {
    let claim = claim(metadata)?;
    Some(SealedPod {
        namespace: metadata.namespace.as_deref()?,
        name: metadata.name.as_deref()?,
        uid: metadata.uid.as_deref()?,
        experiment: claim.experiment,
        index: claim.index?,
        attempt: claim.attempt?,
        incarnation: claim.incarnation?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{from_value, json};

    use super::*;

    pub(crate) fn root() -> RootSecret {
        RootSecret::from_bytes(&[7; 32]).unwrap()
    }

    /// A pod of experiment `x` with the UID `u` in the namespace `team`, as the operator makes it.
    pub(crate) fn pod(index: u32, attempt: u32, status: &serde_json::Value) -> Pod {
        pod_of(index, attempt, 0, status)
    }

    /// As [`pod`], but a later one of its peer in the attempt.
    pub(crate) fn pod_of(index: u32, attempt: u32, incarnation: u32, status: &serde_json::Value) -> Pod {
        let name = match incarnation {
            0 => format!("{index}-{attempt}"),
            _ => format!("{index}-{attempt}-r{incarnation}"),
        };
        let [index, attempt, incarnation] = [index, attempt, incarnation].map(|number| number.to_string());
        let mut pod: Pod = from_value(json!({
            "metadata": {
                "name": format!("x-{name}"),
                "namespace": "team",
                "uid": format!("uid-{name}"),
                "labels": {names::EXPERIMENT: "x", names::INDEX: index, names::ATTEMPT: attempt, names::INCARNATION: incarnation},
                "ownerReferences": [{"apiVersion": "fltorrent.io/v1alpha1", "kind": "FLTorrentExperiment", "name": "x", "uid": "u", "controller": true}],
            },
            "status": status,
        }))
        .unwrap();
        let seal = of(&root(), &pod.metadata).unwrap();
        pod.metadata.annotations = Some([(names::SEAL.to_owned(), seal)].into());
        pod
    }

    #[test]
    fn a_seal_fits_no_other_pod() {
        let made = pod(3, 1, &json!({})).metadata;
        assert!(fits(&root(), &made));
        assert!(fits(&root(), &pod_of(3, 1, 2, &json!({})).metadata));
        assert!(!fits(&RootSecret::from_bytes(&[8; 32]).unwrap(), &made));
        let forged = |change: fn(&mut ObjectMeta)| {
            let mut copy = made.clone();
            change(&mut copy);
            copy
        };
        for copy in [
            forged(|copy| copy.uid = Some("another".into())),
            forged(|copy| copy.namespace = Some("elsewhere".into())),
            forged(|copy| copy.name = Some("x-3-2".into())),
            forged(|copy| copy.owner_references.as_mut().unwrap()[0].uid = "v".into()),
            forged(|copy| copy.owner_references.as_mut().unwrap()[0].controller = None),
            forged(|copy| copy.labels.as_mut().unwrap().retain(|key, _| key != names::INDEX)),
            forged(|copy| {
                let labels = copy.labels.as_mut().unwrap();
                labels.insert(names::ATTEMPT.into(), u32::MAX.to_string());
            }),
            forged(|copy| {
                let labels = copy.labels.as_mut().unwrap();
                labels.insert(names::INCARNATION.into(), "1".into());
            }),
            forged(|copy| {
                let labels = copy.labels.as_mut().unwrap();
                labels.insert(names::INCARNATION.into(), "first".into());
            }),
            forged(|copy| copy.annotations = None),
        ] {
            assert!(!fits(&root(), &copy), "{copy:?}");
        }
    }
}
