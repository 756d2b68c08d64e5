//! Runs that lose peers: while enough are left, they go on to their end.

use std::{collections::BTreeSet, fs, path::Path};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ENDLESS, Endless, Process, fltorrent, lines, read_json, stderr, stdout};

const PEERS: u64 = 6;
const NO_RESTARTS: &str = "restarts=0";
/// So that a round takes no shorter than a process needs to start, however busy the machine is.
const SLOW: &str = "groups[0].computeSlowdown=5";
/// So that a loss is noticed soon.
const SOON: [&str; 4] = [
    "groups[0].count=6",
    "liveness.heartbeatInterval=100ms",
    "liveness.heartbeatTimeout=1s",
    "exchange.round.patience=200ms",
];

fn started(sets: &[&str]) -> Endless {
    let mut run = Endless::with(&[&SOON[..], sets].concat());
    run.wait_for("round");
    run
}

/// Kills peers of a run of so many rounds, and looks at what the others make of it.
fn survives(victims: &[usize], sets: &[&str]) -> TempDir {
    let rounds = 20;
    let mut run = started(&[&[format!("training.rounds={rounds}").as_str(), NO_RESTARTS], sets].concat());
    let peers = run.peers();
    victims.iter().for_each(|&victim| peers[victim].signal(Signal::KILL));
    for &victim in victims {
        let lost = run.wait_for("lost");
        assert!(
            victims.contains(&(lost["peer"].as_u64().unwrap() as usize)),
            "{victim}: {lost}"
        );
    }
    let (output, folder) = run.end();
    let (errors, results) = (stderr(&output), folder.path());
    assert_eq!(output.status.code(), Some(0), "{errors}");
    peers.iter().for_each(Process::assert_gone);
    let dead: BTreeSet<u64> = victims.iter().map(|&victim| victim as u64).collect();
    for victim in &dead {
        let said = format!("warning: peer {victim} was killed by signal 9");
        assert!(errors.contains(&said), "{errors}");
    }
    assert!(errors.contains(" are left, and "), "{errors}");
    let mut models = BTreeSet::new();
    for peer in (0..PEERS).filter(|peer| !dead.contains(peer)) {
        let reports = lines(results, peer, "round");
        assert_eq!(reports.len(), rounds, "peer {peer}");
        models.insert(reports[rounds - 1]["modelHash"].as_str().unwrap().to_owned());
        let ends = lines(results, peer, "roundEnd");
        assert_eq!(ends.len(), rounds, "peer {peer}");
        let missing = |end: &Value| -> BTreeSet<u64> {
            let missing = end["missing"].as_array().unwrap();
            missing.iter().map(|peer| peer.as_u64().unwrap()).collect()
        };
        assert_eq!(missing(&ends[0]), BTreeSet::new());
        let last = &ends[rounds - 1];
        assert_eq!((missing(last), &last["cause"]), (dead.clone(), &"quorum".into()));
        assert_eq!(last["present"], PEERS - dead.len() as u64);
        assert!(ends.is_sorted_by_key(|end| missing(end).len()), "{ends:?}");
        let held = reports[rounds - 1]["chunksHeld"].as_u64().unwrap();
        let total = reports[rounds - 1]["chunksTotal"].as_u64().unwrap();
        assert_eq!(held * PEERS, total * (PEERS - dead.len() as u64));
        let absences = lines(results, peer, "absence");
        let absent: BTreeSet<u64> = absences.iter().map(|line| line["peer"].as_u64().unwrap()).collect();
        assert!(absent.is_superset(&dead), "{absences:?}");
    }
    assert_eq!(models.len(), 1, "{models:?}");
    let summary = read_json(&results.join("summary.json"));
    assert_eq!(summary["outcome"], "completed");
    assert_eq!(summary["modelHash"], **models.first().unwrap());
    assert_eq!(summary["rounds"].as_array().unwrap().len(), rounds);
    assert_eq!(
        summary["rounds"][rounds - 1]["missing"].as_array().unwrap().len(),
        dead.len()
    );
    assert!(summary["degradedRounds"].as_u64().unwrap() > 0);
    let lost: BTreeSet<u64> = summary["lost"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["peer"].as_u64().unwrap())
        .collect();
    assert_eq!(lost, dead);
    assert!(results.join("model.safetensors").is_file());
    assert!(!results.join("peers/unconfirmed.safetensors").exists());
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    for victim in dead {
        assert!(
            page.contains(&format!("The run went on without peer {victim}")),
            "{victim}"
        );
    }
    assert!(page.contains("updates are missing: of peer"));
    folder
}

