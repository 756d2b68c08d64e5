//! Wrong manifests: every error names its field, what was found and what would do.

#[path = "support/document.rs"]
mod support;
#[path = "support/wrong_pods.rs"]
mod wrong_pods;
#[path = "support/wrong_values.rs"]
mod wrong_values;

use fltorrent_crds::{Plan, manifest, model::Mlp};
use serde_json::{Value, json};

use support::{manifest as base, put, remove};
use wrong_pods::wrong_pods;
use wrong_values::wrong_values;

fn errors(document: &Value) -> Vec<String> {
    errors_of(&document.to_string(), &[])
}

fn errors_of(text: &str, sets: &[(&str, &str)]) -> Vec<String> {
    let sets: Vec<(String, String)> = sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    match Plan::load(text, &sets) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_base_is_right() {
    assert_eq!(errors(&base()), [""; 0]);
}

#[test]
fn one_wrong_value_is_one_error() {
    let mut missed = Vec::new();
    for (place, value, expected) in wrong_values().into_iter().chain(wrong_pods()) {
        let mut document = base();
        put(&mut document, place, value.clone());
        let found = errors(&document);
        if found.len() != 1 || !found[0].contains(expected) {
            missed.push(format!("{place} = {value}\nexpected: {expected}\nfound: {found:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn nobody_joins_a_run_of_one_round() {
    let sets = [
        ("training.rounds", "1"),
        ("churn", "[{event: join, peers: [1], after: 5s}]"),
    ];
    let expected = "churn[0].event: the run has one round, and whoever joins takes part from a later one on; remove the entry, or give \
                    training.rounds 2 or more";
    assert_eq!(errors_of(&base().to_string(), &sets), [expected]);
}

#[test]
fn what_a_shell_would_expand_is_no_path() {
    let text = base().to_string();
    for (path, value, part) in [
        ("output.directory", "~/results", "~"),
        ("output.directory", "/srv/${USER}", "${USER}"),
        ("model.initFrom", "{path: $HOME/model.safetensors}", "$HOME"),
        (
            "data",
            "{type: idx, idx: {path: ~ann/mnist, inputShape: [8, 8], classes: 10}}",
            "~ann",
        ),
    ] {
        let errors = errors_of(&text, &[(path, value)]);
        let expected = format!(" has {part}, which is not expanded; write the whole path");
        assert!(
            errors.len() == 1 && errors[0].starts_with(path) && errors[0].contains(&expected),
            "{errors:?}"
        );
    }
}

#[test]
fn wrong_settings_of_a_text_are_errors() {
    for (setting, value, expected) in [
        (
            "context",
            json!(0),
            "data.text.context: 0 is out of range; 1 to 4096 will do",
        ),
        (
            "testFraction",
            json!(1),
            "data.text.testFraction: 1 is out of range; 0.001 to 0.9 will do",
        ),
    ] {
        let mut document = base();
        put(&mut document, "model", json!({"type": "transformer"}));
        put(&mut document, "data", json!({"type": "text", "text": {"path": "x"}}));
        put(&mut document, &format!("data/text/{setting}"), value);
        assert_eq!(errors(&document), [expected]);
    }
}

#[test]
fn every_required_field_is_missed() {
    for (place, expected) in [
        ("^apiVersion", "apiVersion: is missing"),
        ("^kind", "kind: is missing"),
        ("^metadata", "metadata.name: is missing"),
        ("^metadata/name", "metadata.name: is missing"),
        ("^spec", "spec: is missing"),
        ("groups", "groups: is missing"),
        ("groups/0/name", "groups[0].name: is missing"),
        ("groups/0/count", "groups[0].count: is missing"),
        ("topology", "topology: is missing"),
        ("topology/type", "topology.type: is missing"),
        ("model", "model: is missing"),
        ("model/type", "model.type: is missing"),
        ("model/mlp/hidden", "model.mlp.hidden: is missing"),
        ("data", "data: is missing"),
        ("data/type", "data.type: is missing"),
        ("data/partition/type", "data.partition.type: is missing"),
    ] {
        let mut document = base();
        remove(&mut document, place);
        let found = errors(&document);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{place}: {found:#?}"
        );
    }
}

#[test]
fn all_errors_come_at_once() {
    let mut document = base();
    put(&mut document, "^metadata/name", json!("Test"));
    put(&mut document, "training/ruonds", json!(3));
    put(&mut document, "groups/1/name", json!("a"));
    put(&mut document, "exchange/uploadSlots", json!(0));
    put(
        &mut document,
        "topology",
        json!({"type": "custom", "custom": {"edges": [[0, 9], [1, 1], [0, 1], [1, 0]]}}),
    );
    assert_eq!(
        errors(&document),
        [
            "metadata.name: `Test` is not a name; a name has a–z, 0–9 and `-`, a letter first, no `-` at the end, at most 45 characters",
            "exchange.uploadSlots: 0 is out of range; 1 to 10000 will do",
            "training.ruonds: unknown field; did you mean `rounds`?",
            "groups[1].name: `a` is the name of groups[0] already; give every group a name of its own",
            "topology.custom.edges[0]: peer 9 does not exist; peers are 0–7",
            "topology.custom.edges[1]: peer 1 is connected to itself; name two peers",
            "topology.custom.edges[3]: peers 0 and 1 are connected already by edges[2]; remove one of the two",
        ]
    );
}

#[test]
fn a_default_in_the_place_of_a_wrong_value_makes_no_error() {
    let mut document = base();
    // With heartbeatInterval at its default of 30s the timeout would seem too short.
    put(&mut document, "liveness/heartbeatInterval", json!("fast"));
    put(&mut document, "liveness/heartbeatTimeout", json!("2s"));
    assert_eq!(errors(&document).len(), 1);
}

#[test]
fn a_mesh_that_would_fill_the_memory_is_refused() {
    let mut document = base();
    put(&mut document, "topology/type", json!("mesh"));
    put(&mut document, "groups", json!([{"name": "a", "count": 1415}]));
    let found = errors(&document);
    assert!(
        found[0].starts_with("topology.type: a mesh of 1415 peers has 1000405 connections"),
        "{found:#?}"
    );
}

/// What depends on the number of peers, and graphs that would fill the memory.
#[test]
fn wirings_that_the_number_of_peers_forbids_are_refused() {
    for (peers, topology, expected) in [
        (
            6,
            json!({"type": "hypercube"}),
            "topology.type: a hypercube of 6 peers is not possible; the number of peers is a power of two; \
             take 4 or 8 peers, or type exponential",
        ),
        (
            7,
            json!({"type": "randomRegular", "randomRegular": {"degree": 3}}),
            "topology.randomRegular.degree: 3 neighbours for each of 7 peers; one of the two numbers is even; \
             take 4 neighbours, or 8 peers",
        ),
        (
            1,
            json!({"type": "randomRegular", "randomRegular": {"degree": 3}}),
            "topology.randomRegular.degree: 3 neighbours for each of 1 peers; one peer has no neighbours; \
             take more peers or type ring",
        ),
        (
            2,
            json!({"type": "smallWorld", "smallWorld": {"degree": 2, "rewire": 0}}),
            "topology.type: a small world of 2 peers is not possible; take 3 peers or more, or type ring",
        ),
        (
            10_000,
            json!({"type": "randomRegular", "randomRegular": {"degree": 201}}),
            "topology.randomRegular.degree: 10000 peers with 201 neighbours have 1005000 connections; \
             at most 1000000 are possible; take 200 neighbours or fewer",
        ),
        (
            10_000,
            json!({"type": "smallWorld", "smallWorld": {"degree": 202, "rewire": 0}}),
            "topology.smallWorld.degree: 10000 peers with 202 neighbours have 1010000 connections; \
             at most 1000000 are possible; take 200 neighbours or fewer",
        ),
        (
            10_000,
            json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.5}}),
            "topology.erdosRenyi.probability: 10000 peers have about 24997500 connections; \
             at most 1000000 are possible; take a probability of 0.0200 or less",
        ),
    ] {
        let mut document = base();
        put(&mut document, "groups", json!([{"name": "a", "count": peers}]));
        put(&mut document, "data", json!({"type": "idx", "idx": {"path": "x"}}));
        put(&mut document, "topology", topology);
        assert_eq!(errors(&document), [expected]);
    }
}

#[test]
fn more_peers_than_samples_are_refused() {
    let mut document = base();
    put(&mut document, "groups", json!([{"name": "a", "count": 1439}]));
    let found = errors(&document);
    assert!(
        found[0].starts_with("groups: 1439 peers for 1438 training samples"),
        "{found:#?}"
    );
}

#[test]
fn texts_that_are_no_manifest() {
    let good = base().to_string();
    for (text, expected) in [
        (String::new(), "the manifest is empty; it starts with"),
        ("# only a comment\n".to_owned(), "the manifest is empty; it starts with"),
        (
            "just a text".to_owned(),
            "the manifest is `just a text`; it starts with",
        ),
        ("- a\n- b\n".to_owned(), "the manifest is a list; it starts with"),
        ("a: [".to_owned(), "cannot be read as one YAML document; line 1 column "),
        ("a:\n\tb: c".to_owned(), "cannot be read as one YAML document"),
        (
            format!("{good}\n---\n{good}"),
            "the text has 2 YAML documents; write each into a file of its own",
        ),
        ("kind: a\nkind: b\n".to_owned(), "cannot be read as one YAML document"),
        ("a: &a {b: *a}".to_owned(), "cannot be read as one YAML document"),
        (
            "[".repeat(10_000),
            "cannot be read as one YAML document; line 1 column 256: recursion limit exceeded",
        ),
        (
            "[".repeat(100) + &"]".repeat(100),
            "cannot be read as one YAML document; its maps and lists are more than 64 deep at <input>:1:",
        ),
        (
            bomb(),
            "cannot be read as one YAML document; it has more than 500000 values, with those that aliases (`*name`) repeat",
        ),
        (
            (0..1_001).map(|n| format!("a{n}: &a{n} 1\n")).collect(),
            "cannot be read as one YAML document; it has more than 1000 anchors",
        ),
        (
            "---\na: 1\n".repeat(70),
            "cannot be read as one YAML document; it has more than 64 documents",
        ),
        (
            format!("x: {}", "1,".repeat(600_000)),
            "the text has 1200003 bytes; a manifest has at most 1048576",
        ),
        ("spec: {seed: .nan}".to_owned(), "cannot be read as one YAML document"),
        (
            "spec: {training: {learningRate: .inf}}".to_owned(),
            "cannot be read as one YAML document",
        ),
    ] {
        let found = errors_of(&text, &[]).join("\n");
        assert!(
            found.contains(expected),
            "{}\n{found}",
            text.chars().take(60).collect::<String>()
        );
    }
}

#[test]
fn empty_documents_are_none() {
    let good = base().to_string();
    for text in [
        format!("{good}\n---\n"),
        format!("---\n{good}\n---"),
        format!("---\n# only a comment\n---\n{good}\n...\n---\n---\n"),
        format!("\u{feff}{good}"),
    ] {
        assert_eq!(errors_of(&text, &[]), [""; 0], "{text}");
    }
}

#[test]
fn what_kubectl_reads_otherwise_is_refused_with_the_quoted_form() {
    let text = "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {name: drift, labels: {no: a}}
spec:
  seed: 010
  groups: [{name: y, count: 2}]
  topology: {type: ring}
  training: {rounds: 1, epochs: 1, batchSize: 8, learningRate: 0.05}
  model: {type: mlp, mlp: {hidden: [8]}}
  data: {type: csv, csv: {train: y.csv, test: y.csv, labelColumn: y, classes: 2, inputShape: [2]}}
";
    assert_eq!(
        errors_of(text, &[]),
        [
            "metadata.labels: the key `no` in line 3 is false for kubectl, which reads YAML 1.1; quote it: \"no\"",
            "seed: `010` in line 5 is 10 here, but 8 for kubectl, which reads YAML 1.1; write 10 or 8, or quote it: \"010\"",
            "groups[0].name: `y` in line 6 is a text here, but true for kubectl, which reads YAML 1.1; \
             quote it: \"y\", or write true",
            "data.csv.labelColumn: `y` in line 10 is a text here, but true for kubectl, which reads YAML 1.1; \
             quote it: \"y\", or write true",
        ]
    );
    let quoted = text
        .replace("{no: a}", "{\"no\": a}")
        .replace("010", "10")
        .replace("name: y", "name: \"y\"")
        .replace("labelColumn: y", "labelColumn: \"y\"");
    assert_eq!(errors_of(&quoted, &[]), [""; 0]);
    // A setting does not pass kubectl.
    assert_eq!(errors_of(&quoted, &[("data.csv.labelColumn", "y")]), [""; 0]);
}

#[test]
fn aliases_do_not_blow_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        text += &format!("a{i}: &a{i} [{list}]\n");
    }
    assert!(
        errors_of(&text, &[])
            .join("")
            .contains("cannot be read as one YAML document")
    );
}

