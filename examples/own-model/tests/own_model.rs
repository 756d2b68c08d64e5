//! The program as its user starts it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_own-model"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs three rounds and gives the results folder and its summary.
fn run(sets: &[&str]) -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap().to_owned();
    let mut arguments = vec!["run", "experiment.yaml", "--quiet", "--out", &out];
    for set in ["training.rounds=3", "output.peerModels=true"].iter().chain(sets) {
        arguments.extend(["--set", set]);
    }
    let output = program(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let summary = fs::read_to_string(folder.path().join("summary.json")).unwrap();
    (folder, serde_json::from_str(&summary).unwrap())
}

fn model(folder: &Path, peer: u32) -> Vec<u8> {
    fs::read(folder.join(format!("peers/peer-{peer}.safetensors"))).unwrap()
}

#[test]
fn peers_learn_together_and_end_with_one_model() {
    let (folder, summary) = run(&[]);
    let accuracy = summary["accuracy"].as_f64().unwrap();
    // A guess is right for a third of the points.
    assert!(accuracy > 0.6, "{summary:#}");
    let first = model(folder.path(), 0);
    assert!((1..4).all(|peer| model(folder.path(), peer) == first));
    let names = String::from_utf8_lossy(&first);
    assert!(names.contains("blocks.1.down.weight"));
    let report = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(report.contains("residual"));
}

#[test]
fn the_same_settings_give_the_same_model_and_others_another() {
    let hash = |sets: &[&str]| run(sets).1["modelHash"].clone();
    let first = hash(&[]);
    assert!(first.is_string());
    assert_eq!(first, hash(&["training.threads=2"]));
    assert_ne!(first, hash(&["data.custom.settings.seed=2"]));
    assert_ne!(first, hash(&["model.custom.settings.blocks=1"]));
}

#[test]
fn wrong_settings_are_refused_with_their_path() {
    for (set, expected) in [
        (
            "model.custom.settings.width=0",
            "model.custom.settings.width: 0 is out of range; 1 to 4096 will do",
        ),
        (
            "model.custom.settings={depth: 3}",
            "model.custom.settings.depth: unknown field `depth`",
        ),
        (
            "data.custom.settings.arms=300",
            "data.custom.settings.arms: invalid value: integer `300`",
        ),
        (
            "data.custom.name=circles",
            "data.custom.name: this program has no data set `circles`; it has spirals",
        ),
    ] {
        let output = program(&["validate", "experiment.yaml", "--set", set]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn every_command_knows_the_network_and_the_data() {
    for (arguments, expected) in [
        (["validate", "experiment.yaml"], "custom residual"),
        (["plan", "experiment.yaml"], "4,419"),
    ] {
        let output = program(&arguments);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success());
        assert!(stdout.contains(expected), "{stdout}");
    }
}
