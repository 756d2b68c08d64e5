//! A run to which faults come, one after the other: whatever they are, it goes on, and each round's model is what a sequential oracle
//! makes of the updates that the round is said to have.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fltorrent_cli::manifest::Resolved;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::{
    phase::{Phase, stop_in},
    recorded::{compare_with_the_oracle, lines_of, missing},
    support::{ENDLESS, Endless, Process, read_json, stderr},
};

pub(crate) const PEERS: u32 = 6;
pub(crate) const SETTINGS: [&str; 10] = [
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

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// SIGKILL, and the next process takes its place.
    Kill,
    /// SIGSTOP until the others have closed so many rounds without it, and SIGCONT.
    Stop(usize),
    /// It opens no file any more.
    Files,
    /// SIGKILL that leaves each of its files torn, whether it wrote into it or beside it.
    Torn,
}

/// A run on a topology to which the faults come.
pub(crate) struct Matrix {
    pub(crate) run: Endless,
    restarts: BTreeMap<u32, usize>,
}

impl Matrix {
    pub(crate) fn on(topology: &str) -> Self {
        Self::with(topology, &[])
    }

    pub(crate) fn with(topology: &str, sets: &[&str]) -> Self {
        let mut matrix = Self::starting(topology, sets);
        matrix.run.wait_for("round");
        matrix
    }

    /// A run whose processes have just been started.
    pub(crate) fn starting(topology: &str, sets: &[&str]) -> Self {
        let set = format!("topology={topology}");
        let mut run = Endless::with(&[&SETTINGS[..], &[set.as_str()], sets].concat());
        run.wait_for("started");
        let restarts = BTreeMap::new();
        Self { run, restarts }
    }

    /// A run that is hit while its peers assemble. One stands still before it listens, or just then, and all wait for it. When they have
    /// been told where the others are, one is killed, and one stands still until the others have gone on.
    pub(crate) fn hit_at_its_start(topology: &str) -> Self {
        let mut matrix = Self::starting(topology, &[]);
        let (killed, stopped, slow) = (0, 3, PEERS - 1);
        let last = matrix.run.peer(slow);
        last.stop();
        for peer in 0..slow {
            matrix.wait_for_file(peer, "log");
        }
        let victims = [killed, stopped].map(|victim| matrix.run.peer(victim));
        last.signal(Signal::CONT);
        let [first, second] = victims;
        matrix.wait_for_file(killed, "jsonl");
        first.signal(Signal::KILL);
        matrix.wait_for_file(stopped, "jsonl");
        second.stop();
        assert_eq!(matrix.count(stopped, "round"), 0);
        matrix.wait_until_restarted(&[killed]);
        matrix.wait_until_others_go_on(stopped, 3);
        second.signal(Signal::CONT);
        for victim in [killed, stopped] {
            matrix.wait_until_it_closes_a_round(victim);
        }
        matrix
    }

    /// The faults in all phases, each to another peer.
    pub(crate) fn go_through(&mut self, faults: &[Fault]) {
        let mut victims = (0..PEERS).cycle();
        for fault in faults {
            for (phase, victim) in Phase::ALL.into_iter().zip(&mut victims) {
                self.hit(victim, phase, *fault);
            }
        }
    }

    pub(crate) fn hit(&mut self, victim: u32, phase: Phase, fault: Fault) {
        let process = self.caught_in(victim, phase);
        match fault {
            Fault::Kill => self.kill(&[process]),
            Fault::Torn => {
                self.tear_files(victim);
                self.kill(&[process]);
            }
            Fault::Stop(rounds) => {
                self.wait_until_others_go_on(victim, rounds);
                process.signal(Signal::CONT);
                self.wait_until_it_closes_a_round(victim);
            }
            Fault::Files => {
                limit_files(&process);
                process.signal(Signal::CONT);
                self.wait_until_it_closes_a_round(victim);
            }
        }
    }

