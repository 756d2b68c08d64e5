//! A pod's volumes, and where the peer finds them.

use fltorrent_crds::experiment::kubernetes::{
    EmptyDir, EmptyDirMedium, Kubernetes, KubernetesDataType, NewClaim, Volume as UserVolume,
};
use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, EmptyDirVolumeSource, EphemeralVolumeSource, PersistentVolumeClaimSpec,
        PersistentVolumeClaimTemplate, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
        ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection, VolumeResourceRequirements,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use super::{BuildError, claims, convert::same};

/// Where the manifest is.
pub(super) const MANIFEST: &str = "/etc/fltorrent";
/// Where the token for the operator is.
const TOKEN: &str = "/var/run/secrets/fltorrent";
/// The audience of that token: it is good for nothing else.
pub const AUDIENCE: &str = "fltorrent.io";
/// Validity of a token; the kubelet replaces it well before.
const TOKEN_SECONDS: i64 = 3600;
/// Where a peer may write.
const STATE: &str = "/var/lib/fltorrent";
/// Where a peer keeps what it needs while it runs.
pub(super) const SCRATCH: &str = "/var/lib/fltorrent/scratch";

#[derive(Default)]
pub(super) struct Volumes {
    pub(super) volumes: Vec<Volume>,
    pub(super) mounts: Vec<VolumeMount>,
}

impl Volumes {
    fn add(&mut self, volume: Volume, mount: VolumeMount) {
        self.mounts.push(VolumeMount {
            name: volume.name.clone(),
            ..mount
        });
        if !self.volumes.iter().any(|known| known.name == volume.name) {
            self.volumes.push(volume);
        }
    }
}

/// The volumes of the pod of a peer.
pub(super) fn build(experiment: &str, kubernetes: &Kubernetes, index: u32) -> Result<Volumes, BuildError> {
    let mut all = Volumes::default();
    all.add(manifest(experiment), at(MANIFEST, true));
    all.add(token(), at(TOKEN, true));
    all.add(folder("fltorrent-state", &EmptyDir::default()), at(STATE, false));
    let scratch = &kubernetes.storage.scratch;
    let volume = match &scratch.new_claim {
        Some(claim) => template("fltorrent-scratch", claim),
        None => folder("fltorrent-scratch", &scratch.empty_dir.unwrap_or_default()),
    };
    all.add(volume, at(SCRATCH, false));
    for (what, kept) in claims::kept(&kubernetes.storage) {
        if let Some(name) = claims::name(experiment, what, kept, index) {
            let mount = at(&format!("{STATE}/{what}"), false);
            // A kubelet mounts a claim once, whatever a pod calls it.
            let there = all.volumes.iter().find(|volume| holds(volume, &name));
            let volume = there.cloned();
            let volume = volume.unwrap_or_else(|| claim(&format!("fltorrent-{what}"), name, false));
            all.add(volume, mount);
        }
    }
    data(kubernetes, index, &mut all);
    for volume in &kubernetes.volumes {
        all.volumes.push(user_volume(volume)?);
    }
    all.mounts
        .extend(same::<Vec<_>>("volumeMounts", &kubernetes.volume_mounts)?);
    Ok(all)
}

/// A peer's folder in the claims that keep something, by the variable that tells it. The peer makes it itself: as a `subPath` it would
/// belong to root on volumes that are not handed to a pod's group.
///
/// Also in a claim of its own: it may be used again by another experiment, or hold both.
pub(super) fn kept_folders(
    experiment: &str,
    kubernetes: &Kubernetes,
    index: u32,
) -> impl Iterator<Item = (&'static str, String)> {
    let kept = claims::kept(&kubernetes.storage);
    let folders = kept.map(|(what, kept)| {
        claims::name(experiment, what, kept, index)?;
        let variable = match what {
            claims::CHECKPOINTS => "FLTORRENT_CHECKPOINTS",
            _ => "FLTORRENT_OUTPUT",
        };
        Some((variable, format!("{STATE}/{what}/{experiment}/peer-{index}/{what}")))
    });
    folders.into_iter().flatten()
}

