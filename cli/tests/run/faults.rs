//! The fault matrix: what happens to a peer's process, in each phase of a round, on each kind of topology.

use std::{collections::BTreeMap, fs, net::UdpSocket, thread, time::Duration};

use rustix::process::Signal;

use crate::{
    matrix::{Fault, Matrix, PEERS, SETTINGS, compared, lost},
    phase::Phase,
    recorded::lines_of,
    support::{Endless, Process, lines, read_json, run, stderr},
};

const STOP: Fault = Fault::Stop(3);

fn goes_through(topology: &str, faults: &[Fault]) {
    let mut matrix = Matrix::hit_at_its_start(topology);
    matrix.go_through(faults);
    assert!(matrix.end() > 0);
}

#[test]
fn a_mesh_survives_each_fault_in_each_phase() {
    goes_through("{type: mesh}", &[Fault::Kill, STOP, Fault::Torn, Fault::Files]);
}

#[test]
fn a_ring_survives_each_fault_in_each_phase() {
    goes_through("{type: ring}", &[Fault::Kill, STOP]);
}

#[test]
fn a_star_survives_each_fault_of_hub_and_leaves_in_each_phase() {
    goes_through("{type: star, repair: ring}", &[Fault::Kill, STOP]);
}

#[test]
fn a_tree_survives_each_fault_in_each_phase() {
    goes_through("{type: tree, repair: reconnect}", &[Fault::Kill, STOP]);
}

#[test]
fn a_star_without_repair_pauses_without_its_hub_and_goes_on_with_it() {
    const HUB: u32 = 0;
    let mut matrix = Matrix::on("{type: star}");
    for phase in Phase::ALL {
        let hub = matrix.caught_in(HUB, phase);
        let is_paused = |leaf| {
            let pauses = lines_of(&matrix.file(leaf, "jsonl"), "paused");
            pauses.last().is_some_and(|line| line["paused"] == true)
        };
        while !(1..PEERS).all(is_paused) {
            thread::yield_now();
        }
        hub.signal(Signal::CONT);
        matrix.wait_until_it_closes_a_round(HUB);
    }
    // Some leaves may have closed the round by way of it, and others not.
    matrix.hit(HUB, Phase::Folding, Fault::Kill);
    matrix.end();
}

#[test]
fn a_ring_survives_that_all_neighbours_of_a_peer_are_killed_at_once() {
    let mut matrix = Matrix::on("{type: ring}");
    for phase in [Phase::Training, Phase::Exchange] {
        // Those of peer 0.
        let other = matrix.run.peer(PEERS - 1);
        let caught = matrix.caught_in(1, phase);
        matrix.kill(&[caught, other]);
    }
    matrix.end();
}

#[test]
fn a_run_survives_that_two_peers_are_killed_while_a_round_is_closed() {
    let mut matrix = Matrix::on("{type: exponential}");
    let (first, second) = (2, 5);
    matrix.caught_in(first, Phase::Training).signal(Signal::KILL);
    // The other one dies when it has seen the loss of the first, while votes go round.
    let file = matrix.file(second, "jsonl");
    let process = matrix.run.peer(second);
    let has_seen = |line: &str| line.starts_with("{\"event\":\"absence\"") && line.contains("\"peer\":2");
    while !fs::read_to_string(&file).unwrap().lines().any(has_seen) {
        thread::yield_now();
    }
    process.signal(Signal::KILL);
    matrix.wait_until_restarted(&[first, second]);
    for peer in [first, second] {
        matrix.wait_until_it_closes_a_round(peer);
    }
    matrix.end();
}

/// A long stop at a scale that a test can wait for: many times the time-out, and longer than its neighbours take to use up their tries.
#[test]
fn whoever_stands_still_past_all_time_outs_and_tries_comes_back() {
    let tries = [
        "liveness.sendMaxRetries=3",
        "liveness.sendRetryBaseDelay=100ms",
        "liveness.sendRetryMaxDelay=400ms",
        "liveness.sendRetryJitter=100ms",
    ];
    let mut matrix = Matrix::with("{type: ring}", &tries);
    matrix.hit(2, Phase::Exchange, Fault::Stop(30));
    assert!(matrix.end() >= 30);
}