    /// The process of a peer, which stands still in a phase.
    pub(crate) fn caught_in(&mut self, victim: u32, phase: Phase) -> Process {
        let process = self.run.peer(victim);
        stop_in(process.pid(), &self.file(victim, "jsonl"), phase);
        process
    }

    /// Kills them at once, and waits until the next process of each takes part.
    pub(crate) fn kill(&mut self, processes: &[Process]) {
        processes.iter().for_each(|process| process.signal(Signal::KILL));
        processes.iter().for_each(Process::assert_gone);
        let victims: Vec<u32> = processes.iter().map(|process| process.index).collect();
        self.wait_until_restarted(&victims);
        for victim in victims {
            self.wait_until_it_closes_a_round(victim);
        }
    }

    /// The next process of each of them is started, in any order.
    pub(crate) fn wait_until_restarted(&mut self, victims: &[u32]) {
        for _ in victims {
            let restarted = self.run.wait_for("restarted");
            let peer = restarted["peer"].as_u64().unwrap() as u32;
            assert!(victims.contains(&peer), "{restarted}");
            *self.restarts.entry(peer).or_default() += 1;
        }
    }

    /// The others close so many rounds without a peer.
    pub(crate) fn wait_until_others_go_on(&self, victim: u32, rounds: usize) {
        let file = self.file((victim + 1) % PEERS, "jsonl");
        let without = || {
            let ends = lines_of(&file, "roundEnd").into_iter();
            ends.filter(|end| missing(end).contains(&victim)).count()
        };
        let before = without();
        while without() < before + rounds {
            std::thread::yield_now();
        }
    }

    /// It has closed two rounds more, the second of which it began in what it is now.
    pub(crate) fn wait_until_it_closes_a_round(&self, victim: u32) {
        let before = self.count(victim, "round");
        while self.count(victim, "round") < before + 2 {
            std::thread::yield_now();
        }
    }

    /// A peer has so many lines of a kind.
    pub(crate) fn count(&self, peer: u32, kind: &str) -> usize {
        lines_of(&self.file(peer, "jsonl"), kind).len()
    }

    pub(crate) fn file(&self, peer: u32, kind: &str) -> PathBuf {
        self.run.results().join(format!("peers/peer-{peer}.{kind}"))
    }

    fn wait_for_file(&self, peer: u32, kind: &str) {
        let file = self.file(peer, kind);
        while !file.exists() {
            std::thread::yield_now();
        }
    }

    /// What a process leaves that dies, with the system, in the middle of writing.
    fn tear_files(&self, victim: u32) {
        let halve = |file: &Path| {
            let text = fs::read(file).unwrap();
            fs::write(file, &text[..text.len() / 2]).unwrap();
        };
        halve(&self.file(victim, "signed"));
        let name = format!("peer-{victim}.rounds-");
        let folder = self.run.results().join("peers");
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let checkpoints = names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&name));
        for checkpoint in checkpoints.collect::<Vec<_>>() {
            halve(&checkpoint);
        }
        fs::write(folder.join(format!(".peer-{victim}.checkpoint")), "FLTCKPT").unwrap();
        let metrics = self.file(victim, "jsonl");
        let text = fs::read(&metrics).unwrap();
        fs::write(&metrics, &text[..text.len() - 2]).unwrap();
    }

    /// Ends the run, and compares each round with the oracle; gives how many rounds lack an update.
    pub(crate) fn end(self) -> usize {
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

/// Compares the rounds of a results folder with the oracle; gives how many lack an update.
pub(crate) fn compared(results: &Path) -> usize {
    let plan = Resolved::read(&results.join("manifest.yaml"), &[]).unwrap().plan;
    let files: Vec<PathBuf> = (0..PEERS)
        .map(|peer| results.join(format!("peers/peer-{peer}.jsonl")))
        .collect();
    compare_with_the_oracle(plan, &files)
}

/// The peers that a run's summary says are lost.
pub(crate) fn lost(summary: &Value) -> Vec<u64> {
    let lost = summary["lost"].as_array().into_iter().flatten();
    lost.map(|it| it["peer"].as_u64().unwrap()).collect()
}
