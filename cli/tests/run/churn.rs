//! Runs whose manifest says what happens to peers.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use crate::support::{Endless, Process, lines, read_json, run, stderr};

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

/// Runs the churn example to a good end; what it printed beside its results.
fn succeed(results: &Path, sets: &[&str]) -> String {
    let output = run("churn.yaml", results, sets).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    errors
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
        let errors = succeed(folder.path(), &[]);
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
    let errors = succeed(folder.path(), &sets);
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

#[test]
fn nobody_waits_for_a_training_that_hangs_longer_than_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "churn=[{event: wedge, peers: [2], round: 4, for: 3s}]",
        "exchange.round.deadline=none",
        "liveness.progressLease=1s",
        "training.rounds=60",
    ];
    let results = folder.path();
    succeed(results, &sets);
    assert_all_finished(results, 60);
    let missed = &lines(results, 0, "roundEnd")[3];
    assert_eq!(
        (&missed["cause"], &missed["missing"]),
        (&"quorum".into(), &vec![2].into())
    );
    for peer in 0..8 {
        let hangs = lines(results, peer, "hang")
            .into_iter()
            .filter(|line| line["peer"] == 2);
        let hangs: Vec<Value> = hangs.map(|line| line["hangs"].clone()).collect();
        assert_eq!(hangs, [true, false], "peer {peer}");
    }
}

/// The hang outlasts the run.
#[test]
fn nobody_waits_at_the_end_for_a_training_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "churn=[{event: wedge, peers: [2], round: 4, for: 1h}]",
        "liveness.progressLease=500ms",
        "liveness.heartbeatTimeout=2s",
        "liveness.heartbeatInterval=500ms",
    ];
    let errors = succeed(folder.path(), &sets);
    assert!(
        errors.contains("its training hung in round 4, as `churn` says, until the others had finished"),
        "{errors}"
    );
    let lost = read_json(&folder.path().join("summary.json"))["lost"].clone();
    assert_eq!(lost[0]["peer"], 2, "{lost}");
}

#[test]
fn a_peer_whose_training_hangs_is_the_bottleneck_of_that_round() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "churn=[{event: wedge, peers: [2], round: 3, for: 3s}]",
        "training.rounds=4",
        "exchange.round.deadline=none",
    ];
    succeed(folder.path(), &sets);
    let results = folder.path();
    for peer in 0..8 {
        let ends = lines(results, peer, "roundEnd");
        let waited_for = |end: &Value| end["bottleneck"]["peer"].as_u64();
        match peer {
            2 => assert_eq!(waited_for(&ends[2]), None, "{}", ends[2]),
            _ => assert_eq!(ends[2]["bottleneck"], json!({"peer": 2, "phase": "training"})),
        }
        assert!(ends.iter().all(|end| waited_for(end) != Some(peer)));
    }
    let summary = read_json(&results.join("summary.json"));
    assert_eq!(
        summary["rounds"][2]["bottleneck"],
        json!({"peer": 2, "phase": "training"})
    );
    let counts = summary["waitedFor"].as_array().unwrap();
    let of_it = counts.iter().find(|count| count["peer"] == 2).unwrap();
    assert!(of_it["training"].as_u64() >= Some(1), "{of_it}");
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("peer 2, training"));
}