#[test]
fn duplicate_keys_are_named() {
    let found = errors_of("kind: a\nkind: b\n", &[]).join("");
    assert!(found.contains("kind") && found.contains("duplicate"), "{found}");
}

#[test]
fn settings_are_checked_like_the_file() {
    let text = base().to_string();
    for (path, value, expected) in [
        ("training.rounds", "0", "training.rounds: 0 is out of range"),
        (
            "training.rounds",
            "",
            "training.rounds: --set gives it no value; write --set path=value; to take a field out, set the whole map that holds it",
        ),
        ("training.rounds", "[", "cannot be read as one YAML document"),
        (
            "trainnig.rounds",
            "3",
            "trainnig: unknown field; did you mean `training`?",
        ),
        (
            "groups[2].count",
            "3",
            "groups[2].count: --set: entry 2 does not exist; the list has 2, counted from 0",
        ),
        (
            "groups.count",
            "3",
            "groups.count: --set: a list has no field `count`; name a field of a map",
        ),
        (
            "topology[0]",
            "3",
            "topology[0]: --set: a map has no entry 0; name an entry of a list",
        ),
        (
            "seed.x",
            "3",
            "seed.x: --set: 7 has no field `x`; name a field of a map",
        ),
        ("a..b", "3", "--set `a..b`: not the path of a field"),
        ("kind", "Pod", "kind: `Pod` is not known"),
    ] {
        let found = errors_of(&text, &[(path, value)]);
        assert!(
            found.iter().any(|error| error.contains(expected)),
            "{path}={value}: {found:#?}"
        );
    }
}

