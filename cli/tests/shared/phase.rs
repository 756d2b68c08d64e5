//! Where in a round a peer is, and processes that stand still there.

use std::{fs, path::Path, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Where in a round a peer is, by the last line of its metrics file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Training,
    Exchange,
    /// Between the end of the exchange and the new model.
    Folding,
    /// Between the new model and the next training.
    Checkpoint,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Training, Self::Exchange, Self::Folding, Self::Checkpoint];

    fn of(line: &Value) -> Option<Self> {
        match (line["event"].as_str()?, line["state"].as_str()) {
            ("training", _) | ("status", Some("training")) => Some(Self::Training),
            ("status", Some("exchanging")) => Some(Self::Exchange),
            ("roundEnd" | "exchange", _) | ("status", Some("aggregating")) => Some(Self::Folding),
            ("round" | "classes", _) => Some(Self::Checkpoint),
            _ => None,
        }
    }

    /// By a peer's metrics file.
    pub(crate) fn last_of(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        // What it sees of others says nothing of where it is.
        lines.find_map(|line| Self::of(&line))
    }
}

/// Stops a process, and waits until each of its threads has stopped: the signal only asks for it.
pub(crate) fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    let threads = format!("/proc/{}/task", pid.as_raw_nonzero());
    let is_stopped = |stat: String| stat.rsplit(") ").next().unwrap().starts_with('T');
    let all_stopped = || {
        let mut threads = fs::read_dir(&threads).unwrap();
        threads.all(|thread| {
            let stat = fs::read_to_string(thread.unwrap().path().join("stat"));
            stat.is_ok_and(is_stopped)
        })
    };
    while !all_stopped() {
        thread::yield_now();
    }
}

/// Stops a peer's process in a phase: it is looked at once it stands still, and let go where the phase has passed.
pub(crate) fn stop_in(pid: Pid, metrics_file: &Path, phase: Phase) {
    let is_in = || Phase::last_of(metrics_file) == Some(phase);
    loop {
        while !is_in() {
            thread::yield_now();
        }
        stop(pid);
        if is_in() {
            return;
        }
        kill_process(pid, Signal::CONT).unwrap();
    }
}
