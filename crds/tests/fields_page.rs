//! `docs/fields.md` is generated, and its examples have every field and every value that the definition names.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/field_examples.rs"]
mod field_examples;
#[path = "support/generated.rs"]
mod generated;
#[path = "support/leaves.rs"]
mod leaves;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use fltorrent_crds::{
    FieldError, Plan,
    catalogue::{Catalogue, Form, Task},
    definition,
    plan::TensorPlan,
};
use kube_core::cel::Validator;
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../docs/fields.md");

fn schema() -> Value {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn spec_schema() -> Value {
    schema()["properties"]["spec"].clone()
}

/// The spec that an example writes.
fn spec(name: &str, text: &str) -> Value {
    let value: Value = serde_saphyr::from_str(text).unwrap();
    match name {
        "minimal" => value["spec"].clone(),
        _ => value,
    }
}

#[test]
fn the_page_is_what_the_definition_and_the_examples_say() {
    let output = Command::new(env!("CARGO_BIN_EXE_crdgen"))
        .arg("fields")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    generated::assert_is("../docs/fields.md", &output.stdout);
}

#[test]
fn the_generator_does_not_guess_what_is_wanted() {
    let mut crdgen = Command::new(env!("CARGO_BIN_EXE_crdgen"));
    let output = crdgen.arg("feilds").output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("`fields`"));
}

#[test]
fn pages_that_it_names_are_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let links: Vec<&str> = PAGE
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with('#'))
        .collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        assert!(docs.join(link).is_file(), "{link}");
    }
}

#[test]
fn every_field_is_in_an_example() {
    let schema = spec_schema();
    let mut fields = BTreeSet::new();
    leaves::leaves(&schema, "", &mut fields);
    let mut shown = BTreeSet::new();
    for (name, text, _) in field_examples::examples() {
        leaves::written(&schema, &spec(&name, &text), "", &mut shown);
    }
    assert_eq!(fields, shown);
}

/// A union's kinds are shown at each place where the union is; other values once for each field of their name.
#[test]
fn every_value_that_has_a_name_is_in_an_example() {
    fn named(path: &str, values: &Value) -> Option<(String, Vec<String>)> {
        let values = values.as_array()?.iter();
        let values: Vec<String> = values.map(|value| value.as_str().unwrap().to_owned()).collect();
        let field = path.rsplit('.').next().unwrap();
        let place = if field == "type" { path } else { field };
        Some((format!("{place}: {}", values.join(", ")), values))
    }
    fn wanted(schema: &Value, path: &str, all: &mut BTreeMap<String, BTreeSet<String>>) {
        if let Some((place, values)) = named(path, &schema["enum"]) {
            all.insert(place, values.into_iter().collect());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            wanted(field, &format!("{path}.{name}"), all);
        }
        if schema["items"].is_object() {
            wanted(&schema["items"], path, all);
        }
    }
    let schema = spec_schema();
    let mut all = BTreeMap::new();
    wanted(&schema, "", &mut all);
    assert!(all.len() > 20, "{all:?}");
    for (name, text, _) in field_examples::examples() {
        let spec = spec(&name, &text);
        leaves::visit(&schema, &spec, "", &mut |path, schema, value| {
            let (schema, values) = match value.as_array() {
                Some(items) => (&schema["items"], items.as_slice()),
                None => (schema, std::slice::from_ref(value)),
            };
            // `wanted` has the paths without the entries of lists, and a point first.
            let path = format!(".{}", path.replace("[]", ""));
            if let Some((place, _)) = named(&path, &schema["enum"]) {
                let missing = all.get_mut(&place).unwrap();
                for value in values {
                    missing.remove(value.as_str().unwrap());
                }
            }
        });
    }
    all.retain(|_, missing| !missing.is_empty());
    assert_eq!(all, BTreeMap::new(), "values that no example has");
}

#[test]
fn every_example_is_a_plan_without_warnings() {
    for (name, _, manifest) in field_examples::examples() {
        let (_, plan) =
            Plan::load_with(&manifest, &[], &OfThePage).unwrap_or_else(|errors| panic!("{name}: {errors}\n{manifest}"));
        let warnings: Vec<&str> = plan
            .warnings
            .iter()
            .map(|warning| warning.path.as_str())
            // A star is warned about whatever its fields are.
            .filter(|path| *path != "topology.star.hub")
            .collect();
        assert!(warnings.is_empty(), "{name}: {:?}", plan.warnings);
    }
}

/// As far as that can be told without an API server; `e2e/tests/real_cluster/admission.rs` applies them to one.
#[test]
fn every_example_keeps_the_rules_of_the_definition() {
    let schema = schema();
    for (name, _, manifest) in field_examples::examples() {
        let document: Value = serde_saphyr::from_str(&manifest).unwrap();
        let rules = Validator::new().validate(&schema, &document, None);
        assert!(rules.is_ok(), "{name}: {rules:?}");
    }
}

/// A program with the network and the data set that the examples name.
struct OfThePage;

impl Catalogue for OfThePage {
    fn networks(&self) -> Vec<&str> {
        vec!["residual"]
    }

    fn tensors(&self, name: &str, _: &Map<String, Value>, task: &Task) -> Option<Result<Vec<TensorPlan>, FieldError>> {
        let weight = TensorPlan::new("weight", [u64::from(task.classes), task.input_len()]);
        (name == "residual").then(|| Ok(vec![weight]))
    }

    fn data_sets(&self) -> Vec<&str> {
        vec!["spirals"]
    }

    fn data_set(&self, name: &str, _: &Map<String, Value>) -> Option<Result<Form, FieldError>> {
        let form = || Form {
            input_shape: vec![2],
            classes: 3,
        };
        (name == "spirals").then(|| Ok(form()))
    }
}