#[test]
fn a_run_survives_a_peer_that_is_killed() {
    survives(&[3], &[]);
}

#[test]
fn a_run_survives_its_first_peer_and_another() {
    survives(&[0, 1], &[]);
}

#[test]
fn a_star_survives_its_hub() {
    let folder = survives(&[0], &["topology={type: star, repair: ring}"]);
    for peer in 1..PEERS {
        let repairs = lines(folder.path(), peer, "repair");
        assert_eq!(repairs.len(), 1, "peer {peer}: {repairs:?}");
        let count = |of: &str| repairs[0][of].as_array().unwrap().len();
        assert_eq!(
            (&repairs[0]["lost"][0], count("lost"), count("neighbours")),
            (&0.into(), 1, 2)
        );
    }
}

#[test]
fn a_ring_with_repair_survives_all_neighbours_of_a_peer() {
    let folder = survives(&[1, 5], &["topology={type: ring, repair: ring}"]);
    let repairs = lines(folder.path(), 0, "repair");
    let last = repairs.last().unwrap();
    assert_eq!(last["neighbours"].as_array().unwrap().len(), 2, "{last}");
}

#[test]
fn a_peer_that_is_stopped_for_a_while_catches_up() {
    let run = started(&["training.rounds=100"]);
    let peers = run.peers();
    peers[3].stop();
    let is_without = |end: &&Value| end["missing"][0] == 3;
    while lines(run.results(), 0, "roundEnd").iter().filter(is_without).count() < 3 {
        std::thread::yield_now();
    }
    peers[3].signal(Signal::CONT);
    let (output, folder) = run.end();
    let (errors, results) = (stderr(&output), folder.path());
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let last = |peer| lines(results, peer, "round").pop().unwrap();
    for peer in 0..PEERS {
        let last = last(peer);
        assert_eq!(last["round"], 99, "peer {peer}");
        assert_eq!(
            last["modelHash"],
            read_json(&results.join("summary.json"))["modelHash"],
            "peer {peer}"
        );
    }
    let summary = read_json(&results.join("summary.json"));
    assert!(summary.get("lost").is_none(), "{summary}");
    assert_eq!(summary["rounds"].as_array().unwrap().len(), 100);
    assert!(summary["degradedRounds"].as_u64().unwrap() > 0);
}

#[test]
fn nobody_waits_for_a_peer_that_is_away_when_the_others_finish() {
    let mut run = started(&["training.rounds=20"]);
    let peers = run.peers();
    peers[3].stop();
    let lost = run.wait_for("lost");
    assert_eq!(lost["peer"], 3, "{lost}");
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("peer 3 was away when the others finished"), "{errors}");
    peers.iter().for_each(Process::assert_gone);
    assert_eq!(lines(folder.path(), 0, "round").len(), 20);
}

