//! What pods tell, on the real kubelet: the probe's image ends as peers do, and the operator makes of it what there is to make.

use e2e::{Cluster, images::PROBE};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    kubectl::{condition, create, experiment, kubectl, namespace, until},
    operator::Operator,
};

/// The ends of peers, each in a namespace of its own.
pub fn ends(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "facts", 18643)?;
    beside_a_sidecar(cluster)?;
    namespace(cluster, "facts")?;
    killed(cluster)?;
    other_models(cluster)?;
    old_checkpoints(cluster)?;
    forged(cluster)?;
    drop(operator);
    for name in ["facts", "mesh"] {
        kubectl(cluster, &format!("delete namespace {name} --timeout=120s"))?;
    }
    Ok(())
}

/// An experiment whose peers end at once with a code, after so many lines of log, and leave an ending.
fn ending(name: &str, code: i32, lines: u32, ending: &Value, extra: &Value) -> Value {
    let told = if ending.is_null() {
        String::new()
    } else {
        ending.to_string()
    };
    let variable = |name: &str, value: String| json!({"name": name, "value": value});
    let mut made = experiment("facts", name, extra);
    // Unless a test is about restarts, the first failures are told.
    if made["spec"]["restarts"].is_null() {
        made["spec"]["restarts"] = json!(0);
    }
    made["spec"]["kubernetes"]["env"] = json!([
        variable("PROBE_EXIT", code.to_string()),
        variable("PROBE_LOG", lines.to_string()),
        variable("PROBE_ENDING", told),
    ]);
    made
}

fn failed(cluster: &Cluster, namespace: &str, name: &str, part: &str) -> Result<String, Failed> {
    let said = condition(cluster, namespace, name, "Failed", "PeerFailed")?;
    if said.contains(part) {
        return Ok(said);
    }
    Err(format!("{name}: expected {part:?} in {said:?}").into())
}

/// A pod as a service mesh changes it: with a second container that outlives the trainer.
fn beside_a_sidecar(cluster: &Cluster) -> Result<(), Failed> {
    let metadata = json!({"name": "mesh", "labels": {"mesh": "here"}});
    create(
        cluster,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
    )?;
    let container = format!(
        "Object.spec.containers{{name: \"sidecar\", image: \"{PROBE}\", args: [\"serve\", \"8099\", \"here\"]}}"
    );
    let expression = format!("[JSONPatch{{op: \"add\", path: \"/spec/containers/-\", value: {container}}}]");
    let group = "admissionregistration.k8s.io/v1beta1";
    let policy = json!({"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": {"name": "mesh"}, "spec": {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"mesh": "here"}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        },
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }});
    let binding = json!({"apiVersion": group, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "mesh"},
        "spec": {"policyName": "mesh"}});
    create(cluster, &policy)?;
    create(cluster, &binding)?;
    // It is in force a moment later.
    let tried =
        format!("-n mesh run tried --image={PROBE} --dry-run=server --output=jsonpath={{.spec.containers[*].name}}");
    until(cluster, &tried, |names| names == "tried sidecar")?;

    for (name, code) in [("fails", 1), ("completes", 0)] {
        let mut made = ending(name, code, 1, &Value::Null, &json!({}));
        made["metadata"]["namespace"] = json!("mesh");
        create(cluster, &made)?;
    }
    failed(cluster, "mesh", "fails", "exit code 1")?;
    condition(cluster, "mesh", "completes", "Complete", "AllPeersComplete")?;
    // What the sidecars hold of nodes and quotas is given back, with the logs kept and the end as it was.
    let phases = "-n mesh get pods --output=jsonpath={.items[*].status.phase}";
    until(cluster, phases, |found| {
        !found.contains("Running") && !found.contains("Pending")
    })?;
    let log = kubectl(cluster, "-n mesh logs completes-0-0 --container=trainer")?;
    if log.is_empty() {
        return Err("the log of a peer that completed is gone".into());
    }
    let line =
        "-n mesh get flt/completes --output=jsonpath={.status.phase}|{.status.peers.complete}|{.status.lastError}";
    match kubectl(cluster, line)?.as_str() {
        "Complete|3|" => {}
        found => return Err(format!("phase, peers and error after the end: {found}").into()),
    }
    kubectl(
        cluster,
        "delete mutatingadmissionpolicybinding/mesh mutatingadmissionpolicy/mesh",
    )
    .map(drop)
}

/// A killed peer says by which signal, and the lines of a log that are shown are whole.
fn killed(cluster: &Cluster) -> Result<(), Failed> {
    create(cluster, &ending("killed", 137, 60, &Value::Null, &json!({})))?;
    create(cluster, &ending("words", 3, 60, &Value::Null, &json!({})))?;
    let said = failed(cluster, "facts", "killed", "killed (SIGKILL)")?;
    if said.contains("finished a round") {
        return Err(format!("its log is taken for its last words: {said}").into());
    }
    let said = failed(cluster, "facts", "words", "exit code 3: 2026-")?;
    let whole = |line: &str| line.starts_with("2026-") || line.contains("exit code");
    if let Some(cut) = said.lines().find(|line| !whole(line)) {
        return Err(format!("{cut:?} is no whole line").into());
    }
    let note = kubectl(
        cluster,
        "-n facts get events.events.k8s.io --field-selector=regarding.name=killed,reason=PeerFailed --output=jsonpath={.items[0].note}",
    )?;
    let lines = note.split_once("its last lines:\n").map(|(_, lines)| lines);
    let Some(lines) = lines.filter(|lines| lines.ends_with("fills the line")) else {
        return Err(format!("the event has not its last lines: {note}").into());
    };
    match lines.lines().find(|line| !line.starts_with("2026-")) {
        Some(cut) => Err(format!("{cut:?} is no whole line").into()),
        None => Ok(()),
    }
}