#[test]
fn settings_reach_the_plan() {
    let sets = [
        ("groups[0].count", "4"),
        ("spec.training.rounds", "3"),
        ("training.rounds", "9"),
        ("metadata.name", "other"),
        ("model.mlp.hidden", "[4, 5]"),
        ("exchange.memoryBudget", "1Mi"),
        ("topology.type", "tree"),
        ("topology.tree.arity", "3"),
    ]
    .map(|(path, value)| (path.to_owned(), value.to_owned()));
    let plan = Plan::load(&base().to_string(), &sets).unwrap();
    assert_eq!(plan.peers.len(), 7);
    assert_eq!(plan.training.rounds, 9);
    assert_eq!(plan.name, "other");
    assert_eq!(plan.model.parameters, 64 * 4 + 4 + 4 * 5 + 5 + 5 * 10 + 10);
    assert_eq!(plan.exchange.memory_budget, 1 << 20);
    assert_eq!(plan.peers[0].neighbours, [1, 2, 3]);
}

#[test]
fn an_object_as_a_cluster_prints_it_is_read() {
    let mut document = base();
    put(
        &mut document,
        "^metadata",
        json!({
            "name": "test", "namespace": "lab", "uid": "u", "resourceVersion": "12", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"}, "annotations": {},
            "managedFields": [],
        }),
    );
    let experiment = manifest::parse(&document.to_string()).unwrap();
    assert_eq!(experiment.metadata.namespace.as_deref(), Some("lab"));
    assert!(Plan::from_experiment(&experiment).is_ok());
}

