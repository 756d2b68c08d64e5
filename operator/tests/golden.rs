//! What is built, to the letter. `cargo xtask update` writes the files anew; look at what differs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use fltorrent_coordinator::secret::RootSecret;
use fltorrent_crds::{definition, manifest};
use fltorrent_operator::{
    build::Site,
    config::PeerUser,
    rbac::{self, Place},
    render::render,
};
use serde_json::{Map, Value, json};

/// Manifests under `tests/golden`, each with what is built from it beside it. Together they have every field of pods.
const CASES: [&str; 4] = ["plain", "all", "claims", "url"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn site() -> Site {
    Site {
        namespace: "fltorrent-system".into(),
        service: "fltorrent-operator".into(),
        port: 8443,
        cluster_domain: "cluster.local".into(),
        peer_image: "registry.example/peer:1".into(),
        peer_cuda_image: "registry.example/peer-cuda:1".into(),
        peer_user: PeerUser::default(),
    }
}

/// The objects, or why there are none.
fn tried(manifest: &str) -> Result<String, String> {
    let mut experiment = manifest::parse(manifest).map_err(|errors| errors.to_string())?;
    experiment.metadata.namespace = Some("team".into());
    experiment.metadata.uid = Some("6d1f3a52-0000-4000-8000-000000000001".into());
    let root = RootSecret::from_bytes(&[7; 32]).unwrap();
    render(experiment, &site(), &root).map_err(|error| error.to_string())
}

fn built(manifest: &str) -> String {
    tried(manifest).unwrap_or_else(|error| panic!("{error}\n{manifest}"))
}

fn source(case: &str) -> String {
    fs::read_to_string(folder().join(format!("{case}.manifest.yaml"))).unwrap()
}

/// Writes what was found, where that is asked for.
fn update(path: &Path, found: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, found).unwrap();
    }
}

#[test]
fn what_is_built_is_golden() {
    for case in CASES {
        let path = folder().join(format!("{case}.yaml"));
        let found = built(&source(case));
        update(&path, &found);
        let golden = fs::read_to_string(&path).unwrap_or_default();
        let differs = found
            .lines()
            .zip(golden.lines())
            .enumerate()
            .find(|(_, (found, golden))| found != golden);
        assert!(found == golden, "{case}: the first line that differs: {differs:?}");
    }
}

#[test]
fn the_chart_has_the_rules_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/fltorrent/files/rbac");
    for place in Place::value_variants() {
        let name = place.to_possible_value().unwrap();
        let path = folder.join(format!("{}.yaml", name.get_name()));
        let text = rbac::yaml(*place);
        update(&path, &text);
        let same = fs::read_to_string(&path).unwrap() == text;
        assert!(same, "{} is out of date: cargo xtask update", path.display());
    }
}

#[test]
fn no_manifest_or_golden_file_is_left_over() {
    let known: BTreeSet<String> = CASES
        .iter()
        .flat_map(|case| [format!("{case}.yaml"), format!("{case}.manifest.yaml")])
        .collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, known);
}

/// Paths of the fields of pods that a schema has, without numbers of list entries.
fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            leaves(property, &format!("{path}.{name}"), found);
        }
    } else if schema["items"]["properties"].is_object() {
        leaves(&schema["items"], &format!("{path}[]"), found);
    } else {
        found.insert(path.to_owned());
    }
}

fn schema() -> Value {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// The places of a value's leaves, as JSON pointers, with the schema of each.
fn places<'s>(value: &Value, schema: &'s Value, pointer: &str, found: &mut Vec<(String, &'s Value)>) {
    match value {
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, field) in fields {
                places(field, &schema["properties"][name], &format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(entries) if schema["items"]["properties"].is_object() => {
            for (index, entry) in entries.iter().enumerate() {
                places(entry, &schema["items"], &format!("{pointer}/{index}"), found);
            }
        }
        _ => found.push((pointer.to_owned(), schema)),
    }
}

/// Another value of the same kind.
fn another(value: &Value, schema: &Value) -> Value {
    if let Some(others) = schema["enum"].as_array() {
        return others
            .iter()
            .find(|other| *other != value)
            .unwrap_or(&Value::Null)
            .clone();
    }
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            match text[..digits].parse::<u64>() {
                Ok(number) => json!(format!("{}{}", number + 1, &text[digits..])),
                Err(_) => json!(format!("{text}x")),
            }
        }
        Value::Array(entries) => Value::Array(entries.iter().map(|entry| another(entry, &schema["items"])).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| (key.clone(), another(field, &Value::Null)))
                .collect::<Map<_, _>>(),
        ),
        Value::Null => Value::Null,
    }
}

/// The path of a place, without numbers of list entries.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        match step.parse::<usize>() {
            Ok(_) => path.push_str("[]"),
            Err(_) => {
                path.push('.');
                path.push_str(step);
            }
        }
    }
    path
}

/// A document with another value at a place of its specification; where that is refused, without the value, else without what it stands in.
fn changed(document: &Value, pointer: &str, schema: &Value, before: &str) -> Option<String> {
    let mut with = document.clone();
    let place = with["spec"].pointer_mut(pointer)?;
    *place = another(place, schema);
    let parts = pointer.match_indices('/').map(|(at, _)| &pointer[..at]).rev();
    let without = std::iter::once(pointer).chain(parts).take(3).map(|whole| {
        let mut without = document.clone();
        let (parent, name) = whole.rsplit_once('/').unwrap_or_default();
        match without["spec"].pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.remove(name)),
            Some(Value::Array(entries)) => drop(entries.remove(name.parse().unwrap())),
            _ => {}
        }
        without
    });
    if let Ok(after) = tried(&with.to_string()) {
        return Some(after);
    }
    without
        .filter_map(|document| tried(&document.to_string()).ok())
        .find(|after| after != before)
}

#[test]
fn every_field_of_pods_changes_what_is_built() {
    let schema = schema();
    let mut missing = BTreeSet::new();
    for (parent, part) in [
        ("", &schema["properties"]["kubernetes"]),
        (
            ".groups[]",
            &schema["properties"]["groups"]["items"]["properties"]["kubernetes"],
        ),
    ] {
        leaves(part, &format!("{parent}.kubernetes"), &mut missing);
    }
    assert!(missing.len() > 60);
    for case in CASES {
        let document: Value = serde_saphyr::from_str(&source(case)).unwrap();
        let before = built(&document.to_string());
        let mut found = Vec::new();
        places(&document["spec"], &schema, "", &mut found);
        for (pointer, schema) in found {
            let path = path(&pointer);
            if !path.contains(".kubernetes.") {
                continue;
            }
            // Where nothing else is allowed at this place, another place has to show it.
            if let Some(after) = changed(&document, &pointer, schema, &before) {
                assert!(after != before, "{case}: {pointer}");
                missing.remove(&path);
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "no manifest here has these fields");
}
