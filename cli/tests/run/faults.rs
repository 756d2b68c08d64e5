//! The fault matrix: what happens to a peer's process, in each phase of a round, on each kind of topology. Whatever it is, the run
//! goes on, and each round's model is what a sequential oracle makes of the updates that the round is said to have.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fltorrent_cli::manifest::Resolved;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::{
    recorded::{compare_with_the_oracle, missing},
    support::{ENDLESS, Endless, Process, lines, read_json, run, stderr},
};

const PEERS: u32 = 6;
const SETTINGS: [&str; 10] = [
    ENDLESS,
    "groups[0].count=6",
    // So that a round takes no shorter than a process needs to start, however busy the machine is.
    "groups[0].computeSlowdown=5",
    "liveness.heartbeatInterval=100ms",
    "liveness.heartbeatTimeout=1s",
    "exchange.round.patience=200ms",
    "exchange.round.deadline=3s",
    // An update is one chunk, of which a model has all or nothing.
    "exchange.numChunks=1",
    "checkpoint={type: periodic}",
    "restarts=3",
];

/// Where in a round a peer is, by the last line of its metrics file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Training,
    Exchange,
    /// Between the end of the exchange and the new model.
    Folding,
    /// Between the new model and the next training.
    Checkpoint,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Training, Self::Exchange, Self::Folding, Self::Checkpoint];

    fn of(line: &Value) -> Option<Self> {
        match (line["event"].as_str()?, line["state"].as_str()) {
            ("training", _) | ("status", Some("training")) => Some(Self::Training),
            ("status", Some("exchanging")) => Some(Self::Exchange),
            ("roundEnd" | "exchange", _) | ("status", Some("aggregating")) => Some(Self::Folding),
            ("round" | "classes", _) => Some(Self::Checkpoint),
            _ => None,
        }
    }
}

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL, and the next process takes its place.
    Kill,
    /// SIGSTOP until the others have gone on without it, and SIGCONT.
    Stop,
    /// It opens no file any more.
    Files,
}

/// A run on a topology to which the faults come, one after the other.
struct Matrix {
    run: Endless,
    restarts: BTreeMap<u32, usize>,
}

impl Matrix {
    fn on(topology: &str) -> Self {
        let set = format!("topology={topology}");
        let mut run = Endless::with(&[&SETTINGS[..], &[set.as_str()]].concat());
        run.wait_for("round");
        let restarts = BTreeMap::new();
        Self { run, restarts }
    }

    /// The faults in all phases, each to another peer.
    fn go_through(&mut self, faults: &[Fault]) {
        let mut victims = (0..PEERS).cycle();
        for fault in faults {
            for (phase, victim) in Phase::ALL.into_iter().zip(&mut victims) {
                self.hit(victim, phase, *fault);
            }
        }
    }

    fn hit(&mut self, victim: u32, phase: Phase, fault: Fault) {
        let process = self.caught_in(victim, phase);
        match fault {
            Fault::Kill => process.signal(Signal::KILL),
            Fault::Stop => {
                self.wait_until_others_go_on(victim);
                process.signal(Signal::CONT);
                return self.wait_until_it_closes_a_round(victim);
            }
            Fault::Files => {
                limit_files(&process);
                process.signal(Signal::CONT);
                return self.wait_until_it_closes_a_round(victim);
            }
        }
        process.assert_gone();
        let restarted = self.run.wait_for("restarted");
        assert_eq!(restarted["peer"], victim, "{restarted}");
        *self.restarts.entry(victim).or_default() += 1;
        self.wait_until_it_closes_a_round(victim);
    }

    /// Stops a peer in a phase: it is looked at once it stands still, and let go where the phase has passed.
    fn caught_in(&mut self, victim: u32, phase: Phase) -> Process {
        let file = self.file(victim);
        let is_in = || last_phase(&file) == Some(phase);
        let process = self.run.peer(victim);
        loop {
            while !is_in() {
                std::thread::yield_now();
            }
            process.stop();
            if is_in() {
                return process;
            }
            process.signal(Signal::CONT);
        }
    }

    /// The others close three rounds without a peer.
    fn wait_until_others_go_on(&self, victim: u32) {
        let observer = u64::from((victim + 1) % PEERS);
        let without = || {
            let ends = lines(self.run.results(), observer, "roundEnd").into_iter();
            ends.filter(|end| missing(end).contains(&victim)).count()
        };
        let before = without();
        while without() < before + 3 {
            std::thread::yield_now();
        }
    }