/// As 60 s are beside a `heartbeatTimeout` of 90 s.
#[test]
fn whoever_stands_still_for_less_than_the_time_out_is_waited_for() {
    let patient = ["liveness.heartbeatTimeout=1m", "exchange.round.deadline=none"];
    let mut matrix = Matrix::with("{type: mesh}", &patient);
    let stopped = 3;
    let process = matrix.caught_in(stopped, Phase::Training);
    let waits = |peer| peer == stopped || Phase::last_of(&matrix.file(peer, "jsonl")) == Some(Phase::Exchange);
    while !(0..PEERS).all(waits) {
        thread::yield_now();
    }
    // What is tested is that they wait, for ten times their patience.
    thread::sleep(Duration::from_secs(2));
    assert!((0..PEERS).all(waits));
    process.signal(Signal::CONT);
    matrix.wait_until_it_closes_a_round(stopped);
    assert_eq!(matrix.end(), 0);
}

#[test]
fn a_peer_whose_port_somebody_has_taken_is_back_once_it_is_free() {
    let mut matrix = Matrix::with("{type: mesh}", &["restarts=5"]);
    let victim = 2;
    let process = matrix.run.peer(victim);
    matrix.kill(&[process]);
    // The next process is told where the one before listened.
    let process = matrix.run.peer(victim);
    let address = process.argument("--listen=");
    process.signal(Signal::KILL);
    process.assert_gone();
    let taken = UdpSocket::bind(&address).unwrap();
    matrix.wait_until_restarted(&[victim]);
    let restarted = matrix.run.wait_for("restarted");
    let reason = restarted["reason"].as_str().unwrap();
    let expected = format!("UDP {address} cannot be bound: is another process using that port?");
    assert!(reason.contains(&expected), "{reason}");
    drop(taken);
    matrix.wait_until_it_closes_a_round(victim);
    matrix.end();
}

/// Nobody needs the launcher, which takes the status, and starts the next process of who dies: it stands still for the whole run.
#[test]
fn a_run_goes_on_while_its_launcher_stands_still() {
    const ROUNDS: usize = 20;
    let rounds = format!("training.rounds={ROUNDS}");
    let run = Endless::with(&[&SETTINGS[..], &[rounds.as_str()]].concat());
    let file = |peer: u32| run.results().join(format!("peers/peer-{peer}.jsonl"));
    while !(0..PEERS).all(|peer| file(peer).exists()) {
        thread::yield_now();
    }
    run.signal(Signal::STOP);
    let peers = run.peers();
    let victim = 3;
    while lines_of(&file(victim), "round").len() < 3 {
        thread::yield_now();
    }
    peers[victim as usize].signal(Signal::KILL);
    peers.iter().for_each(Process::assert_gone);
    for peer in (0..PEERS).filter(|&peer| peer != victim) {
        assert_eq!(lines_of(&file(peer), "round").len(), ROUNDS, "peer {peer}");
    }
    run.signal(Signal::CONT);
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["outcome"], "completed");
    assert_eq!(lost(&summary), [u64::from(victim)], "{errors}");
    assert_eq!(summary["rounds"].as_array().unwrap().len(), ROUNDS);
    assert!(compared(folder.path()) > 0);
}

fn survives_hanging_trainings(sets: &[&str]) -> BTreeMap<u32, usize> {
    let folder = tempfile::tempdir().unwrap();
    let sets = [&SETTINGS[..], &["exchange.round.deadline=1s"], sets].concat();
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(compared(folder.path()) > 0);
    let churned = |peer: u32| (peer, lines(folder.path(), peer.into(), "churn").len());
    (0..PEERS).map(churned).filter(|(_, times)| *times > 0).collect()
}

#[test]
fn hanging_trainings_and_killed_peers_leave_the_model_of_the_oracle() {
    let churn = "churn=[{event: wedge, rate: 0.1, for: 5s}, {event: pause, rate: 0.05, for: 2s}]";
    let churned = survives_hanging_trainings(&[churn, "training.rounds=30"]);
    assert!(churned.values().sum::<usize>() > 5, "{churned:?}");
}

/// The hub or the root first, then two at once.
fn survives_planned_hangs(topology: &str) {
    let churn =
        "churn=[{event: wedge, peers: [0], round: 3, for: 2s}, {event: wedge, peers: [1, 4], round: 8, for: 2s}]";
    let topology = format!("topology={topology}");
    let churned = survives_hanging_trainings(&[churn, "training.rounds=20", &topology]);
    assert_eq!(churned, [(0, 1), (1, 1), (4, 1)].into());
}

#[test]
fn hanging_trainings_hold_up_no_mesh() {
    survives_planned_hangs("{type: mesh}");
}

#[test]
fn hanging_trainings_of_hub_and_leaves_hold_up_no_star() {
    survives_planned_hangs("{type: star, repair: ring}");
}

#[test]
fn hanging_trainings_of_root_and_leaves_hold_up_no_tree() {
    survives_planned_hangs("{type: tree, repair: reconnect}");
}
