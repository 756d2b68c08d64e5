//! Volumes and the folders where peers find them.

use std::collections::BTreeMap;

use crate::{
    errors::quote,
    experiment::kubernetes::{KeyToPath, Kubernetes, Volume},
    findings::Findings,
};

/// Folders of a pod that are the operator's or the system's.
const TAKEN: [&str; 9] = [
    "/dev",
    "/etc/fltorrent",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run/secrets/fltorrent",
    "/sys",
    "/var/lib/fltorrent",
    "/var/run/secrets/fltorrent",
];

pub(super) fn check(kubernetes: &Kubernetes, findings: &mut Findings) {
    for (i, volume) in kubernetes.volumes.iter().enumerate() {
        self::volume(&format!("kubernetes.volumes[{i}]"), volume, findings);
        if !kubernetes.volume_mounts.iter().any(|mount| mount.name == volume.name) {
            findings.warn(
                &format!("kubernetes.volumes[{i}].name"),
                format!("no entry of volumeMounts names {}", quote(&volume.name)),
            );
        }
    }
    let mut folders = BTreeMap::new();
    for (i, mount) in kubernetes.volume_mounts.iter().enumerate() {
        let path = format!("kubernetes.volumeMounts[{i}]");
        if !kubernetes.volumes.iter().any(|volume| volume.name == mount.name) {
            findings.error(
                &format!("{path}.name"),
                format!("{} is none of volumes", quote(&mount.name)),
                "write the name of an entry of kubernetes.volumes",
            );
        }
        if let Some(within) = &mount.sub_path {
            upwards(&format!("{path}.subPath"), within, findings);
        }
        folder(&format!("{path}.mountPath"), &mount.mount_path, findings);
        folders.insert(mount.mount_path.as_str(), path);
    }
    let data = &kubernetes.data;
    let one = data.claim.as_ref();
    let one = one.map(|claim| ("claim", &claim.mount_path, &claim.sub_path));
    let each = data.claim_by_index.as_ref();
    let each = each.map(|claims| ("claimByIndex", &claims.mount_path, &claims.sub_path));
    for (member, at, within) in one.into_iter().chain(each) {
        let path = format!("kubernetes.data.{member}");
        if let Some(within) = within {
            upwards(&format!("{path}.subPath"), within, findings);
        }
        folder(&format!("{path}.mountPath"), at, findings);
        if let Some(other) = folders.get(at.as_str()) {
            findings.error(
                &format!("{path}.mountPath"),
                format!("{} is the folder of {other} already", quote(at)),
                "take another folder",
            );
        }
    }
}

fn volume(path: &str, volume: &Volume, findings: &mut Findings) {
    if volume.name.starts_with("fltorrent") {
        findings.error(
            &format!("{path}.name"),
            format!("{} is the operator's", quote(&volume.name)),
            "take a name that does not begin with fltorrent",
        );
    }
    let count = super::count([
        volume.empty_dir.is_some(),
        volume.config_map.is_some(),
        volume.secret.is_some(),
        volume.persistent_volume_claim.is_some(),
    ]);
    if count != 1 {
        findings.error(
            path,
            format!("has {count} kinds"),
            "write one of emptyDir, configMap, secret and persistentVolumeClaim",
        );
    }
    let of = |member: &str, items: &[KeyToPath], findings: &mut Findings| {
        for (i, item) in items.iter().enumerate() {
            upwards(&format!("{path}.{member}.items[{i}].path"), &item.path, findings);
        }
    };
    if let Some(source) = &volume.config_map {
        of("configMap", &source.items, findings);
    }
    if let Some(source) = &volume.secret {
        of("secret", &source.items, findings);
    }
}

/// Refuses paths that lead out of where they start.
fn upwards(path: &str, text: &str, findings: &mut Findings) -> bool {
    let leads = text.split('/').any(|part| part == "." || part == "..");
    if leads {
        findings.error(
            path,
            format!("{} goes up or nowhere", quote(text)),
            "write it without `.` and `..`",
        );
    }
    leads
}

/// Refuses folders that are in one of the operator's, or that would hide it.
fn folder(path: &str, text: &str, findings: &mut Findings) {
    if upwards(path, text, findings) {
        return;
    }
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let taken = TAKEN.iter().find(|taken| within(text, taken) || within(taken, text));
    if let Some(taken) = taken {
        findings.error(
            path,
            format!("{} is in the way of {taken}", quote(text)),
            "take a folder of your own, such as /data",
        );
    }
}
