//! The values that the plan refuses one by one, on a real API server. What the reader of files refuses is refused there, too,
//! by the name of its field; what only the plan can tell may pass, and becomes a condition of the object later.

use e2e::Cluster;
use fltorrent_crds::{
    manifest,
    status::{ConditionType, Exchanged, ExperimentStatus, PeerCounts, Phase, RoundCounts, figure},
};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    https::{agent, url},
    kubectl::{create, kubectl, run},
};

#[path = "../../../crds/tests/support/changes.rs"]
mod changes;
#[path = "../../../crds/tests/support/document.rs"]
mod document;
#[path = "../../../crds/tests/support/field_examples.rs"]
mod field_examples;
#[path = "../../../crds/tests/support/page.rs"]
mod page;
#[path = "../../../crds/tests/support/wrong_pods.rs"]
mod pods;
#[path = "../../../crds/tests/support/wrong_values.rs"]
mod table;

/// Most of the table has to be of the schema's kind, or this tests little.
const LEAST: usize = 250;

pub fn wrong_values(_: &Cluster) -> Result<(), Failed> {
    let agent = agent(true)?;
    let path = "/apis/fltorrent.io/v1alpha1/namespaces/default/fltorrentexperiments";
    let url = url(&format!("{path}?dryRun=All&fieldValidation=Strict"));
    let send = |document: &Value| -> Result<Value, Failed> {
        let mut answer = agent
            .post(&url)
            .header("content-type", "application/json")
            .send(document.to_string())?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    };
    let base = document::manifest();
    let answer = send(&base)?;
    if answer["kind"] != json!("FLTorrentExperiment") {
        return Err(format!("the right manifest is refused: {answer}").into());
    }
    let mut refused = 0;
    let mut wrong = Vec::new();
    for (place, value, expected) in table::wrong_values().into_iter().chain(pods::wrong_pods()) {
        let mut document = base.clone();
        document::put(&mut document, place, value.clone());
        let answer = send(&document)?;
        let passes = answer["kind"] == json!("FLTorrentExperiment");
        let should = manifest::parse(&document.to_string()).is_ok();
        let said = answer["message"].as_str().unwrap_or_default();
        let kinder = kinder(place, &value);
        if passes && !should && !kinder {
            wrong.push(format!("{place} = {value} passes; the reader: {expected}"));
        } else if !passes && kinder && !value.is_null() {
            wrong.push(format!("{place} = {value} is refused now; take it off the list"));
        } else if !passes && !names(place, said, expected) {
            wrong.push(format!("{place} = {value} is refused, but not by name: {said}"));
        }
        refused += usize::from(!passes);
    }
    if wrong.is_empty() && refused >= LEAST {
        return Ok(());
    }
    Err(format!("{refused} are refused\n{}", wrong.join("\n")).into())
}

/// The examples of the page about pods.
pub fn page(_: &Cluster) -> Result<(), Failed> {
    let agent = agent(true)?;
    let path = "/apis/fltorrent.io/v1alpha1/namespaces/default/fltorrentexperiments";
    let url = url(&format!("{path}?dryRun=All&fieldValidation=Strict"));
    for settings in page::examples() {
        let experiment = manifest::parse_with(&document::manifest().to_string(), &settings)?;
        let mut answer = agent
            .post(&url)
            .header("content-type", "application/json")
            .send(serde_json::to_string(&experiment)?)?;
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        if answer["kind"] != json!("FLTorrentExperiment") {
            return Err(format!("{settings:?}: {answer}").into());
        }
    }
    Ok(())
}

/// The examples of the page about every field, as a user would apply them.
pub fn fields(cluster: &Cluster) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let examples = field_examples::examples();
    for (name, _, manifest) in &examples {
        // Each has a name of its own, by which the API server tells what is wrong with it.
        let own = name.to_ascii_lowercase().replace('.', "-");
        let manifest = manifest.replacen("  name: first\n", &format!("  name: {own}\n"), 1);
        std::fs::write(folder.path().join(format!("{own}.yaml")), manifest)?;
    }
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--dry-run=server"]);
    apply.args(["--validate=strict", "--output=name", "--filename"]);
    let passed = run(apply.arg(folder.path()))?.lines().count();
    if passed == examples.len() && passed > 50 {
        return Ok(());
    }
    Err(format!("{passed} of {} examples pass", examples.len()).into())
}

/// Fields of an existing experiment that may change, and fields that may not.
pub fn changes(cluster: &Cluster) -> Result<(), Failed> {
    let mut manifest = document::manifest();
    manifest["metadata"]["name"] = json!("changed");
    create(cluster, &manifest)?;
    // Nothing is fixed before the first pod.
    let mut wrong = refused(cluster, &manifest, |_| None)?;
    let begun = r#"{"status":{"startTime":"2026-01-02T03:04:05Z"}}"#;
    run(cluster.kubectl().args([
        "patch",
        "flt",
        "changed",
        "--subresource=status",
        "--type=merge",
        "--patch",
        begun,
    ]))?;
    wrong.extend(refused(cluster, &manifest, |refused| refused)?);
    kubectl(cluster, "delete flt changed")?;
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}

