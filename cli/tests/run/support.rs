//! Runs the program and looks at what it leaves.

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::phase;

/// Longest time that a process that must end may take, so that a test that fails does not hang.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// More rounds than any test waits for.
pub(crate) const ENDLESS: &str = "training.rounds=1000000";

pub(crate) fn example(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("examples").join(name)
}

pub(crate) fn fltorrent(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fltorrent"));
    command.args(arguments);
    command
}

/// `fltorrent run` of an example, with settings.
pub(crate) fn run(name: &str, out: &Path, sets: &[&str]) -> Command {
    let mut command = fltorrent(&["run"]);
    command.arg(example(name)).arg("--out").arg(out);
    for set in sets {
        command.args(["--set", set]);
    }
    command
}

/// The quickstart to its end, with settings; gives its summary.
pub(crate) fn summary(name: &str, sets: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = run(name, folder.path(), sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    read_json(&folder.path().join("summary.json"))
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The lines of a kind in a peer's metrics file.
pub(crate) fn lines(results: &Path, peer: u64, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(results.join(format!("peers/peer-{peer}.jsonl"))).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == kind).collect()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A process, by a handle that no later process can get.
pub(crate) struct Process {
    pub(crate) index: u32,
    pid: Pid,
    handle: OwnedFd,
}

impl Process {
    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    /// What it was started with as an option.
    pub(crate) fn argument(&self, option: &str) -> String {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", self.pid.as_raw_nonzero())).unwrap();
        let mut arguments = line.split('\0');
        arguments
            .find_map(|argument| argument.strip_prefix(option))
            .unwrap()
            .to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Stops it, and waits until it stands still.
    pub(crate) fn stop(&self) {
        phase::stop(self.pid);
    }

    /// Waits until it is gone.
    pub(crate) fn assert_gone(&self) {
        let mut handles = [PollFd::new(&self.handle, PollFlags::IN)];
        let ready = poll(&mut handles, Some(&PATIENCE)).unwrap();
        assert_eq!(ready, 1, "peer {} is still there", self.index);
    }
}

/// A run that goes on until somebody ends it.
pub(crate) struct Endless {
    folder: TempDir,
    launcher: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Endless {
    /// Starts the quickstart with so many peers.
    pub(crate) fn start(peers: u32) -> Self {
        Self::with(&[ENDLESS, &format!("groups[0].count={peers}")])
    }

    /// Starts the quickstart with settings.
    pub(crate) fn with(sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = run("quickstart.yaml", folder.path(), sets);
        Self::of(command, folder)
    }

    /// Starts the quickstart with settings out of a shell's script, which execs its arguments.
    pub(crate) fn of_script(script: &str, sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = run("quickstart.yaml", folder.path(), sets);
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(run.get_program());
        command.args(run.get_args());
        Self::of(command, folder)
    }

    /// Starts the quickstart with so many peers, for which SIGHUP is what it is in a terminal: under nohup, tests ignore it, and
    /// what they start does, too.
    pub(crate) fn with_hang_ups(peers: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sets = [ENDLESS, &format!("groups[0].count={peers}")];
        let run = run("quickstart.yaml", folder.path(), &sets);
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(run.get_program());
        command.args(run.get_args());
        Self::of(command, folder)
    }

    /// Goes on with the run of a folder.
    pub(crate) fn resume(folder: TempDir) -> Self {
        let mut command = fltorrent(&["run", "--resume"]);
        command.arg(folder.path());
        Self::of(command, folder)
    }

    fn of(mut command: Command, folder: TempDir) -> Self {
        let mut launcher = command
            .args(["--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(launcher.stdout.take().unwrap()).lines();
        Self {
            folder,
            launcher,
            stdout,
        }
    }

    pub(crate) fn results(&self) -> &Path {
        self.folder.path()
    }

    /// Reads events up to the next of a kind.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let Some(line) = self.stdout.next() else {
                panic!("the run has ended before `{kind}`");
            };
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// The peers' processes: those that were given this run's folder.
    pub(crate) fn peers(&self) -> Vec<Process> {
        let folder = format!("--results={}", self.results().display());
        let mut peers: Vec<Process> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| process(&entry.unwrap().path(), &folder))
            .collect();
        peers.sort_by_key(|peer| peer.index);
        peers
    }

    /// The process of one peer. The system shows the arguments of a new one a moment after it was started.
    pub(crate) fn peer(&mut self, index: u32) -> Process {
        loop {
            let mut peers = self.peers().into_iter();
            if let Some(peer) = peers.find(|peer| peer.index == index) {
                return peer;
            }
            assert!(self.launcher.try_wait().unwrap().is_none(), "the run has ended");
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.launcher.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the launcher's end; gives its output and the results.
    pub(crate) fn end(self) -> (Output, TempDir) {
        // Its events are read to the end, so that it never waits for its reader.
        drop(self.stdout.map(Result::unwrap).collect::<Vec<String>>());
        (self.launcher.wait_with_output().unwrap(), self.folder)
    }
}

fn process(path: &Path, folder: &str) -> Option<Process> {
    let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
    // A process may go while it is looked at.
    let line = fs::read(path.join("cmdline")).ok()?;
    let line = String::from_utf8(line).ok()?;
    let arguments: Vec<&str> = line.split('\0').collect();
    if !arguments.contains(&folder) {
        return None;
    }
    let index = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--index="))?;
    let pid = Pid::from_raw(pid)?;
    Some(Process {
        index: index.parse().unwrap(),
        pid,
        handle: pidfd_open(pid, PidfdFlags::empty()).ok()?,
    })
}
