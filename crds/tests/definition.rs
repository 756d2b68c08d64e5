//! The custom resource definition: generated, structural, and its rules agree with the reader of manifests.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/catalogue.rs"]
mod catalogue;
#[path = "support/document.rs"]
mod support;

use catalogue::Own;
use fltorrent_crds::{Plan, definition};
use kube_core::cel::Validator;
use serde_json::{Value, json};
use support::{manifest, put};

fn schema() -> Value {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

#[test]
fn the_file_is_what_the_types_say() {
    let file = include_str!("../yaml/fltorrentexperiments.yaml");
    let generated = definition::yaml().unwrap();
    assert!(
        file == generated,
        "run `cargo run -p fltorrent-crds --bin crdgen > crds/yaml/fltorrentexperiments.yaml`"
    );
}

#[test]
fn names_are_as_documented() {
    let crd = definition::definition();
    assert_eq!(
        crd.metadata.name.as_deref(),
        Some("fltorrentexperiments.fltorrent.io")
    );
    assert_eq!(crd.spec.group, "fltorrent.io");
    assert_eq!(crd.spec.names.kind, "FLTorrentExperiment");
    assert_eq!(crd.spec.names.short_names, Some(vec!["flt".to_owned()]));
    assert_eq!(crd.spec.scope, "Namespaced");
    assert_eq!(crd.spec.versions[0].name, "v1alpha1");
}

#[test]
fn every_list_and_text_is_bounded_and_every_number_has_a_range() {
    fn walk(schema: &Value, path: &str) {
        let has = |key: &str| !schema[key].is_null();
        match schema["type"].as_str() {
            // What is in there is bounded by the reader of manifests.
            Some("object") if has("x-kubernetes-preserve-unknown-fields") => {
                assert!(path.ends_with(".custom.settings"), "{path} is left open");
            }
            Some("object") => {
                for (name, property) in schema["properties"].as_object().unwrap() {
                    walk(property, &format!("{path}.{name}"));
                }
            }
            Some("array") => {
                assert!(has("maxItems"), "{path} has no maxItems");
                walk(&schema["items"], &format!("{path}[]"));
            }
            Some("string") => assert!(has("enum") || has("maxLength"), "{path} has no maxLength"),
            Some("integer" | "number") => {
                assert!(has("minimum") && has("maximum"), "{path} has no range")
            }
            Some("boolean") => {}
            None => assert_eq!(
                schema["x-kubernetes-int-or-string"],
                json!(true),
                "{path} has no type"
            ),
            Some(other) => panic!("{path}: {other}"),
        }
        for key in [
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "$ref",
            "additionalProperties",
            "nullable",
            "format",
        ] {
            assert!(!has(key), "{path} has {key}");
        }
    }
    walk(&schema()["properties"]["spec"], "spec");
}

/// What the API server's rules refuse, the reader refuses too, and the other way round.
#[test]
fn rules_agree_with_the_reader() {
    let schema = schema();
    let table = [
        (None, true),
        (Some(("^metadata/name", json!("a".repeat(45)))), true),
        (Some(("^metadata/name", json!("a".repeat(46)))), false),
        (Some(("^metadata/name", json!("a.b"))), false),
        (Some(("groups/0/name", json!("b"))), false),
        (
            Some((
                "groups",
                json!([{"name": "a", "count": 9_999}, {"name": "b", "count": 2}]),
            )),
            false,
        ),
        (Some(("topology", json!({"type": "star"}))), true),
        (
            Some(("topology", json!({"type": "star", "star": {"hub": 1}}))),
            true,
        ),
        (
            Some(("topology", json!({"type": "ring", "star": {"hub": 1}}))),
            false,
        ),
        (
            Some(("topology", json!({"type": "tree", "tree": {"arity": 3}}))),
            true,
        ),
        (
            Some(("topology", json!({"type": "star", "tree": {"arity": 3}}))),
            false,
        ),
        (Some(("topology", json!({"type": "randomRegular"}))), false),
        (
            Some((
                "topology",
                json!({"type": "randomRegular", "randomRegular": {"degree": 3}}),
            )),
            true,
        ),
        (
            Some((
                "topology",
                json!({"type": "ring", "randomRegular": {"degree": 3}}),
            )),
            false,
        ),
        (Some(("topology", json!({"type": "smallWorld"}))), false),
        (
            Some((
                "topology",
                json!({"type": "smallWorld", "smallWorld": {"degree": 4, "rewire": 0.2}}),
            )),
            true,
        ),
        (
            Some((
                "topology",
                json!({"type": "mesh", "smallWorld": {"degree": 4, "rewire": 0.2}}),
            )),
            false,
        ),
        (Some(("topology", json!({"type": "exponential"}))), true),
        (Some(("topology", json!({"type": "hypercube"}))), true),
        (Some(("topology", json!({"type": "torus"}))), true),
        (
            Some(("topology", json!({"type": "torus", "torus": {"rows": 2}}))),
            true,
        ),
        (
            Some(("topology", json!({"type": "hypercube", "torus": {}}))),
            false,
        ),
        (Some(("topology", json!({"type": "erdosRenyi"}))), false),
        (
            Some((
                "topology",
                json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.8}}),
            )),
            true,
        ),
        (
            Some((
                "topology",
                json!({"type": "exponential", "erdosRenyi": {"probability": 0.8}}),
            )),
            false,
        ),
        (Some(("topology", json!({"type": "custom"}))), false),
        (
            Some(("topology", json!({"type": "ring", "custom": {"edges": []}}))),
            false,
        ),
        (Some(("model", json!({"type": "mlp"}))), false),
        (Some(("model", json!({"type": "cnn"}))), true),
        (
            Some(("model", json!({"type": "cnn", "mlp": {"hidden": []}}))),
            false,
        ),
        (Some(("model", json!({"type": "resnet18"}))), true),
        (
            Some((
                "model",
                json!({"type": "resnet18", "resnet18": {"groups": 2}}),
            )),
            true,
        ),
        (
            Some(("model", json!({"type": "cnn", "resnet18": {"groups": 2}}))),
            false,
        ),
        (
            Some(("model", json!({"type": "cnn", "transformer": {}}))),
            false,
        ),
        (
            Some(("training", json!({"schedule": {"type": "step"}}))),
            false,
        ),
        (
            Some((
                "training",
                json!({"schedule": {"type": "step", "step": {"rounds": 3}}}),
            )),
            true,
        ),
        (
            Some((
                "training",
                json!({"schedule": {"type": "cosine", "warmupRounds": 3}}),
            )),
            true,
        ),
        (
            Some((
                "training",
                json!({"schedule": {"type": "constant", "cosine": {}}}),
            )),
            false,
        ),
        (Some(("aggregation", json!({"type": "fedprox"}))), false),
        (
            Some((
                "aggregation",
                json!({"type": "fedprox", "fedprox": {"mu": 0.1}}),
            )),
            true,
        ),
        (
            Some((
                "aggregation",
                json!({"type": "fedavg", "fedprox": {"mu": 0.1}}),
            )),
            false,
        ),
        (Some(("model", json!({"type": "custom"}))), false),
        (
            Some((
                "model",
                json!({"type": "custom", "custom": {"name": "wide", "settings": {"a": [{"b": 1}]}}}),
            )),
            true,
        ),
        (
            Some(("model", json!({"type": "cnn", "custom": {"name": "wide"}}))),
            false,
        ),
        (Some(("data", json!({"type": "custom"}))), false),
        (
            Some((
                "data",
                json!({"type": "custom", "custom": {"name": "grid"}}),
            )),
            true,
        ),
        (
            Some((
                "data",
                json!({"type": "digits", "custom": {"name": "grid"}}),
            )),
            false,
        ),
        (Some(("data", json!({"type": "idx"}))), false),
        (
            Some(("data", json!({"type": "idx", "idx": {"path": "x"}}))),
            true,
        ),
        (
            Some(("data", json!({"type": "digits", "idx": {"path": "x"}}))),
            false,
        ),
        (
            Some(("data/partition", json!({"type": "dirichlet"}))),
            false,
        ),
        (
            Some((
                "data/partition",
                json!({"type": "dirichlet", "dirichlet": {"alpha": 1}}),
            )),
            true,
        ),
        (
            Some((
                "data/partition",
                json!({"type": "iid", "dirichlet": {"alpha": 1}}),
            )),
            false,
        ),
        (Some(("data/partition", json!({"type": "explicit"}))), false),
        (
            Some((
                "data/partition",
                json!({"type": "iid", "explicit": {"shards": [[[0, 1]]]}}),
            )),
            false,
        ),
    ];
    for (change, fits) in table {
        let mut document = manifest();
        if let Some((place, value)) = &change {
            put(&mut document, place, value.clone());
        }
        let rules = Validator::new().validate(&schema, &document, None);
        assert_eq!(rules.is_ok(), fits, "{change:?}: {rules:?}");
        let plan = Plan::load_with(&document.to_string(), &[], &Own::default());
        assert_eq!(plan.is_ok(), fits, "{change:?}: {plan:?}");
    }
}

/// A default written out is the same as the field left out, so that the API server's defaulting changes nothing.
#[test]
fn defaults_of_the_schema_are_those_of_the_plan() {
    fn fill(schema: &Value, value: &mut Value) {
        if let (Some(properties), Some(fields)) =
            (schema["properties"].as_object(), value.as_object_mut())
        {
            for (name, property) in properties {
                if !property["default"].is_null() {
                    fields
                        .entry(name.clone())
                        .or_insert_with(|| property["default"].clone());
                }
                if let Some(field) = fields.get_mut(name) {
                    fill(property, field);
                }
            }
        }
        for item in value.as_array_mut().into_iter().flatten() {
            fill(&schema["items"], item);
        }
    }
    let mut document = manifest();
    let short = Plan::load(&document.to_string(), &[]).unwrap();
    fill(&schema(), &mut document);
    assert_eq!(document["spec"]["exchange"]["memoryBudget"], json!("256Mi"));
    assert_eq!(Plan::load(&document.to_string(), &[]).unwrap(), short);
}
