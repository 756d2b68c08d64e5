//! The custom resource definition: generated, structural, and its rules agree with the reader of manifests.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tables of cases")]

#[path = "support/catalogue.rs"]
mod catalogue;
#[path = "support/changes.rs"]
mod changes;
#[path = "support/generated.rs"]
mod generated;
#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{Plan, definition};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube_core::cel::Validator;
use serde_json::{Value, json};

use catalogue::Own;
use support::{manifest, put};

fn schema() -> Value {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

#[test]
fn the_file_is_what_the_types_say() {
    generated::assert_is("yaml/fltorrentexperiments.yaml", definition::yaml().unwrap().as_bytes());
}

#[test]
fn the_file_that_is_read_is_what_the_types_say() {
    let generated = definition::spec_json().unwrap();
    generated::assert_is("schema/spec.json", generated.as_bytes());
    // What programs have of it is what is in the file.
    serde_json::from_str::<JSONSchemaProps>(&generated).unwrap();
}

#[test]
fn names_are_as_documented() {
    let crd = definition::definition();
    assert_eq!(crd.metadata.name.as_deref(), Some("fltorrentexperiments.fltorrent.io"));
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
            Some("object") if has("additionalProperties") => {
                assert!(has("maxProperties"), "{path} has no maxProperties");
                walk(&schema["additionalProperties"], &format!("{path}{{}}"));
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
            None => {
                assert_eq!(schema["x-kubernetes-int-or-string"], json!(true), "{path} has no type");
                assert!(
                    has("minimum") && has("maximum") && has("pattern"),
                    "{path} has no range"
                );
            }
            Some(other) => panic!("{path}: {other}"),
        }
        for key in ["oneOf", "anyOf", "allOf", "not", "$ref", "nullable"] {
            assert!(!has(key), "{path} has {key}");
        }
        let format = schema["format"].as_str();
        assert!(matches!(format, None | Some("date-time")), "{path}: {format:?}");
    }
    walk(&schema()["properties"]["spec"], "spec");
    walk(&schema()["properties"]["status"], "status");
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
        (Some(("topology", json!({"type": "star", "star": {"hub": 1}}))), true),
        (Some(("topology", json!({"type": "ring", "star": {"hub": 1}}))), false),
        (Some(("topology", json!({"type": "tree", "tree": {"arity": 3}}))), true),
        (Some(("topology", json!({"type": "star", "tree": {"arity": 3}}))), false),
        (Some(("topology", json!({"type": "randomRegular"}))), false),
        (
            Some((
                "topology",
                json!({"type": "randomRegular", "randomRegular": {"degree": 3}}),
            )),
            true,
        ),
        (
            Some(("topology", json!({"type": "ring", "randomRegular": {"degree": 3}}))),
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
        (Some(("topology", json!({"type": "torus", "torus": {"rows": 2}}))), true),
        (Some(("topology", json!({"type": "hypercube", "torus": {}}))), false),
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
        (Some(("model", json!({"type": "cnn", "mlp": {"hidden": []}}))), false),
        (Some(("model", json!({"type": "resnet18"}))), true),
        (
            Some(("model", json!({"type": "resnet18", "resnet18": {"groups": 2}}))),
            true,
        ),
        (
            Some(("model", json!({"type": "cnn", "resnet18": {"groups": 2}}))),
            false,
        ),
        (Some(("model", json!({"type": "cnn", "transformer": {}}))), false),
        (Some(("training", json!({"schedule": {"type": "step"}}))), false),
        (
            Some(("training", json!({"schedule": {"type": "step", "step": {"rounds": 3}}}))),
            true,
        ),
        (
            Some(("training", json!({"schedule": {"type": "cosine", "warmupRounds": 3}}))),
            true,
        ),
        (
            Some(("training", json!({"schedule": {"type": "constant", "cosine": {}}}))),
            false,
        ),
        (Some(("aggregation", json!({"type": "fedprox"}))), false),
        (
            Some(("aggregation", json!({"type": "fedprox", "fedprox": {"mu": 0.1}}))),
            true,
        ),
        (
            Some(("aggregation", json!({"type": "fedavg", "fedprox": {"mu": 0.1}}))),
            false,
        ),
        // Fractions as the smallest value, which the API server compares with whole numbers in its own way.
        (Some(("training/learningRate", json!(0))), false),
        (Some(("training/learningRate", json!(0.0))), false),
        (Some(("training/learningRate", json!(1))), true),
        (Some(("exchange/round/quorum", json!(0))), false),
        (Some(("exchange/round/quorum", json!(1))), true),
        (
            Some(("churn", json!([{"event": "pause", "rate": 1, "for": "1s"}]))),
            true,
        ),
        (Some(("churn", json!([{"event": "restart", "rate": 0.01}]))), true),
        (
            Some(("churn", json!([{"event": "leave", "peers": [1], "round": 2}]))),
            true,
        ),
        (
            Some((
                "churn",
                json!([{"event": "wedge", "peers": [1], "after": "2s", "for": "1s"}]),
            )),
            true,
        ),
        (Some(("churn", json!([{"event": "crash", "round": 2}]))), false),
        (
            Some(("churn", json!([{"event": "crash", "peers": [1], "rate": 0.5}]))),
            false,
        ),
        (
            Some(("churn", json!([{"event": "crash", "rate": 0.5, "round": 2}]))),
            false,
        ),
        (Some(("churn", json!([{"event": "crash", "peers": [1]}]))), false),
        (
            Some((
                "churn",
                json!([{"event": "crash", "peers": [1], "round": 2, "after": "2s"}]),
            )),
            false,
        ),
        (Some(("churn", json!([{"event": "join", "rate": 0.5}]))), false),
        (
            Some((
                "churn",
                json!([{"event": "leave", "peers": [1], "round": 2, "for": "1s"}]),
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
            Some(("data", json!({"type": "custom", "custom": {"name": "grid"}}))),
            true,
        ),
        (
            Some(("data", json!({"type": "digits", "custom": {"name": "grid"}}))),
            false,
        ),
        (Some(("data", json!({"type": "idx"}))), false),
        (Some(("data", json!({"type": "idx", "idx": {"path": "x"}}))), true),
        (Some(("data", json!({"type": "digits", "idx": {"path": "x"}}))), false),
        (Some(("data/partition", json!({"type": "dirichlet"}))), false),
        (
            Some((
                "data/partition",
                json!({"type": "dirichlet", "dirichlet": {"alpha": 1}}),
            )),
            true,
        ),
        (
            Some(("data/partition", json!({"type": "iid", "dirichlet": {"alpha": 1}}))),
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
        (Some(("kubernetes/volumes", json!([{"name": "a"}]))), false),
        (
            Some(("kubernetes/volumes", json!([{"name": "a", "emptyDir": {}}]))),
            true,
        ),
        (
            Some((
                "kubernetes/volumes",
                json!([{"name": "a", "emptyDir": {}, "configMap": {"name": "b"}}]),
            )),
            false,
        ),
        (
            Some(("kubernetes/volumes", json!([{"name": "fltorrent", "emptyDir": {}}]))),
            false,
        ),
        (Some(("kubernetes/env", json!([{"name": "A", "valueFrom": {}}]))), false),
        (
            Some((
                "kubernetes/env",
                json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]),
            )),
            true,
        ),
        (
            Some((
                "kubernetes/env",
                json!([{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]),
            )),
            false,
        ),
        (Some(("kubernetes/env", json!([{"name": "FLTORRENT_RUN"}]))), false),
        (Some(("kubernetes/env", json!([{"name": "FLT"}]))), true),
        (Some(("kubernetes/tolerations", json!([{"operator": "Exists"}]))), true),
        (Some(("kubernetes/tolerations", json!([{"operator": "Equal"}]))), false),
        (
            Some(("kubernetes/tolerations", json!([{"key": "a", "value": "b"}]))),
            true,
        ),
        (
            Some((
                "kubernetes/tolerations",
                json!([{"key": "a", "operator": "Exists", "value": "b"}]),
            )),
            false,
        ),
        (
            Some((
                "kubernetes/tolerations",
                json!([{"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}]),
            )),
            true,
        ),
        (
            Some((
                "groups/0/kubernetes/tolerations",
                json!([{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 0}]),
            )),
            false,
        ),
        (Some(("kubernetes/data", json!({"type": "claim"}))), false),
        (
            Some(("kubernetes/data", json!({"type": "claim", "claim": {"claimName": "a"}}))),
            true,
        ),
        (
            Some(("kubernetes/data", json!({"type": "image", "claim": {"claimName": "a"}}))),
            false,
        ),
        (
            Some((
                "kubernetes/data",
                json!({"type": "claimByIndex", "claimByIndex": {"prefix": "a"}}),
            )),
            true,
        ),
        (
            Some(("kubernetes/data", json!({"claimByIndex": {"prefix": "a"}}))),
            false,
        ),
        (Some(("kubernetes/storage/scratch", json!({"type": "newClaim"}))), false),
        (
            Some((
                "kubernetes/storage/scratch",
                json!({"type": "newClaim", "newClaim": {"size": "1Gi"}}),
            )),
            true,
        ),
        (
            Some((
                "kubernetes/storage/scratch",
                json!({"type": "newClaim", "newClaim": {"size": "1Gi"}, "emptyDir": {}}),
            )),
            false,
        ),
        (Some(("kubernetes/storage/output", json!({"type": "claim"}))), false),
        (
            Some((
                "kubernetes/storage/output",
                json!({"type": "claimByIndex", "claim": {"claimName": "a"}}),
            )),
            false,
        ),
        (
            Some((
                "kubernetes/storage/output",
                json!({"type": "newClaim", "newClaim": {"size": "1Gi"}}),
            )),
            true,
        ),
        (
            Some(("kubernetes/storage/output", json!({"newClaim": {"size": "1Gi"}}))),
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

/// Fills in the defaults, as the API server does.
fn fill(schema: &Value, value: &mut Value) {
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object_mut()) {
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

/// A default written out is the same as the field left out, so that the API server's defaulting changes nothing.
#[test]
fn defaults_of_the_schema_are_those_of_the_plan() {
    let mut document = manifest();
    let short = Plan::load(&document.to_string(), &[]).unwrap();
    fill(&schema(), &mut document);
    assert_eq!(document["spec"]["exchange"]["memoryBudget"], json!("256Mi"));
    assert_eq!(Plan::load(&document.to_string(), &[]).unwrap(), short);
}

/// The first pods fix what makes the model; a manifest that has made none can be corrected.
#[test]
fn everything_can_be_changed_before_the_first_pod() {
    let schema = schema();
    for status in [Value::Null, json!({"phase": "Failed", "attempt": 0})] {
        let mut before = manifest();
        fill(&schema, &mut before);
        if !status.is_null() {
            before["status"] = status;
        }
        for (place, value, _) in changes::changes() {
            let mut after = before.clone();
            put(&mut after, place, value.clone());
            fill(&schema, &mut after);
            let changed = Validator::new().validate(&schema, &after, Some(&before));
            assert!(changed.is_ok(), "{place} = {value}: {changed:?}");
        }
    }
}

/// `kubectl apply` compares a list as a whole: a default that the API server fills in there would be a change at each apply.
#[test]
fn the_server_fills_nothing_into_the_entries_of_lists() {
    let schema = schema();
    let mut filled = manifest();
    let groups = filled["spec"]["groups"].clone();
    fill(&schema, &mut filled);
    assert_ne!(filled, manifest());
    assert_eq!(filled["spec"]["groups"], groups);
    fn walk(schema: &Value, in_list: bool, path: &str) {
        assert!(!in_list || schema["default"].is_null(), "{path}");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, in_list, &format!("{path}.{name}"));
        }
        if schema["items"].is_object() {
            walk(&schema["items"], true, &format!("{path}[]"));
        }
    }
    walk(&schema["properties"]["spec"], false, "spec");
}

#[test]
fn only_what_later_pods_may_take_can_be_changed() {
    let schema = schema();
    let mut before = manifest();
    fill(&schema, &mut before);
    before["status"] = json!({"startTime": "2026-01-02T03:04:05Z"});
    for (place, value, refused) in changes::changes() {
        let mut after = manifest();
        put(&mut after, place, value.clone());
        fill(&schema, &mut after);
        let made = Validator::new().validate(&schema, &after, None);
        assert!(made.is_ok(), "{place} = {value}: {made:?}");
        after["status"] = before["status"].clone();
        let changed = Validator::new().validate(&schema, &after, Some(&before));
        let Some(name) = refused else {
            assert!(changed.is_ok(), "{place} = {value}: {changed:?}");
            continue;
        };
        let said = changed.unwrap_err()[0].message.clone();
        assert_eq!(
            said,
            format!("{name}: cannot be changed; make a new experiment"),
            "{place} = {value}"
        );
    }
}

#[test]
fn columns_are_ready_texts_of_the_status() {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["subresources"], json!({"status": {}}));
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let shown = |wide: bool| -> Vec<&str> {
        columns
            .iter()
            .filter(|column| (column["priority"] == json!(1)) == wide)
            .map(|column| column["name"].as_str().unwrap())
            .collect()
    };
    assert_eq!(
        shown(false),
        ["Topology", "Peers", "Round", "Accuracy", "Phase", "Reason", "Age"]
    );
    assert_eq!(shown(true), ["Loss", "Model", "Exchanged"]);
    for column in columns.iter().filter(|column| column["type"] != "date") {
        let path = column["jsonPath"].as_str().unwrap();
        let pointer = path.replace('.', "/properties/");
        let field = schema().pointer(&pointer).cloned().unwrap_or_default();
        assert_eq!(field["type"], "string", "{path}");
    }
}

/// A definition has to fit into etcd twice: `kubectl apply` keeps a copy in an annotation of 256 KiB at most.
#[test]
fn the_definition_is_far_from_its_limits() {
    let bytes = serde_json::to_string(&definition::definition()).unwrap().len();
    assert!(bytes < 128 * 1024, "{bytes} bytes");
}

/// Each rule is walked as often as the lists around it allow; the API server refuses a definition whose rules might cost more
/// than it wants to spend on one object. This counts the walks that each rule may cause, far below that.
#[test]
fn rules_are_walked_seldom_enough() {
    fn walk(schema: &Value, times: u64, path: &str) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(times <= 2_000, "{path} is checked {times} times: {rule}");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, times, &format!("{path}.{name}"));
        }
        if schema["items"].is_object() {
            let most = schema["maxItems"].as_u64().unwrap();
            walk(&schema["items"], times.saturating_mul(most), &format!("{path}[]"));
        }
    }
    walk(&schema()["properties"]["spec"], 1, "spec");
}
