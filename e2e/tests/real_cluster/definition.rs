//! The definition that this repository ships, on a real API server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use e2e::Cluster;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::kubectl::{kubectl, run, until};

const NAME: &str = "fltorrentexperiments.fltorrent.io";

/// Largest definition that etcd takes, with a margin: `kubectl apply` keeps a second copy in an annotation of 256 KiB at most.
const BYTES: usize = 256 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn install(cluster: &Cluster) -> Result<(), Failed> {
    let file = root().join("crds/yaml/fltorrentexperiments.yaml");
    run(cluster
        .kubectl()
        .arg("apply")
        .arg("--server-side")
        .arg("--filename")
        .arg(file))?;
    // `kubectl wait` fails where there are no conditions yet.
    let conditions =
        format!("get crd/{NAME} --output=jsonpath={{.status.conditions[?(@.type==\"Established\")].status}}");
    until(cluster, &conditions, |found| found == "True").map(drop)
}

/// The API server refuses a definition whose rules may cost too much; what else it finds is in the conditions.
pub fn established(cluster: &Cluster) -> Result<(), Failed> {
    let definition: Value = serde_json::from_str(&kubectl(cluster, &format!("get crd/{NAME} --output=json"))?)?;
    let conditions = definition["status"]["conditions"].as_array();
    let mut found: Vec<String> = conditions
        .ok_or("no conditions")?
        .iter()
        .map(|condition| format!("{}={}", condition["type"], condition["status"]).replace('"', ""))
        .collect();
    found.sort();
    if found != ["Established=True", "NamesAccepted=True"] {
        return Err(format!("{definition:#}").into());
    }
    Ok(())
}

pub fn limits(cluster: &Cluster) -> Result<(), Failed> {
    let stored = kubectl(cluster, &format!("get crd/{NAME} --output=json --show-managed-fields"))?;
    let stored = serde_json::from_str::<Value>(&stored)?.to_string();
    if stored.len() >= BYTES {
        return Err(format!("{} bytes; at most {BYTES} will do", stored.len()).into());
    }
    Ok(())
}

pub fn examples(cluster: &Cluster) -> Result<(), Failed> {
    for path in manifests()? {
        let mut create = cluster.kubectl();
        create.args(["create", "--dry-run=server", "--validate=strict", "--filename"]);
        run(create.arg(&path))?;
    }
    Ok(())
}

/// Who applies a file again is told that it changed nothing.
pub fn twice(cluster: &Cluster) -> Result<(), Failed> {
    kubectl(cluster, "create namespace twice")?;
    for path in manifests()? {
        let apply = || {
            run(cluster
                .kubectl()
                .args(["-n", "twice", "apply", "--filename"])
                .arg(&path))
        };
        let (first, second) = (apply()?, apply()?);
        if !first.ends_with(" created") || !second.ends_with(" unchanged") {
            return Err(format!("{}: {first}, then {second}", path.display()).into());
        }
    }
    kubectl(cluster, "delete namespace twice --wait=false").map(drop)
}

/// The manifests among the examples.
fn manifests() -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    for folder in ["examples", "examples/own-model"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            let yaml = path.extension().is_some_and(|extension| extension == "yaml");
            if yaml && fs::read_to_string(&path)?.contains("kind: FLTorrentExperiment") {
                found.push(path);
            }
        }
    }
    if found.len() < 10 {
        return Err(format!("only {} examples were found", found.len()).into());
    }
    Ok(found)
}