/// What a peer has done to itself, with the rounds from 0.
fn done(results: &Path, peer: u64) -> Vec<(String, u64)> {
    let lines = lines(results, peer, "churn").into_iter();
    lines
        .map(|line| {
            (
                line["what"].as_str().unwrap().to_owned(),
                line["round"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// Everybody has come to the end, with one model.
fn assert_all_finished(results: &Path, rounds: u64) {
    let summary = read_json(&results.join("summary.json"));
    assert_eq!(summary["outcome"], "completed");
    assert_eq!(lost(results), BTreeSet::new());
    for peer in 0..8 {
        let last = lines(results, peer, "round").pop().unwrap();
        let model = (&last["round"], &last["modelHash"]);
        assert_eq!(model, (&(rounds - 1).into(), &summary["modelHash"]), "peer {peer}");
    }
    let last = lines(results, 0, "roundEnd").pop().unwrap();
    assert_eq!(last["missing"], Value::Array(Vec::new()));
}

#[test]
fn whoever_is_restarted_comes_back_and_goes_on_with_what_is_left_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let churn = "churn=[{event: restart, peers: [1], round: 4}, {event: restart, peers: [1], round: 40}, \
                 {event: restart, peers: [2], round: 6, for: 2s}]";
    // Nobody is restarted for another reason.
    let sets = [churn, "training.rounds=60", "restarts=0"];
    let results = folder.path();
    let errors = succeed(results, &sets);
    let restart = |round: u64| ("restart".to_owned(), round);
    assert_eq!(done(results, 1), [restart(3), restart(39)], "{errors}");
    assert_eq!(done(results, 2), [restart(5)], "{errors}");
    assert_eq!(lines(results, 2, "churn")[0]["for"], "2s");
    let said = "warning: peer 1 died: in round 4, as `churn` says, after 3 finished rounds: it is restarted";
    assert!(errors.contains(said), "{errors}");
    assert_all_finished(results, 60);
    let summary = read_json(&results.join("summary.json"));
    let restarts: Vec<&Value> = (0..8).map(|peer| &summary["peers"][peer]["restarts"]).collect();
    assert_eq!(restarts[1..3], [&Value::from(2), &Value::from(1)], "{summary}");
    // A process that is away for longer than silence takes misses rounds, and the others have them.
    let ends = lines(results, 0, "roundEnd");
    assert_eq!(ends.len(), 60);
    let is_missing = |end: &Value| end["missing"].as_array().unwrap().contains(&2.into());
    assert!(ends.iter().any(is_missing));
}

#[test]
fn chunks_in_files_are_not_fetched_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    // All wait for peer 2, while peer 1 is restarted with the updates of the others.
    let sets = [
        "churn=[{event: wedge, peers: [2], round: 1, for: 10s}, {event: restart, peers: [1], after: 2s}]",
        "training.rounds=6",
        "exchange.memoryBudget=0",
        "exchange.round.deadline=none",
        "restarts=0",
    ];
    let results = folder.path();
    succeed(results, &sets);
    assert_all_finished(results, 6);
    let log = std::fs::read_to_string(results.join("peers/peer-1.log")).unwrap();
    let kept = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept = kept.filter(|line| line["message"] == "kept by an earlier process");
    let kept: u64 = kept.map(|line| line["chunks"].as_u64().unwrap()).sum();
    let rounds = lines(results, 1, "round");
    let first = &rounds[0];
    assert_eq!(first["round"], 0, "{first}");
    let chunks = first["chunksTotal"].as_u64().unwrap();
    assert_eq!(first["chunksHeld"], chunks);
    assert_eq!(kept, chunks / 8 * 7, "all but the update of peer 2");
    let received = |peer| lines(results, peer, "round")[0]["bytesReceived"].as_u64().unwrap();
    // Peer 0 has received the updates of seven others in that round, and this process that of one.
    assert_eq!(received(1) * 7, received(0));
}

#[test]
fn whoever_joins_later_is_missing_before_and_takes_part_from_then_on() {
    for (churn, from) in [
        ("churn=[{event: join, peers: [5], round: 6}]", 5),
        ("churn=[{event: join, peers: [0, 5], after: 1s}]", 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sets = [churn, "training.rounds=40"];
        let results = folder.path();
        let errors = succeed(results, &sets);
        assert_all_finished(results, 40);
        let [(what, _)] = &done(results, 5)[..] else {
            panic!("{errors}");
        };
        assert_eq!(what, "join");
        let began = lines(results, 5, "training")[0]["round"].as_u64().unwrap();
        assert!(began >= from, "{began}");
        let ends = lines(results, 1, "roundEnd");
        assert_eq!(ends.len(), 40, "nobody waited for it");
        for end in ends.iter().filter(|end| end["round"].as_u64().unwrap() < began) {
            assert!(end["missing"].as_array().unwrap().contains(&5.into()), "{end}");
        }
    }
}

#[test]
fn whoever_would_come_after_the_end_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "churn=[{event: join, peers: [5], after: 1h}, {event: restart, peers: [2], round: 4, for: 1h}]",
        "training.rounds=10",
    ];
    let errors = succeed(folder.path(), &sets);
    assert_eq!(lost(folder.path()), BTreeSet::from([2, 5]), "{errors}");
    for said in [
        "warning: peer 2 died: in round 4, as `churn` says",
        "warning: peer 5 had yet to join when the others finished",
    ] {
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn nobody_waits_to_join_when_everybody_who_began_is_gone() {
    let mut run = Endless::with(&[
        "groups[0].count=4",
        "training.rounds=10",
        "churn=[{event: crash, peers: [0, 1], round: 2}, {event: join, peers: [2, 3], round: 5}]",
        "restarts=0",
        // Whoever dies a moment later goes on to its round alone.
        "liveness.minPeers=1",
        "liveness.pauseLimit=1s",
        "liveness.heartbeatInterval=100ms",
        "liveness.heartbeatTimeout=1s",
        "exchange.round.patience=200ms",
    ]);
    let peers: Vec<Process> = (0..4).map(|index| run.peer(index)).collect();
    run.wait_for("lost");
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    peers.iter().for_each(Process::assert_gone);
    for said in [
        "peer 2 had yet to join when nobody was left to begin a round",
        "peer 3 had yet to join when nobody was left to begin a round",
        "0 of 4 peers came to the end, and 1 is needed",
    ] {
        assert!(errors.contains(said), "{errors}");
    }
    assert_eq!(lost(folder.path()), BTreeSet::from([0, 1, 2, 3]), "{errors}");
    assert_eq!(read_json(&folder.path().join("summary.json"))["outcome"], "failed");
}
