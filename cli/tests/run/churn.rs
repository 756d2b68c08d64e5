//! Runs whose manifest says what happens to peers.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::support::{lines, read_json, run, stderr};

/// What each peer has done to itself, and what it should have done.
fn events(results: &Path) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let plan = read_json(&results.join("plan.json"));
    let planned = plan["peers"].as_array().unwrap().iter().map(|peer| {
        let events = peer["churn"].as_array().into_iter().flatten();
        let event = |due: &Value| Value::from(vec![due["event"].clone(), due["at"]["round"].clone()]);
        events.map(event).collect()
    });
    let planned: Vec<Vec<Value>> = planned.collect();
    let done = (0..planned.len() as u64).map(|peer| {
        let lines = lines(results, peer, "churn").into_iter();
        lines
            .map(|line| Value::from(vec![line["what"].clone(), line["round"].clone()]))
            .collect()
    });
    (done.collect(), planned)
}

fn lost(results: &Path) -> BTreeSet<u64> {
    let summary = read_json(&results.join("summary.json"));
    let lost = summary["lost"].as_array().into_iter().flatten();
    lost.map(|it| it["peer"].as_u64().unwrap()).collect()
}

#[test]
fn what_the_manifest_says_happens_to_each_peer_in_each_run() {
    let mut all = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let output = run("churn.yaml", folder.path(), &[]).output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        for said in [
            "warning: peer 6 left: in round 6, as `churn` says",
            "warning: peer 3 was killed by signal 9 (SIGKILL: by a user, or out of memory): in round 8, as `churn` says",
        ] {
            assert!(errors.contains(said), "{errors}");
        }
        assert_eq!(lost(folder.path()), BTreeSet::from([3, 6]), "{errors}");
        let (done, planned) = events(folder.path());
        assert_eq!(done, planned);
        all.push(done);
        let summary = read_json(&folder.path().join("summary.json"));
        assert_eq!(summary["outcome"], "completed");
        for peer in [0, 1, 2, 4, 5, 7] {
            let last = lines(folder.path(), peer, "round").pop().unwrap();
            assert_eq!(
                (&last["round"], &last["modelHash"]),
                (&19.into(), &summary["modelHash"])
            );
        }
        let ends = lines(folder.path(), 0, "roundEnd");
        let missing = |round: usize, peer: u64| ends[round]["missing"].as_array().unwrap().contains(&peer.into());
        // The deadline of a round is short, so that a slow machine may leave somebody out once before that; it folds some of what they gave.
        for (peer, last) in [(6, 5), (3, 7)] {
            assert!((0..last).any(|round| !missing(round, peer)), "peer {peer}");
            assert!((last..20).all(|round| missing(round, peer)), "peer {peer}");
        }
    }
    assert_eq!(all[0], all[1]);
}

#[test]
fn whoever_stands_still_for_ever_is_ended_when_the_others_have_finished() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "churn=[{event: pause, peers: [1], after: 100ms}, {event: wedge, peers: [2], round: 4}]",
        "training.rounds=10",
    ];
    let output = run("churn.yaml", folder.path(), &sets).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(lost(folder.path()), BTreeSet::from([1, 2]), "{errors}");
    for (peer, what, why) in [
        (1, "pause", "was away when the others finished"),
        (
            2,
            "wedge",
            "failed with exit code 1: its training hung in round 4, as `churn` says, until the others had finished",
        ),
    ] {
        assert!(errors.contains(&format!("warning: peer {peer} {why}")), "{errors}");
        let done = lines(folder.path(), peer, "churn");
        assert_eq!((done.len(), &done[0]["what"]), (1, &what.into()));
    }
    let last = lines(folder.path(), 0, "roundEnd").pop().unwrap();
    assert!(last["missing"].as_array().unwrap().contains(&2.into()), "{last}");
}