/// Kills peers without whom too few are left, or too few that reach each other; `left` are connected in the largest piece.
fn pauses_and_fails(victims: &[u64], topology: &str, left: u32) {
    let topology = format!("topology={topology}");
    let mut run = started(&[ENDLESS, "liveness.pauseLimit=1s", NO_RESTARTS, &topology]);
    let peers = run.peers();
    for &victim in victims {
        peers[victim as usize].signal(Signal::KILL);
    }
    run.wait_for("lost");
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    peers.iter().for_each(Process::assert_gone);
    let error = errors.split_once("error: ").unwrap().1;
    assert!(error.contains(" was killed by signal 9"), "{errors}");
    let took_part = match left {
        1 => "1 peer has taken part".to_owned(),
        _ => format!("{left} peers have taken part"),
    };
    let reason = format!("{took_part} for 1s, 4 are needed (liveness.minPeers)");
    // Whoever fails later may have seen others fail before.
    assert!(errors.contains(&reason), "{errors}");
    assert!(
        error.contains("0 of 6 peers came to the end, and 4 are needed"),
        "{errors}"
    );
    for peer in (0..PEERS).filter(|peer| !victims.contains(peer)) {
        let paused = lines(folder.path(), peer, "paused");
        let last = paused.last().unwrap();
        assert_eq!((&last["paused"], &last["needed"]), (&true.into(), &4.into()));
    }
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["outcome"], "failed");
    assert!(summary["modelHash"].is_null(), "{summary}");
    assert!(!folder.path().join("model.safetensors").exists());
}

#[test]
fn a_run_with_too_few_peers_pauses_and_ends_with_the_reason() {
    pauses_and_fails(&[3, 4, 5], "{type: ring}", 3);
}

#[test]
fn a_star_without_hub_and_repair_pauses_and_ends_with_the_reason() {
    pauses_and_fails(&[0], "{type: star}", 1);
}

#[test]
fn a_ring_in_two_pieces_without_repair_pauses_and_ends_with_the_reason() {
    // The neighbours of peer 0.
    pauses_and_fails(&[1, 5], "{type: ring}", 3);
}

#[test]
fn a_run_that_lost_a_peer_says_why_it_cannot_resume() {
    let mut run = started(&[ENDLESS, "checkpoint={type: periodic}", NO_RESTARTS]);
    run.peers()[2].signal(Signal::KILL);
    run.wait_for("lost");
    // Of the survivors' checkpoints, none is as old as those of the dead.
    for _ in 0..4 {
        run.wait_for("round");
    }
    run.signal(Signal::INT);
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(!errors.contains("resume with"), "{errors}");
    let output = fltorrent(&["run", "--resume"]).arg(folder.path()).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("no checkpoint is there of all peers"), "{errors}");
    assert!(errors.contains("a peer that was lost has older ones only"), "{errors}");
    assert_eq!(stdout(&output), "");
}

/// Kills a peer's process, and waits until another one has taken its place.
fn kill(run: &mut Endless, peer: u64) -> Value {
    run.peer(peer as u32).signal(Signal::KILL);
    let restarted = run.wait_for("restarted");
    assert_eq!(restarted["peer"], peer, "{restarted}");
    restarted
}

/// Waits until a peer has closed a round after it was restarted so many times.
fn wait_until_back(results: &Path, peer: u64, times: usize) {
    let is_back = || {
        let path = results.join(format!("peers/peer-{peer}.jsonl"));
        let text = fs::read_to_string(path).unwrap();
        let mut restarts = 0;
        text.lines().any(|line| {
            restarts += usize::from(line.starts_with("{\"event\":\"restarted\""));
            restarts == times && line.starts_with("{\"event\":\"round\"")
        })
    };
    while !is_back() {
        std::thread::yield_now();
    }
}

/// All peers have the figures of the last round, with the run's model.
fn assert_all_at_the_end(results: &Path, rounds: u64) -> Value {
    let summary = read_json(&results.join("summary.json"));
    assert_eq!(summary["outcome"], "completed");
    assert!(summary.get("lost").is_none(), "{summary}");
    for peer in 0..PEERS {
        let last = lines(results, peer, "round").pop().unwrap();
        assert_eq!(last["round"], rounds - 1, "peer {peer}");
        assert_eq!(last["modelHash"], summary["modelHash"], "peer {peer}");
    }
    summary
}

