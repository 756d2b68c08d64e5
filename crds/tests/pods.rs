//! What pods ask for when a manifest says nothing, and what the plan warns about.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{Plan, Quantity, analysis, experiment::kubernetes::Resources};
use serde_json::{Value, json};

use support::{manifest, put};

fn plan(changes: &[(&str, Value)]) -> Plan {
    let mut document = manifest();
    for (place, value) in changes {
        put(&mut document, place, value.clone());
    }
    Plan::load(&document.to_string(), &[]).unwrap()
}

/// Eight pods of the quickstart fit on a machine of two cores and 4 GiB that has other things to do.
#[test]
fn eight_peers_ask_for_little() {
    let plan = Plan::load(include_str!("../../examples/quickstart.yaml"), &[]).unwrap();
    let asked: Vec<Resources> = plan
        .peers
        .iter()
        .map(|peer| {
            let forecast = analysis::memory(&plan, peer.neighbours.len() as u32);
            Resources::default().with_defaults(forecast.request())
        })
        .collect();
    let sum = |name: &str| -> u64 { asked.iter().map(|one| one.requests[name].thousandths()).sum() };
    assert_eq!(asked.len(), 8);
    assert!(sum("cpu") <= 1_000);
    assert!(sum("memory") <= (1 << 30) * 1_000);
    assert!(asked.iter().all(|one| one.limits.is_empty()));
}

#[test]
fn the_request_of_memory_is_the_forecast_rounded_up() {
    let plan = plan(&[]);
    let forecast = analysis::memory(&plan, 2);
    let step = (16_u64 << 20) * 1_000;
    let request: Quantity = forecast.request();
    assert!(request.thousandths().is_multiple_of(step));
    let spare = request.thousandths() - forecast.total() * 1_000;
    assert!(spare < step, "{spare}");
}

#[test]
fn a_folder_too_small_for_the_chunks_is_warned_about() {
    let scratch = |limit: &str| {
        let value = json!({"type": "emptyDir", "emptyDir": {"sizeLimit": limit}});
        plan(&[
            ("exchange/memoryBudget", json!(0)),
            ("kubernetes/storage/scratch", value),
        ])
        .warnings
    };
    let small = scratch("1k");
    assert_eq!(small.len(), 1, "{small:?}");
    assert_eq!(small[0].path, "kubernetes.storage.scratch");
    assert!(small[0].message.contains("exchange.memoryBudget"), "{small:?}");
    assert_eq!(scratch("1Gi"), []);
}

#[test]
fn a_volume_that_nobody_finds_is_warned_about() {
    let volumes = json!([{"name": "a", "emptyDir": {}}]);
    let warnings = plan(&[("kubernetes/volumes", volumes.clone())]).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].path, "kubernetes.volumes[0].name");
    let mounts = json!([{"name": "a", "mountPath": "/a"}]);
    let both = [("kubernetes/volumes", volumes), ("kubernetes/volumeMounts", mounts)];
    assert_eq!(plan(&both).warnings, []);
}

/// A platform that gives users itself, such as OpenShift, must not be told one: an empty context says so, and is no missing one.
#[test]
fn an_empty_security_context_is_kept() {
    let mut document = manifest();
    put(&mut document, "kubernetes/securityContext", json!({}));
    let read = fltorrent_crds::manifest::parse(&document.to_string()).unwrap();
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(
        again["spec"]["kubernetes"],
        json!({"securityContext": {}, "data": {"type": "image"}, "storage": again["spec"]["kubernetes"]["storage"]})
    );
}
