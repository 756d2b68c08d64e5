//! Links of the manifest: they take the time that their rates say, and change nothing else.

use std::path::Path;

use serde_json::Value;

use crate::support::{read_json, run, stderr};

/// 1 Mbit/s for seven updates of 18.8 KB a round.
const LINK: &str = "network.default={up: 1Mbit, down: 1Mbit, delay: 5ms, jitter: 1ms, loss: 0.5%}";
const ROUNDS: usize = 2;

#[test]
fn a_declared_network_takes_its_time_and_leaves_the_model_as_it_is() {
    let (plain, linked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rounds = format!("training.rounds={ROUNDS}");
    for (folder, more) in [(&plain, &[][..]), (&linked, &[LINK, "groups[0].computeSlowdown=1.5"])] {
        let mut sets = vec![rounds.as_str()];
        sets.extend(more);
        let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [plain, summary] = [&plain, &linked].map(|folder| read_json(&folder.path().join("summary.json")));
    assert_eq!(summary["outcome"], "completed");
    assert_eq!(summary["modelHash"], plain["modelHash"]);

    let plan = read_json(&linked.path().join("plan.json"));
    let peers = plan["peers"].as_array().unwrap().len() as f64;
    let update = plan["model"]["bytes"].as_f64().unwrap();
    let least = ROUNDS as f64 * (peers - 1.0) * update * 8.0 / 1e6;
    let rounds = summary["rounds"].as_array().unwrap();
    let took: f64 = rounds.iter().map(|round| round["wallSeconds"].as_f64().unwrap()).sum();
    assert_eq!(rounds.len(), ROUNDS);
    assert!(took >= least, "{took} s, at least {least} s");

    let exchanges = exchanges(linked.path());
    assert_eq!(exchanges.len(), ROUNDS);
    for exchange in exchanges {
        assert_eq!(exchange["congestionControl"], "rateAware", "{exchange}");
    }
}

#[test]
fn a_congestion_control_that_is_asked_for_is_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "training.rounds=1",
        "groups[0].count=2",
        "transport.congestionControl=newReno",
    ];
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let exchanges = exchanges(folder.path());
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0]["congestionControl"], "newReno");
}

/// The exchange lines of the first peer.
fn exchanges(results: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(results.join("peers/peer-0.jsonl")).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["event"] == "exchange")
        .collect()
}