/// Tries all changes; returns those that are not refused by the name that is expected, or are refused where none is.
fn refused(
    cluster: &Cluster,
    manifest: &Value,
    expected: impl Fn(Option<&'static str>) -> Option<&'static str>,
) -> Result<Vec<String>, Failed> {
    let agent = agent(true)?;
    let path = "/apis/fltorrent.io/v1alpha1/namespaces/default/fltorrentexperiments/changed";
    let url = url(&format!("{path}?dryRun=All&fieldValidation=Strict"));
    let version = kubectl(cluster, "get flt changed --output=jsonpath={.metadata.resourceVersion}")?;
    let mut wrong = Vec::new();
    for (place, value, refused) in changes::changes() {
        let mut changed = manifest.clone();
        changed["metadata"]["resourceVersion"] = json!(version);
        document::put(&mut changed, place, value.clone());
        let mut answer = agent
            .put(&url)
            .header("content-type", "application/json")
            .send(changed.to_string())?;
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let taken = answer["kind"] == json!("FLTorrentExperiment");
        let said = answer["message"].as_str().unwrap_or_default();
        let fits = match expected(refused) {
            None => taken,
            Some(name) => said.contains(&format!("{name}: cannot be changed")),
        };
        if !fits {
            wrong.push(format!("{place} = {value}: {answer}"));
        }
    }
    Ok(wrong)
}

/// The status is a part of its own: who writes the spec does not write it, and its columns are what a user sees.
pub fn status(cluster: &Cluster) -> Result<(), Failed> {
    let mut document = document::manifest();
    document["metadata"]["name"] = json!("shown");
    document["status"] = json!({"phase": "Failed"});
    create(cluster, &document)?;
    let phase = "get flt shown --output=jsonpath={.status.phase}";
    if !kubectl(cluster, phase)?.is_empty() {
        return Err("the spec's writer has written a status".into());
    }
    let mut status = ExperimentStatus {
        phase: Some(Phase::Training),
        reason: Some("Tried".to_owned()),
        peers: Some(PeerCounts::new(8, 8, 0, 0)),
        round: Some(RoundCounts::new(4, 10)),
        accuracy: Some(figure(0.931_24)),
        loss: Some(figure(0.2)),
        exchanged: Some(Exchanged::new(3 << 29)),
        ..ExperimentStatus::default()
    };
    let time = serde_json::from_value(json!("2026-01-02T03:04:05Z"))?;
    for kind in ConditionType::ALL {
        let holds = kind == ConditionType::Accepted;
        status.set(kind, holds, "Tried", "said", &time);
    }
    let patch = json!({"status": status}).to_string();
    run(cluster.kubectl().args([
        "patch",
        "flt",
        "shown",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]))?;
    let table = kubectl(cluster, "get flt shown --output=wide")?;
    kubectl(cluster, "delete flt shown")?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    let [head, row] = rows.as_slice() else {
        return Err(table.into());
    };
    let names = [
        "NAME",
        "TOPOLOGY",
        "PEERS",
        "ROUND",
        "ACCURACY",
        "PHASE",
        "REASON",
        "LOSS",
        "MODEL",
        "EXCHANGED",
        "AGE",
    ];
    let cells = [
        "shown", "ring", "8/8", "4/10", "0.9312", "Training", "Tried", "0.2000", "1.50 GiB",
    ];
    // No model yet, and the age is the server's.
    if head[..] == names && row.len() == names.len() - 1 && row[..cells.len()] == cells {
        return Ok(());
    }
    Err(table.into())
}

/// Where the API server is kinder than the reader of files: an empty value is no value, and takes the default; 10.0 is 10
/// in JSON; and it lays a status aside where the reader says that it does nothing.
fn kinder(place: &str, value: &Value) -> bool {
    if place.starts_with('^') {
        return place == "^status";
    }
    value.is_null() || *value == json!(10.0)
}

/// True if the server names the field that the reader's error begins with, or what it is in. Around `spec` it has words of
/// its own; and a rule over all groups stands at `spec` and begins with `groups`.
fn names(place: &str, said: &str, expected: &str) -> bool {
    if place.starts_with('^') {
        return !said.is_empty();
    }
    let field = match expected.split_once(':') {
        Some((field, _)) if field.starts_with(place.split('/').next().unwrap_or_default()) => field.to_owned(),
        _ => place.replace('/', "."),
    };
    let top = field.split(['.', '[']).next().unwrap_or_default();
    let mut path = format!("spec.{field}");
    while !said.contains(&path) {
        match path.rfind(['.', '[']) {
            Some(end) if end > "spec".len() => path.truncate(end),
            _ => return said.contains(&format!("{top}: ")),
        }
    }
    true
}