    /// It has closed two rounds more, the second of which it began in what it is now.
    fn wait_until_it_closes_a_round(&self, victim: u32) {
        let rounds = || lines(self.run.results(), victim.into(), "round").len();
        let before = rounds();
        while rounds() < before + 2 {
            std::thread::yield_now();
        }
    }

    fn file(&self, peer: u32) -> PathBuf {
        self.run.results().join(format!("peers/peer-{peer}.jsonl"))
    }

    /// Ends the run, and compares each round with the oracle; gives how many rounds lack an update.
    fn end(self) -> usize {
        let processes = self.run.peers();
        self.run.signal(Signal::INT);
        let restarts = self.restarts;
        let (output, folder) = self.run.end();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{errors}");
        processes.iter().for_each(Process::assert_gone);
        let summary = read_json(&folder.path().join("summary.json"));
        assert!(summary.get("lost").is_none(), "{summary}");
        for (peer, times) in restarts {
            // One that could open no file may have ended by itself.
            let restarts = summary["peers"][peer as usize]["restarts"].as_u64();
            assert!(restarts >= Some(times as u64), "peer {peer}: {restarts:?}");
        }
        compared(folder.path())
    }
}

/// It can open none beside those that it has.
fn limit_files(process: &Process) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Some(process.pid()), Resource::Nofile, none).unwrap();
}

fn last_phase(file: &Path) -> Option<Phase> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
    // What it sees of others says nothing of where it is.
    lines.find_map(|line| Phase::of(&line))
}

fn compared(results: &Path) -> usize {
    let plan = Resolved::read(&results.join("manifest.yaml"), &[]).unwrap().plan;
    let files: Vec<PathBuf> = (0..PEERS)
        .map(|peer| results.join(format!("peers/peer-{peer}.jsonl")))
        .collect();
    compare_with_the_oracle(plan, &files)
}

fn goes_through(topology: &str, faults: &[Fault]) {
    let mut matrix = Matrix::on(topology);
    matrix.go_through(faults);
    assert!(matrix.end() > 0);
}

#[test]
fn a_mesh_survives_each_fault_in_each_phase() {
    goes_through("{type: mesh}", &[Fault::Kill, Fault::Stop, Fault::Files]);
}

#[test]
fn a_ring_survives_each_fault_in_each_phase() {
    goes_through("{type: ring}", &[Fault::Kill, Fault::Stop]);
}

#[test]
fn a_star_survives_each_fault_of_hub_and_leaves_in_each_phase() {
    goes_through("{type: star, repair: ring}", &[Fault::Kill, Fault::Stop]);
}

#[test]
fn a_tree_survives_each_fault_in_each_phase() {
    goes_through("{type: tree, repair: reconnect}", &[Fault::Kill, Fault::Stop]);
}

#[test]
fn a_run_survives_that_two_peers_are_killed_while_a_round_is_closed() {
    let mut matrix = Matrix::on("{type: exponential}");
    let (first, second) = (2, 5);
    matrix.caught_in(first, Phase::Training).signal(Signal::KILL);
    // The other one dies when it has seen the loss of the first, while votes go round.
    let file = matrix.file(second);
    let process = matrix.run.peer(second);
    let has_seen = |line: &str| line.starts_with("{\"event\":\"absence\"") && line.contains("\"peer\":2");
    while !fs::read_to_string(&file).unwrap().lines().any(has_seen) {
        std::thread::yield_now();
    }
    process.signal(Signal::KILL);
    for _ in 0..2 {
        let restarted = matrix.run.wait_for("restarted");
        *matrix
            .restarts
            .entry(restarted["peer"].as_u64().unwrap() as u32)
            .or_default() += 1;
    }
    assert_eq!(matrix.restarts, BTreeMap::from([(first, 1), (second, 1)]));
    for peer in [first, second] {
        matrix.wait_until_it_closes_a_round(peer);
    }
    matrix.end();
}

#[test]
fn hanging_trainings_and_killed_peers_leave_the_model_of_the_oracle() {
    let churn = "churn=[{event: wedge, rate: 0.1, for: 5s}, {event: pause, rate: 0.05, for: 2s}]";
    let folder = tempfile::tempdir().unwrap();
    let mut sets = SETTINGS.to_vec();
    sets.extend([churn, "training.rounds=30", "exchange.round.deadline=1s"]);
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let churned: usize = (0..PEERS.into())
        .map(|peer| lines(folder.path(), peer, "churn").len())
        .sum();
    assert!(churned > 5, "{churned}");
    compared(folder.path());
}
