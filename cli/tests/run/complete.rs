//! Runs that go to their end.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::Stdio,
};

use fltorrent_crds::Plan;
use serde_json::Value;

use crate::support::{read_json, run, stderr, stdout, summary};

const SHORT: [&str; 2] = ["groups[0].count=5", "training.rounds=3"];

#[test]
fn the_quickstart_learns_and_all_peers_end_with_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("quickstart.yaml", folder.path(), &[]).output().unwrap();
    let (text, errors) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");

    let summary = read_json(&folder.path().join("summary.json"));
    let hash = summary["modelHash"].as_str().unwrap();
    assert_eq!(summary["outcome"], "completed");
    assert!(summary["accuracy"].as_f64().unwrap() >= 0.90, "{text}");
    assert!(text.contains(&format!("model     {hash}, the same on all 8 peers")));
    for round in 1..=10 {
        let begin = format!("{round}/10 ");
        let lines = text.lines().filter(|line| line.trim_start().starts_with(&begin));
        assert_eq!(lines.count(), 1, "round {round} in\n{text}");
    }

    // The parts add up to the whole.
    let classes = summary["classes"].as_array().unwrap();
    let sum = |value: &dyn Fn(&Value) -> f64| classes.iter().map(value).sum::<f64>();
    assert_eq!(
        (classes.len(), sum(&|class| class["samples"].as_f64().unwrap())),
        (10, 359.0)
    );
    let right = sum(&|class| class["samples"].as_f64().unwrap() * class["accuracy"].as_f64().unwrap());
    assert!((right / 359.0 - summary["accuracy"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(summary["testSamples"], 359);

    // Each peer gets each of the others' chunks once, in every round.
    for round in summary["rounds"].as_array().unwrap() {
        assert_eq!(round["bytesReceived"], 8 * 7 * 4810 * 4, "{round}");
    }

    // Each peer says the same of itself.
    for peer in 0..8 {
        let path = folder.path().join(format!("peers/peer-{peer}.jsonl"));
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.iter().rfind(|line| line["event"] == "round");
        let last = last.unwrap();
        assert_eq!(last["modelHash"], hash, "peer {peer}");
        assert_eq!(last["round"], 9);
        assert_statuses(&lines);
        let exchanges: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["event"] == "exchange")
            .collect();
        for (round, exchange) in exchanges.iter().enumerate() {
            assert_eq!(exchange["round"], round);
            let flows = exchange["flows"].as_array().unwrap();
            let received = flows.iter().map(|flow| &flow["bytesReceived"]);
            let received: u64 = received.map(|bytes| bytes.as_u64().unwrap()).sum();
            assert_eq!(received, 7 * 4810 * 4, "{exchange}");
            let end = exchange["completion"].as_array().unwrap().last().unwrap();
            assert_eq!(end[1], 80, "{exchange}");
            assert_eq!(exchange["origins"].as_array().unwrap().len(), 8);
        }
        assert_eq!(exchanges.len(), 10);
        let log = folder.path().join(format!("peers/peer-{peer}.log"));
        for line in fs::read_to_string(log).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }

    // What was run can be run again.
    let manifest = fs::read_to_string(folder.path().join("manifest.yaml")).unwrap();
    let plan = serde_json::to_value(Plan::load(&manifest, &[]).unwrap()).unwrap();
    assert_eq!(plan, read_json(&folder.path().join("plan.json")));
    assert!(folder.path().join("model.safetensors").is_file());
}

/// Status lines of a peer are consistent with its rounds.
fn assert_statuses(lines: &[Value]) {
    let of = |event| lines.iter().filter(move |line| line["event"] == event);
    let statuses: Vec<&Value> = of("status").collect();
    assert_eq!(statuses[0]["state"], "connecting");
    let last = statuses.last().unwrap();
    assert_eq!(last["state"], "finished");
    assert_eq!((&last["held"], &last["total"]), (&80.into(), &80.into()));
    for field in ["bytesSent", "bytesReceived"] {
        let sum: u64 = of("round").map(|line| line[field].as_u64().unwrap()).sum();
        assert!(last[field].as_u64().unwrap() >= sum, "{field} in {last}");
    }
    for pair in statuses.windows(2) {
        for field in ["time", "round", "bytesSent", "bytesReceived", "faults"] {
            let [before, after] = [pair[0], pair[1]].map(|status| status[field].as_f64().unwrap());
            assert!(before <= after, "{field} of {} after {}", pair[1], pair[0]);
        }
        assert!(pair[1]["held"].as_u64() <= pair[1]["total"].as_u64());
        assert!(pair[1]["chokedBy"].as_u64() <= pair[1]["neighbours"].as_u64());
    }
}

#[test]
fn a_second_run_and_every_topology_end_with_the_same_model() {
    let mut hashes = Vec::new();
    for topology in [
        "{type: ring}",
        "{type: ring}",
        "{type: star}",
        "{type: star, star: {hub: 3}}",
        "{type: mesh}",
        "{type: tree, tree: {arity: 2}}",
        "{type: custom, custom: {edges: [[0, 1], [1, 2], [2, 3], [3, 4]]}}",
    ] {
        let set = format!("topology={topology}");
        let summary = summary("quickstart.yaml", &[SHORT[0], SHORT[1], &set]);
        hashes.push((topology, summary["modelHash"].as_str().unwrap().to_owned()));
    }
    for (topology, hash) in &hashes {
        assert_eq!(*hash, hashes[0].1, "{topology}");
    }
    let other = summary("quickstart.yaml", &[SHORT[0], SHORT[1], "seed=7"]);
    assert_ne!(other["modelHash"], hashes[0].1);
}

#[test]
fn peers_keep_their_models_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [SHORT[0], SHORT[1], "output.peerModels=true"];
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let model = fs::read(folder.path().join("model.safetensors")).unwrap();
    assert!(model.len() > 4810 * 4);
    for peer in 0..5 {
        let path = folder.path().join(format!("peers/peer-{peer}.safetensors"));
        assert!(fs::read(path).unwrap() == model, "peer {peer} has another model");
    }
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("quickstart.yaml", folder.path(), &SHORT)
        .args(["--output", "json"])
        .output()
        .unwrap();
    let events: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "round", "round", "round", "finished"]);
    assert_eq!(events[0]["peers"], 5);
    assert_eq!(
        events[0]["trainSamples"].as_u64().unwrap() + events[0]["testSamples"].as_u64().unwrap(),
        1797
    );
    for (round, event) in events[1..4].iter().enumerate() {
        assert_eq!(event["round"], round);
        assert_eq!(event["chunksHeld"], 5 * 5 * 10);
        assert!(event["bytesReceived"].as_u64().unwrap() > 0);
        assert_eq!(event["modelsAgree"], true);
    }
    assert_eq!(events[4]["modelHash"], events[3]["modelHash"]);
    assert_eq!(events[4]["run"], events[0]["run"]);
}

#[test]
fn quiet_prints_only_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = run("quickstart.yaml", folder.path(), &SHORT);
    let output = command.arg("--quiet").output().unwrap();
    let text = stdout(&output);
    let first_words: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first_words, ["accuracy", "model", "results", "report"]);
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = run("quickstart.yaml", folder.path(), &SHORT)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
    assert_eq!(read_json(&folder.path().join("summary.json"))["outcome"], "completed");
}

#[test]
fn a_full_disk_behind_standard_output_does_not_end_the_run_but_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = run("quickstart.yaml", folder.path(), &SHORT)
        .stdout(full)
        .output()
        .unwrap();
    assert!(stderr(&output).contains("cannot write to standard output: No space left"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(read_json(&folder.path().join("summary.json"))["outcome"], "completed");
}