/// The folder from which relative paths of data count: where the data's claim is, or the image's own.
pub(super) fn working_folder(kubernetes: &Kubernetes) -> Option<String> {
    let data = &kubernetes.data;
    match data.kind {
        KubernetesDataType::Image => None,
        KubernetesDataType::Claim => data.claim.as_ref().map(|claim| claim.mount_path.clone()),
        KubernetesDataType::ClaimByIndex => data.claim_by_index.as_ref().map(|claim| claim.mount_path.clone()),
    }
}

fn data(kubernetes: &Kubernetes, index: u32, all: &mut Volumes) {
    let data = &kubernetes.data;
    let (name, sub_path, path) = match (&data.claim, &data.claim_by_index) {
        (Some(claim), _) => (claim.claim_name.clone(), claim.sub_path.clone(), &claim.mount_path),
        (None, Some(claim)) => (
            format!("{}{index}", claim.prefix),
            claim.sub_path.clone(),
            &claim.mount_path,
        ),
        (None, None) => return,
    };
    let mount = VolumeMount {
        sub_path,
        ..at(path, true)
    };
    all.add(claim("fltorrent-data", name, true), mount);
}

fn at(path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn named(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        ..Volume::default()
    }
}

fn manifest(experiment: &str) -> Volume {
    Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: experiment.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..named("fltorrent-manifest")
    }
}

fn token() -> Volume {
    Volume {
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(AUDIENCE.to_owned()),
                    expiration_seconds: Some(TOKEN_SECONDS),
                    path: "token".to_owned(),
                }),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..named("fltorrent-token")
    }
}

fn empty(folder: &EmptyDir) -> EmptyDirVolumeSource {
    EmptyDirVolumeSource {
        medium: folder.medium.map(|medium| match medium {
            EmptyDirMedium::Memory => "Memory".to_owned(),
        }),
        size_limit: folder.size_limit.map(|size| Quantity(size.get().to_string())),
    }
}

fn folder(name: &str, folder: &EmptyDir) -> Volume {
    Volume {
        empty_dir: Some(empty(folder)),
        ..named(name)
    }
}

fn claim(name: &str, claim: String, read_only: bool) -> Volume {
    Volume {
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim,
            read_only: read_only.then_some(true),
        }),
        ..named(name)
    }
}

/// True if a volume is this claim.
fn holds(volume: &Volume, claim: &str) -> bool {
    let source = volume.persistent_volume_claim.as_ref();
    source.is_some_and(|source| source.claim_name == claim)
}

/// A claim that Kubernetes makes with the pod and deletes with it.
fn template(name: &str, claim: &NewClaim) -> Volume {
    let size = Quantity(claim.size.get().to_string());
    let modes = claim.access_modes.iter().map(|mode| mode.as_str());
    Volume {
        ephemeral: Some(EphemeralVolumeSource {
            volume_claim_template: Some(PersistentVolumeClaimTemplate {
                metadata: None,
                spec: PersistentVolumeClaimSpec {
                    access_modes: Some(modes.map(str::to_owned).collect()),
                    storage_class_name: claim.storage_class_name.clone(),
                    resources: Some(VolumeResourceRequirements {
                        requests: Some([("storage".to_owned(), size)].into()),
                        ..VolumeResourceRequirements::default()
                    }),
                    ..PersistentVolumeClaimSpec::default()
                },
            }),
        }),
        ..named(name)
    }
}

fn user_volume(volume: &UserVolume) -> Result<Volume, BuildError> {
    let UserVolume {
        name,
        empty_dir,
        config_map,
        secret,
        persistent_volume_claim,
    } = volume;
    // An empty list of entries would mean none of them, and these lists are left out when they are empty.
    Ok(Volume {
        empty_dir: empty_dir.as_ref().map(empty),
        config_map: same("volumes", config_map)?,
        secret: same("volumes", secret)?,
        persistent_volume_claim: same("volumes", persistent_volume_claim)?,
        ..named(name)
    })
}
