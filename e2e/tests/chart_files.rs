//! The files of the chart agree with each other and with the rest of the repository. What helm makes of them is tested with the
//! real cluster. `cargo xtask update` writes anew what follows from other files.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "these are tests")]

#[path = "chart_files/schema.rs"]
mod schema;
#[path = "chart/values.rs"]
mod values;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use schema::Comparison;
use values::{all, at, documented, folder, read, yaml};

/// Compares a file with what it has to be, or writes it.
fn same(path: &Path, made: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, made).unwrap();
    }
    assert!(
        read(path) == made,
        "{} is out of date: cargo xtask update",
        path.display()
    );
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn templates() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&folder().join("templates"), &mut found);
    let texts = found.into_iter().map(|path| {
        let text = read(&path);
        (path, text)
    });
    texts.collect()
}

#[test]
fn the_chart_is_of_the_version_of_the_programs() {
    let chart = yaml(folder().join("Chart.yaml"));
    let version = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], version);
    assert_eq!(chart["appVersion"], version);
}

#[test]
fn the_definition_is_the_generated_one() {
    let generated = folder().join("../../crds/yaml/fltorrentexperiments.yaml");
    same(&folder().join("files/crd.yaml"), &read(generated));
}

#[test]
fn the_readme_has_every_value() {
    let path = folder().join("README.md");
    let text = read(&path);
    let begin = text.find("<!-- Made from values.yaml").unwrap();
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find("<!-- The end of what is made").unwrap();
    let mut table = "| value | meaning | default |\n| --- | --- | --- |\n".to_owned();
    for value in documented() {
        let meaning = value.meaning.replace('|', "\\|");
        table += &format!("| `{}` | {meaning} | `{}` |\n", value.path, value.default);
    }
    same(&path, &format!("{}{table}{}", &text[..begin], &text[end..]));
}

#[test]
fn every_value_has_a_comment() {
    fn walk(value: &Value, path: &str, known: &BTreeSet<String>, missing: &mut Vec<String>) {
        match value.as_object() {
            _ if known.contains(path) => {}
            Some(keys) if !keys.is_empty() => {
                for (key, value) in keys {
                    let path = format!("{path}.{key}");
                    walk(value, path.trim_start_matches('.'), known, missing);
                }
            }
            _ => missing.push(path.to_owned()),
        }
    }
    let known = documented().into_iter().map(|value| value.path).collect();
    let mut missing = Vec::new();
    let values = yaml(folder().join("values.yaml"));
    walk(&values, "", &known, &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema: Value = serde_json::from_str(&read(folder().join("values.schema.json"))).unwrap();
    let whole: Vec<String> = documented().into_iter().map(|value| value.path).collect();
    for file in [folder().join("values.yaml"), all()] {
        let mut comparison = Comparison::new(&schema, whole.clone());
        comparison.compare(&yaml(&file), &schema, "");
        assert_eq!(comparison.wrong, Vec::<String>::new(), "{}", file.display());
    }
}

/// The tests with helm begin with these values, and see that each of them makes a difference.
#[test]
fn the_fullest_values_are_all_of_them() {
    let all = yaml(all());
    for value in documented() {
        let found = at(&all, &value.path).unwrap_or_else(|| panic!("no {}", value.path));
        assert_eq!(
            *found == value.default,
            value.default == json!(true),
            "{}: {found}",
            value.path
        );
    }
}

#[test]
fn every_value_is_used_and_every_use_has_a_value() {
    let mut used = BTreeSet::new();
    for (_, text) in templates() {
        for rest in text.split(".Values.").skip(1) {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '.');
            used.insert(rest[..end.unwrap_or(rest.len())].to_owned());
        }
    }
    let values = yaml(folder().join("values.yaml"));
    for path in &used {
        assert!(at(&values, path).is_some(), "{path} is in no values.yaml");
    }
    for value in documented() {
        // A template may pass on what a value is in.
        let mut path = value.path.as_str();
        while !used.contains(path) {
            path = path
                .rsplit_once('.')
                .unwrap_or_else(|| panic!("{} is not used", value.path))
                .0;
        }
    }
}

/// Who sets one of them again would get it twice; the schema's `not` would refuse it without a word.
#[test]
fn what_the_chart_sets_is_refused_with_a_reason() {
    let checks = read(folder().join("templates/_checks.tpl"));
    let deployment = read(folder().join("templates/deployment.yaml"));
    let names = deployment.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("- name: ")?;
        name.starts_with(|letter: char| letter.is_ascii_uppercase())
            .then_some(name)
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(checks.contains(&format!("\"{name}\" \"")), "{name}");
    }
    for label in ["component", "instance", "managed-by", "name", "version"] {
        assert!(checks.contains(&format!("\"{label}\"")), "{label}");
    }
    let schema = read(folder().join("values.schema.json"));
    assert!(!schema.contains("\"not\""), "the schema refuses without a reason");
}

#[test]
fn the_network_policy_is_made_unless_it_is_turned_off() {
    let values = yaml(folder().join("values.yaml"));
    assert_eq!(at(&values, "networkPolicy.enabled"), Some(&json!(true)));
}

/// No cluster of these tests enforces a policy, so that whom it lets through is compared with the labels and ports that there are.
#[test]
fn policies_select_what_there_is() {
    let golden = read(folder().join("../../operator/tests/golden/plain.yaml"));
    let mut objects = golden
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let mut of_kind = |kind: &str| objects.find(|object| object["kind"] == kind).unwrap();
    let policy = of_kind("NetworkPolicy");
    let pod = of_kind("Pod");

    let of_operator = read(folder().join("templates/networkpolicy.yaml"));
    let peers = of_operator.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once(": ")?;
        key.starts_with("app.kubernetes.io/").then_some((key, value))
    });
    let peers: Vec<_> = peers.collect();
    assert_eq!(peers.len(), 3, "{peers:?}");
    for (key, value) in peers {
        assert_eq!(pod["metadata"]["labels"][key], json!(value), "{key}");
    }

    let rules = policy["spec"]["egress"].as_array().unwrap();
    let labels = |rule: &Value| rule["to"][0]["podSelector"]["matchLabels"].clone();
    let to_operator = rules
        .iter()
        .find(|rule| labels(rule)["app.kubernetes.io/component"] == "operator")
        .unwrap();
    let given = read(folder().join("templates/_helpers.tpl"));
    for (key, value) in labels(to_operator).as_object().unwrap() {
        let label = format!("\n{key}: {}\n", value.as_str().unwrap());
        assert!(given.contains(&label), "{label}");
    }
    let port = format!("- port: {}\n", to_operator["ports"][0]["port"]);
    assert!(of_operator.contains(&port), "{port}");
}

#[test]
fn templates_are_well_formed() {
    for (path, text) in templates() {
        let path = path.display();
        assert_eq!(text.matches("{{").count(), text.matches("}}").count(), "{path}");
        assert!(!text.contains('\t') && text.ends_with('\n'), "{path}");
        let untidy = text.lines().find(|line| line.ends_with(' '));
        assert_eq!(untidy, None, "{path}");
    }
}
