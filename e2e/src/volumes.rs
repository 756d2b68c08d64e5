//! Where claims get their volumes: a default class without a provisioner, and folders of the node that are volumes in advance. They are
//! local volumes, which the kubelet hands to a pod's group as most drivers do.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    command::{self, CommandError},
    components::Context,
    layout::{Layout, NODE},
    task::Task,
};

/// The class of claims that name none.
pub const CLASS: &str = "local";
/// Enough for a claim of both kinds for each of eight peers, in two experiments.
const COUNT: usize = 40;
/// Capacity of each volume. Nothing keeps a pod from writing more.
const CAPACITY: &str = "10Gi";

/// Why claims have no volumes.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum VolumesError {
    #[error("the volume {} cannot be made anew", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the volumes of the cluster cannot be listed")]
    List(#[source] CommandError),
    #[error("volumes whose claims are gone cannot be removed")]
    Remove(#[source] CommandError),
    #[error("the class and the volumes for claims cannot be made")]
    Apply(#[source] CommandError),
}

/// Makes the class and the volumes that are missing. A volume whose claim is gone becomes a new and empty one.
///
/// # Errors
/// When the API server refuses them or a folder cannot be made.
pub fn ensure(context: Context<'_>) -> Result<(), VolumesError> {
    let mut task = Task::begin("making volumes for claims", context.interrupt);
    let mut list = context.kubectl();
    list.args(["get", "persistentvolumes", "--output"]);
    list.arg(r#"jsonpath={range .items[*]}{.metadata.name} {.status.phase}{"\n"}{end}"#);
    let there = command::run(&mut list, &mut task).map_err(VolumesError::List)?;
    let phase = |name: &str| {
        let mut phases = there.lines().filter_map(|line| line.split_once(' '));
        phases.find_map(|(known, phase)| (known == name).then_some(phase))
    };
    let names: Vec<String> = (0..COUNT).map(name).collect();
    let gone: Vec<&String> = names
        .iter()
        .filter(|name| matches!(phase(name), Some("Released" | "Failed")))
        .collect();
    if !gone.is_empty() {
        let mut remove = context.kubectl();
        remove.args(["delete", "persistentvolumes", "--timeout=60s"]);
        command::run(remove.args(&gone), &mut task).map_err(VolumesError::Remove)?;
    }
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| phase(name).is_none() || gone.contains(name))
        .collect();
    if !missing.is_empty() {
        let mut items = vec![class()];
        for name in missing {
            let path = folder(context.layout, name);
            emptied(&path).map_err(|source| VolumesError::Folder {
                path: path.clone(),
                source,
            })?;
            items.push(volume(name, &path));
        }
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let mut apply = context.kubectl();
        apply.args(["apply", "--server-side", "--force-conflicts"]);
        apply.arg("--filename=-");
        command::run_with_input(&mut apply, &objects.to_string(), &mut task).map_err(VolumesError::Apply)?;
    }
    task.end();
    Ok(())
}

fn name(index: usize) -> String {
    format!("{CLASS}-{index:02}")
}

/// Folder with the files of a volume.
#[must_use]
pub fn folder(layout: &Layout, volume: &str) -> PathBuf {
    layout.state().join("volumes").join(volume)
}

/// Whoever a pod runs as may write there.
fn emptied(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(path)?,
    }
    fs::set_permissions(path, Permissions::from_mode(0o777))
}

fn class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "reclaimPolicy": "Retain",
        // There is one node, so that nothing is gained by waiting for a pod.
        "volumeBindingMode": "Immediate",
    })
}

fn volume(name: &str, path: &Path) -> Value {
    let here = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]});
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    })
}