#[test]
fn an_experiment_that_no_text_was_read_for_is_checked_as_well() {
    let mut experiment = manifest::parse(&base().to_string()).unwrap();
    experiment.metadata.name = None;
    experiment.spec.training.rounds = 0;
    experiment.spec.training.learning_rate = f64::NAN;
    experiment.spec.model.network = Mlp { hidden: vec![0] }.into();
    let found: Vec<String> = Plan::from_experiment(&experiment)
        .unwrap_err()
        .iter()
        .map(|error| error.path.clone())
        .collect();
    assert_eq!(
        found,
        [
            "metadata.name",
            "model.mlp.hidden[0]",
            "training.learningRate",
            "training.rounds"
        ]
    );
}

/// A list of 50,000 connections that are all wrong: what is kept of it is bounded, and says that there are more.
#[test]
fn very_many_errors_are_kept_in_part() {
    let mut document = base();
    let edges = vec![[7_000, 8_000]; 50_000];
    put(
        &mut document,
        "topology",
        json!({"type": "custom", "custom": {"edges": edges}}),
    );
    let Err(errors) = Plan::load(&document.to_string(), &[]) else {
        panic!("it is wrong");
    };
    assert_eq!(errors.iter().count(), 1_000);
    let text = errors.to_string();
    assert!(text.len() < 10_000);
    assert!(text.ends_with("\n… and at least 950 more errors"), "{text}");
}

/// A text of a few lines whose aliases stand for a million values.
fn bomb() -> String {
    let nine = |name: &str| vec![format!("*{name}"); 9].join(", ");
    let mut text = format!("a: &a [{}]\n", ["x"; 9].join(", "));
    for (name, before) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f")] {
        text += &format!("{name}: &{name} [{}]\n", nine(before));
    }
    text
}
