//! Claims that the operator makes for checkpoints and results. They have no owner, so that they outlive the experiment; one that is
//! there already under the name is used as it is.

use fltorrent_crds::experiment::kubernetes::{KeptClaim, KeptStorage, KeptStorageType, Storage};
use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use crate::{names, validate::Validated};

/// Name of the claims for checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// The storage that can be on claims, by name.
pub(super) fn kept(storage: &Storage) -> [(&'static str, &KeptStorage); 2] {
    [(CHECKPOINTS, &storage.checkpoints), ("output", &storage.output)]
}

/// The name of the claim that holds a peer's part of what is kept; none when it goes with the pod.
pub(super) fn name(experiment: &str, what: &str, kept: &KeptStorage, index: u32) -> Option<String> {
    match kept.kind {
        KeptStorageType::EmptyDir => None,
        KeptStorageType::Claim => kept.claim.as_ref().map(|claim| claim.claim_name.clone()),
        KeptStorageType::ClaimByIndex => kept
            .claim_by_index
            .as_ref()
            .map(|claim| format!("{}{index}", claim.prefix)),
        KeptStorageType::NewClaim => kept.new_claim.as_ref().map(|claim| match claim.shared {
            true => format!("{experiment}-{what}"),
            false => format!("{experiment}-{what}-{index}"),
        }),
    }
}

pub(super) fn build(validated: &Validated) -> Vec<PersistentVolumeClaim> {
    let mut claims = Vec::new();
    for (what, kept) in kept(&validated.experiment.spec.kubernetes.storage) {
        let Some(claim) = kept.new_claim.as_ref() else {
            continue;
        };
        let last = if claim.shared { 1 } else { validated.peers() };
        claims.extend(
            (0..last)
                .filter_map(|index| name(&validated.name, what, kept, index))
                .map(|name| self::claim(validated, name, claim)),
        );
    }
    claims
}

fn claim(validated: &Validated, name: String, claim: &KeptClaim) -> PersistentVolumeClaim {
    let size = Quantity(claim.size.get().to_string());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(validated.namespace.clone()),
            labels: Some(names::labels(&validated.name)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(claim.access_modes.iter().map(|mode| mode.as_str().to_owned()).collect()),
            storage_class_name: claim.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), size)].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
