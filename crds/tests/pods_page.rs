//! `docs/pods.md` names every field, and its examples are manifests.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod document;
#[path = "support/page.rs"]
mod page;

use fltorrent_crds::{Plan, definition};
use serde_json::Value;

#[test]
fn every_example_is_a_plan_without_warnings() {
    let examples = page::examples();
    assert!(examples.len() >= 12, "{}", examples.len());
    for settings in examples {
        assert!(!settings.is_empty());
        match Plan::load(&document::manifest().to_string(), &settings) {
            Ok(plan) => assert_eq!(plan.warnings, [], "{settings:?}"),
            Err(errors) => panic!("{settings:?}\n{errors}"),
        }
    }
}

#[test]
fn every_field_is_named() {
    fn walk(schema: &Value, path: &str, missing: &mut Vec<String>) {
        let page = include_str!("../../docs/pods.md");
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let ends: &[char] = &[':', '`', '.'];
            if !ends.iter().any(|end| page.contains(&format!("{name}{end}"))) {
                missing.push(path.clone());
            }
            walk(field, &path, missing);
            walk(&field["items"], &path, missing);
        }
    }
    let crd = serde_json::to_value(definition::definition()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut missing = Vec::new();
    let spec = &schema["spec"]["properties"];
    walk(&spec["kubernetes"], "kubernetes", &mut missing);
    for name in schema["status"]["properties"].as_object().unwrap().keys() {
        if !include_str!("../../docs/pods.md").contains(&format!("`{name}`")) {
            missing.push(format!("status.{name}"));
        }
    }
    assert_eq!(missing, [""; 0]);
}