#[test]
fn a_peer_whose_process_is_killed_is_restarted_and_takes_part_again() {
    const ROUNDS: u64 = 40;
    let mut run = started(&[&format!("training.rounds={ROUNDS}"), SLOW]);
    let restarted = kill(&mut run, 3);
    assert_eq!((&restarted["incarnation"], &restarted["left"]), (&1.into(), &2.into()));
    let (output, folder) = run.end();
    let (errors, results) = (stderr(&output), folder.path());
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("warning: peer 3 was killed by signal 9"), "{errors}");
    assert!(
        errors.contains(": it is restarted, with 2 restarts left until it closes a round"),
        "{errors}"
    );
    let summary = assert_all_at_the_end(results, ROUNDS);
    assert_eq!(summary["peers"][3]["restarts"], 1);
    assert!(summary["peers"][2].get("restarts").is_none(), "{summary}");
    assert_eq!(summary["rounds"].as_array().unwrap().len() as u64, ROUNDS);
    let again = lines(results, 3, "restarted");
    assert_eq!((again.len(), &again[0]["incarnation"]), (1, &1.into()));
    // It may have a gap, and comes back soon after it.
    let rounds = lines(results, 3, "round").len() as u64;
    assert!(rounds > ROUNDS / 2, "{rounds}");
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("Peer 3 was restarted once"));
}

#[test]
fn a_peer_that_dies_again_and_again_is_lost_and_the_run_goes_on() {
    let mut run = started(&["training.rounds=20", "restarts=2", SLOW]);
    for left in [1, 0] {
        assert_eq!(kill(&mut run, 3)["left"], left);
    }
    run.peer(3).signal(Signal::KILL);
    let lost = run.wait_for("lost");
    let reason = lost["reason"].as_str().unwrap();
    assert!(reason.starts_with("peer 3 was killed by signal 9"), "{reason}");
    assert!(
        reason.ends_with("; after 2 restarts it had closed no round"),
        "{reason}"
    );
    let (output, folder) = run.end();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(
        (&summary["lost"][0]["peer"], &summary["peers"][3]["restarts"]),
        (&3.into(), &2.into())
    );
    assert_eq!(lines(folder.path(), 0, "round").len(), 20);
}

#[test]
fn all_peers_are_restarted_one_after_the_other() {
    const ROUNDS: u64 = 100;
    let mut run = started(&[&format!("training.rounds={ROUNDS}"), "restarts=1", SLOW]);
    for peer in 0..PEERS {
        kill(&mut run, peer);
        wait_until_back(run.results(), peer, 1);
    }
    // That it closed a round gives it its restart back.
    kill(&mut run, 0);
    let (output, folder) = run.end();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = assert_all_at_the_end(folder.path(), ROUNDS);
    let restarts = summary["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| &peer["restarts"]);
    assert_eq!(restarts.collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
}

#[test]
fn a_peer_of_a_resumed_run_is_restarted_when_its_first_checkpoint_has_gone() {
    let mut run = started(&[ENDLESS, "checkpoint={type: periodic}", SLOW]);
    (0..2).for_each(|_| drop(run.wait_for("round")));
    run.signal(Signal::INT);
    let (_, folder) = run.end();
    let mut run = Endless::resume(folder);
    // Two checkpoints are kept.
    (0..4).for_each(|_| drop(run.wait_for("round")));
    kill(&mut run, 3);
    wait_until_back(run.results(), 3, 1);
    run.signal(Signal::INT);
    let (output, folder) = run.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let summary = read_json(&folder.path().join("summary.json"));
    assert!(summary.get("lost").is_none(), "{summary}");
    assert_eq!(summary["peers"][3]["restarts"], 1);
}

#[test]
fn a_peer_that_is_killed_while_the_run_starts_ends_it() {
    let mut run = Endless::with(&[ENDLESS, "groups[0].count=3"]);
    run.wait_for("started");
    let peers = run.peers();
    peers[1].signal(Signal::KILL);
    let (output, _folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("error: peer 1 was killed by signal 9"), "{errors}");
    peers.iter().for_each(Process::assert_gone);
}