/// Peers that have all ended well, each with a model of its own, have none together.
fn other_models(cluster: &Cluster) -> Result<(), Failed> {
    let said = json!({
        "state": "completed", "version": "0", "rounds": 2, "roundsPlanned": 2, "bytesSent": 0, "bytesReceived": 0, "checkpoints": [],
        "modelHash": format!("{}$FLTORRENT_INDEX", "0".repeat(63)),
    });
    create(cluster, &ending("differ", 0, 1, &said, &json!({"restarts": 3})))?;
    condition(cluster, "facts", "differ", "Failed", "ModelsDiffer")?;
    let line = "-n facts get flt/differ --output=jsonpath={.status.phase}|{.status.model}|{.status.restarts}";
    match kubectl(cluster, line)?.as_str() {
        "Failed||0" => Ok(()),
        found => Err(format!("phase, model and restarts: {found}").into()),
    }
}

/// An experiment of the name was there before, and its checkpoints are on the claim: they are not gone on from.
fn old_checkpoints(cluster: &Cluster) -> Result<(), Failed> {
    let size = json!({"storage": "1Mi"});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "facts-kept"}, "spec": {
        "capacity": size, "accessModes": ["ReadWriteMany"], "storageClassName": "none",
        "hostPath": {"path": "/tmp", "type": "Directory"}, "persistentVolumeReclaimPolicy": "Retain",
    }});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept", "namespace": "facts"}, "spec": {
        "resources": {"requests": size}, "accessModes": ["ReadWriteMany"], "storageClassName": "none", "volumeName": "facts-kept",
    }});
    create(cluster, &volume)?;
    create(cluster, &claim)?;
    let said = json!({
        "state": "failed", "version": "0", "rounds": 1, "roundsPlanned": 8, "bytesSent": 0, "bytesReceived": 0, "checkpoints": [6, 4],
        "error": "no data",
    });
    let kept = json!({
        "restarts": 1,
        "training": {"rounds": 8},
        "checkpoint": {"type": "periodic", "periodic": {"everyRounds": 2}},
        "kubernetes": {"storage": {"checkpoints": {"type": "claim", "claim": {"claimName": "kept"}}}},
    });
    create(cluster, &ending("again", 1, 1, &said, &kept))?;
    failed(cluster, "facts", "again", "no data; 1 restarts were used")?;
    let line = "-n facts get flt/again --output=jsonpath={.status.attempt}|{.status.resumedAfter}";
    match kubectl(cluster, line)?.as_str() {
        "1|0" => {}
        found => return Err(format!("attempt and where it began: {found}").into()),
    }
    kubectl(cluster, "-n facts delete flt/again pvc/kept")?;
    kubectl(cluster, "delete persistentvolume/facts-kept").map(drop)
}

/// A pod that says it is a peer of a later attempt is not believed, and goes.
fn forged(cluster: &Cluster) -> Result<(), Failed> {
    let waits = json!({"kubernetes": {"nodeSelector": {"no": "node"}}});
    let made = create(cluster, &experiment("facts", "real", &waits))?;
    let there = "-n facts get pods --selector=fltorrent.io/experiment=real --output=jsonpath={.items[*].metadata.name}";
    let three = |found: &str| found == "real-0-0 real-1-0 real-2-0";
    until(cluster, there, three)?;
    let pod: Value = serde_json::from_str(&kubectl(cluster, "-n facts get pod real-0-0 --output=json")?)?;
    if pod["metadata"]["annotations"]["fltorrent.io/seal"].is_null() {
        return Err(format!("the pod is not sealed: {pod}").into());
    }
    let mut copy = pod;
    let metadata = &mut copy["metadata"];
    for given in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        metadata[given] = Value::Null;
    }
    metadata["name"] = json!("real-0-9");
    metadata["labels"]["fltorrent.io/attempt"] = json!(u32::MAX.to_string());
    copy["status"] = Value::Null;
    let copy = create(cluster, &copy)?;
    if copy["metadata"]["ownerReferences"][0]["uid"] != made["metadata"]["uid"] {
        return Err(format!("the copy is of another experiment: {copy}").into());
    }
    until(cluster, there, three)?;
    let attempt = "-n facts get flt/real --output=jsonpath={.status.attempt}";
    match kubectl(cluster, attempt)?.as_str() {
        "0" => {}
        found => return Err(format!("the forged pod was believed: attempt {found}").into()),
    }
    kubectl(cluster, "-n facts delete flt/real")?;
    until(cluster, there, str::is_empty).map(drop)
}
