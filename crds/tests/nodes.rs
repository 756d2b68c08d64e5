//! Nodes files: both forms, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use fltorrent_crds::{Plan, manifest::MAX_BYTES, nodes::Nodes};

/// As users of mesh clients write it.
const YAML: &str = r#"
training:
  rounds: 50
  batch_size: 64
  learning_rate: 0.05

nodes:
  - id: 0
    host: 192.168.1.100    # External IP/hostname
    port: 8888
    type: honest
    bind_host: "0.0.0.0"   # Optional: local bind address

  - id: 1
    host: 192.168.1.101
    port: 8888
    type: honest
"#;

const JSON: &str = r#"{
  "nodes": [
    {"id": 1, "host": "fd00::1", "port": 8888, "type": "honest"},
    {"id": 0, "host": "node0.example.org", "port": 8888}
  ]
}"#;

const OWN: &str = r#"
attempt: 2
authority: PEM
peers:
  - {index: 1, address: "[fd00::1]:8888", bind: "[::]:9999"}
  - {index: 0, address: "node0:8888"}
"#;

fn errors(text: &str) -> String {
    match Nodes::parse(text) {
        Ok(nodes) => panic!("{text} is taken as {nodes:?}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_file_of_a_mesh_client_is_read_as_written() {
    let nodes = Nodes::parse(YAML).unwrap();
    assert_eq!(nodes.peers.len(), 2);
    assert_eq!(nodes.peers[0].address.to_string(), "192.168.1.100:8888");
    assert_eq!(nodes.peers[0].bind, Some("0.0.0.0:8888".parse().unwrap()));
    assert_eq!(nodes.peers[1].bind, None);
    assert_eq!(nodes.training.rounds, Some(50));

    let nodes = Nodes::parse(JSON).unwrap();
    assert_eq!(nodes.peers[0].address.to_string(), "node0.example.org:8888");
    assert_eq!(nodes.peers[1].address.to_string(), "[fd00::1]:8888");
}

#[test]
fn our_own_form_is_read() {
    let nodes = Nodes::parse(OWN).unwrap();
    assert_eq!(nodes.attempt, Some(2));
    assert_eq!(nodes.authority.as_deref(), Some("PEM"));
    assert_eq!(nodes.peers[0].address.to_string(), "node0:8888");
    assert_eq!(nodes.peers[1].bind, Some("[::]:9999".parse().unwrap()));
}

#[test]
fn without_a_manifest_there_is_a_mesh_with_the_defaults_of_mesh_clients() {
    for (text, rounds) in [(YAML.replace("rounds: 50", "rounds: 7"), 7), (JSON.to_owned(), 50)] {
        let nodes = Nodes::parse(&text).unwrap();
        let plan = Plan::load(&nodes.default_manifest(), &[]).unwrap();
        assert_eq!(plan.peers.len(), 2);
        assert_eq!(plan.peers[0].neighbours, [1]);
        assert_eq!(plan.training.rounds, rounds);
        assert_eq!(plan.training.batch_size, 64);
        assert_eq!(plan.training.learning_rate, 0.05);
        nodes.check(&plan).unwrap();
    }
}

#[test]
fn what_differs_from_the_manifest_is_named_with_both_values() {
    let plan = |sets: &[(&str, &str)]| {
        let sets: Vec<_> = sets
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        let text = Nodes::parse(YAML).unwrap().default_manifest();
        Plan::load(&text, &sets).unwrap()
    };
    for (path, value, message) in [
        (
            "training.rounds",
            "10",
            "training.rounds: 50 here, but the manifest's training.rounds is 10",
        ),
        (
            "training.batchSize",
            "8",
            "training.batch_size: 64 here, but the manifest's training.batchSize is 8",
        ),
        (
            "training.learningRate",
            "0.1",
            "training.learning_rate: 0.05 here, but the manifest's training.learningRate is 0.1",
        ),
        ("groups[0].count", "3", "the file has 2 peers, the manifest has 3"),
    ] {
        let found = Nodes::parse(YAML)
            .unwrap()
            .check(&plan(&[(path, value)]))
            .unwrap_err()
            .to_string();
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn wrong_values_are_refused_with_their_path() {
    for (from, to, message) in [
        ("id: 1", "id: 2", "nodes[1].id: 2 is out of range"),
        ("id: 1", "id: 0", "nodes[1].id: 0 is there twice, first in nodes[0]"),
        ("id: 1", "id: -1", "nodes[1].id: "),
        ("id: 1", "id: x", "nodes[1].id: "),
        ("    host: 192.168.1.101\n", "", "nodes[1].host: is missing"),
        ("host: 192.168.1.101", "host: 192.168.1.256", "nodes[1].host: "),
        ("host: 192.168.1.101", "host: 0.0.0.0", "nodes[1].host: 0.0.0.0 means"),
        ("host: 192.168.1.101", "host: a b", "nodes[1].host: "),
        (
            "host: 192.168.1.101",
            "host: 192.168.1.100",
            "nodes[1]: 192.168.1.100:8888 is the address of nodes[0] as well",
        ),
        ("port: 8888", "port: 0", "nodes[0].port: 0 is out of range"),
        ("port: 8888", "port: 65536", "nodes[0].port: 65536 is out of range"),
        (
            "port: 8888",
            "prot: 8888",
            "nodes[0].prot: unknown field; did you mean `port`?",
        ),
        (
            "type: honest",
            "type: byzantine",
            "nodes[0].type: `byzantine` is not supported yet: there are no attacks",
        ),
        ("type: honest", "type: evil", "nodes[0].type: "),
        ("\"0.0.0.0\"", "eth0", "nodes[0].bind_host: `eth0` is not an IP address"),
        ("rounds: 50", "rounds: 0", "training.rounds: 0 is out of range"),
        ("batch_size: 64", "batch_size: 0", "training.batch_size: "),
        ("learning_rate: 0.05", "learning_rate: -1", "training.learning_rate: "),
        ("rounds: 50", "epochs: 50", "training.epochs: unknown field"),
        (
            "training:",
            "trainig:",
            "trainig: unknown field; did you mean `training`?",
        ),
    ] {
        assert!(YAML.contains(from), "{from}");
        let found = errors(&YAML.replacen(from, to, 1));
        assert!(found.starts_with(message), "{to}: {found}");
    }
    for (from, to, message) in [
        ("index: 1", "index: 2", "peers[0].index: 2 is out of range"),
        ("node0:8888", "node0", "peers[1].address: "),
        ("node0:8888", "node0:0", "peers[1].address: "),
        ("[::]:9999", "9999", "peers[0].bind: "),
        ("[::]:9999", "[::]:0", "peers[0].bind: "),
        ("attempt: 2", "attempt: 1000", "attempt: 1000 is out of range"),
        ("authority: PEM", "authority: ''", "authority: the text is empty"),
        ("bind:", "bnid:", "peers[0].bnid: unknown field; did you mean `bind`?"),
    ] {
        assert!(OWN.contains(from), "{from}");
        let found = errors(&OWN.replacen(from, to, 1));
        assert!(found.starts_with(message), "{to}: {found}");
    }
}

#[test]
fn texts_of_another_form_are_refused() {
    for (text, message) in [
        ("", "the file has no fields"),
        ("[]", "the file has no fields"),
        ("{}", "the file has neither peers nor nodes"),
        ("{nodes: [], peers: []}", "the file has both peers and nodes"),
        ("{nodes: []}", "nodes: the list is empty"),
        ("nodes: [", "the text cannot be read"),
    ] {
        let found = errors(text);
        assert!(found.starts_with(message), "{text}: {found}");
    }
    let long = " ".repeat(MAX_BYTES + 1);
    assert!(errors(&long).starts_with("the text has 1048577 bytes"));
}
