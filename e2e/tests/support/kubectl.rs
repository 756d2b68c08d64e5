//! What tests say to the API server, by kubectl.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use e2e::Cluster;
use libtest_mimic::Failed;
use serde_json::{Value, json};

/// Longest time that something may take to become so; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Polling interval.
pub const LOOK: Duration = Duration::from_millis(200);

/// Runs a command and returns its standard output without blanks around it.
pub fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?} failed: {said}").into())
}

/// Runs a command that reads `input`, and returns its standard output without blanks around it.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String, Failed> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or("no standard input")?;
    // A command that fails may not have read all of it; what it says is the better message.
    let written = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?} failed: {said}").into());
    }
    written?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Runs kubectl with the words of `line`.
pub fn kubectl(cluster: &Cluster, line: &str) -> Result<String, Failed> {
    run(cluster.kubectl().args(line.split_ascii_whitespace()))
}

/// Creates objects and returns them as the API server has them.
pub fn create(cluster: &Cluster, objects: &Value) -> Result<Value, Failed> {
    let mut create = cluster.kubectl();
    create.args(["create", "--output=json", "--filename=-"]);
    let created = run_with_input(&mut create, &objects.to_string())?;
    Ok(serde_json::from_str(&created)?)
}

/// An experiment of three peers, with other fields of its spec.
pub fn experiment(namespace: &str, name: &str, extra: &Value) -> Value {
    let mut spec = json!({
        "groups": [{"name": "peers", "count": 3}],
        "topology": {"type": "ring"},
        "model": {"type": "mlp", "mlp": {"hidden": [8]}},
        "data": {"type": "digits"},
        "training": {"rounds": 2},
    });
    if let (Some(spec), Some(extra)) = (spec.as_object_mut(), extra.as_object()) {
        spec.extend(extra.clone());
    }
    json!({
        "apiVersion": "fltorrent.io/v1alpha1",
        "kind": "FLTorrentExperiment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// Waits until what kubectl prints for `line` fits, and returns it.
pub fn until(cluster: &Cluster, line: &str, fits: impl Fn(&str) -> bool) -> Result<String, Failed> {
    let start = Instant::now();
    loop {
        let found = kubectl(cluster, line).unwrap_or_else(|error| format!("{error:?}"));
        if fits(&found) {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("kubectl {line}: found {found}").into());
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a condition has a reason, and returns reason and message.
pub fn condition(cluster: &Cluster, namespace: &str, name: &str, kind: &str, wanted: &str) -> Result<String, Failed> {
    let path = format!(
        "-n {namespace} get flt/{name} --output=jsonpath={{.status.conditions[?(@.type==\"{kind}\")].reason}}|{{.status.conditions[?(@.type==\"{kind}\")].message}}"
    );
    until(cluster, &path, |found| found.starts_with(&format!("{wanted}|")))
}

/// Waits until a namespace has exactly these pods.
pub fn pods(cluster: &Cluster, namespace: &str, wanted: &str) -> Result<(), Failed> {
    let line = format!("-n {namespace} get pods --output=jsonpath={{.items[*].metadata.name}}");
    until(cluster, &line, |found| found == wanted).map(drop)
}

/// Makes a namespace that admits only pods of Pod Security's level restricted.
pub fn namespace(cluster: &Cluster, name: &str) -> Result<(), Failed> {
    let metadata = json!({"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}});
    create(
        cluster,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
    )
    .map(drop)
}
