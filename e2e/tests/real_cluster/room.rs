//! Experiments that cannot run as they are: each says why at a glance, ends where one may wait for it, and goes on once that is mended.

use e2e::Cluster;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    kubectl::{condition, create, experiment, kubectl, namespace, pods, run, until},
    operator::Operator,
};

/// No pod of it finds a node, so that none ends.
fn waits(extra: &Value) -> Value {
    let mut spec = json!({"kubernetes": {"nodeSelector": {"no": "node"}}});
    if let (Some(spec), Some(extra)) = (spec.as_object_mut(), extra.as_object()) {
        spec.extend(extra.clone());
    }
    spec
}

fn patch(cluster: &Cluster, place: &str, change: &Value) -> Result<String, Failed> {
    let change = change.to_string();
    let mut patch = cluster.kubectl();
    patch.args(place.split(' '));
    run(patch.args(["--type=merge", "--patch", &change]))
}

pub fn corrected(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "corrects", 18643)?;
    namespace(cluster, "corrected")?;
    let wrong = json!({"topology": {"type": "randomRegular", "randomRegular": {"degree": 5}}});
    create(cluster, &experiment("corrected", "x", &waits(&wrong)))?;
    kubectl(
        cluster,
        "-n corrected wait flt/x --for=jsonpath={.status.endTime} --timeout=120s",
    )?;
    let row = kubectl(cluster, "-n corrected get flt x --no-headers")?;
    if !row.contains("Failed") || !row.contains("InvalidManifest") {
        return Err(format!("it is not told what is wrong: {row}").into());
    }

    let ring = json!({"spec": {"topology": {"type": "ring", "randomRegular": null}}});
    patch(cluster, "-n corrected patch flt/x", &ring)?;
    pods(cluster, "corrected", "x-0-0 x-1-0 x-2-0")?;
    condition(cluster, "corrected", "x", "PeersReady", "Unschedulable")?;
    let row = kubectl(cluster, "-n corrected get flt x --no-headers")?;
    let path = "-n corrected get flt x --output=jsonpath={.status.endTime}{.status.lastError}";
    let left = kubectl(cluster, path)?;
    if !row.contains("Unschedulable") || !left.is_empty() {
        return Err(format!("what was wrong is left: {row}, {left}").into());
    }
    // From the first pod on it is as it is.
    let rounds = json!({"spec": {"training": {"rounds": 3}}});
    let said = match patch(cluster, "-n corrected patch flt/x", &rounds) {
        Ok(taken) => taken,
        Err(error) => error.message().unwrap_or_default().to_owned(),
    };
    if !said.contains("spec.training: Invalid value") || !said.contains("cannot be changed") {
        return Err(format!("the change is not refused by name: {said}").into());
    }
    drop(operator);
    kubectl(cluster, "delete namespace corrected --timeout=120s").map(drop)
}

/// Room for four pods, and two experiments of three each: one has all of its pods and the other none, until that one is gone.
pub fn shared(cluster: &Cluster) -> Result<(), Failed> {
    quota(cluster, "shared", &json!({"pods": "4"}))?;
    // Both are there when the operator comes, which looks at several at a time.
    for name in ["a", "b"] {
        create(cluster, &experiment("shared", name, &waits(&json!({}))))?;
    }
    let mut operator = Operator::start(cluster, "shares", 18743)?;
    let names = "-n shared get pods --output=jsonpath={.items[*].metadata.labels.fltorrent\\.io/experiment}";
    let reasons = "-n shared get flt --output=jsonpath={.items[*].status.reason}";
    let told = until(cluster, reasons, |found| {
        found.contains("QuotaExceeded") && found.contains("Unschedulable")
    })?;
    let (first, second) = match told.as_str() {
        "Unschedulable QuotaExceeded" => ("a", "b"),
        _ => ("b", "a"),
    };
    until(cluster, names, |found| found == [first; 3].join(" "))?;
    // It holds nothing, so its manifest can still be changed (but for the moments in which it tries again).
    let change =
        format!("-n shared patch flt/{second} --type=merge --patch={{\"spec\":{{\"training\":{{\"rounds\":3}}}}}}");
    until(cluster, &change, |said| said.contains("patched"))?;

    kubectl(cluster, &format!("-n shared delete flt/{first}"))?;
    // Not at the end of its pause, but when pods go.
    operator.says("the quota may allow its pods now", 1)?;
    until(cluster, names, |found| found == [second; 3].join(" "))?;
    condition(cluster, "shared", second, "PeersReady", "Unschedulable")?;
    drop(operator);
    kubectl(cluster, "delete namespace shared --timeout=120s").map(drop)
}

/// Room for no pod at all: the manifest can be changed as if it had not begun, until there is.
pub fn none(cluster: &Cluster) -> Result<(), Failed> {
    quota(cluster, "full", &json!({"pods": "0"}))?;
    create(cluster, &experiment("full", "x", &waits(&json!({}))))?;
    let operator = Operator::start(cluster, "waits", 18643)?;
    let reason = "-n full get flt/x --output=jsonpath={.status.reason}";
    until(cluster, reason, |found| found == "QuotaExceeded")?;
    let change = "-n full patch flt/x --type=merge --patch={\"spec\":{\"training\":{\"rounds\":3}}}";
    until(cluster, change, |said| said.contains("patched"))?;
    drop(operator);
    kubectl(cluster, "delete namespace full --timeout=120s").map(drop)
}

/// Room for four more claims, and two experiments of three each: none holds a part of them, and a claim that was there before stays.
pub fn claims(cluster: &Cluster) -> Result<(), Failed> {
    quota(cluster, "claims", &json!({"persistentvolumeclaims": "5"}))?;
    let own = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "own", "namespace": "claims"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    create(cluster, &own)?;
    let storage = json!({"kubernetes": {"nodeSelector": {"no": "node"},
        "storage": {"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Mi"}}}}});
    for name in ["a", "b"] {
        create(cluster, &experiment("claims", name, &waits(&storage)))?;
    }
    let operator = Operator::start(cluster, "claims", 18743)?;
    let reasons = "-n claims get flt --output=jsonpath={.items[*].status.reason}";
    let told = until(cluster, reasons, |found| {
        found.contains("QuotaExceeded") && found.contains("Unschedulable")
    })?;
    let first = match told.as_str() {
        "Unschedulable QuotaExceeded" => "a",
        _ => "b",
    };
    let names = "-n claims get persistentvolumeclaims --output=jsonpath={.items[*].metadata.name}";
    until(cluster, names, |found| {
        let made: Vec<&str> = found.split(' ').filter(|name| *name != "own").collect();
        let of_first = |name: &&str| name.starts_with(&format!("{first}-"));
        found.contains("own") && made.len() == 3 && made.iter().all(of_first)
    })?;
    drop(operator);
    kubectl(cluster, "delete namespace claims --timeout=120s").map(drop)
}

/// Makes a namespace with a quota, and waits until that counts.
fn quota(cluster: &Cluster, name: &str, hard: &Value) -> Result<(), Failed> {
    namespace(cluster, name)?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": name},
        "spec": {"hard": hard}});
    create(cluster, &quota)?;
    let known = format!("-n {name} get resourcequota few --output=jsonpath={{.status.used}}");
    until(cluster, &known, |found| found.contains('0')).map(drop)
}
