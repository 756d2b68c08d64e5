//! Processes that outlive the one that starts them.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};

use crate::{
    layout::Layout,
    task::{Interrupted, Task},
};

/// Lines of a log that an error shows.
const SHOWN_LINES: usize = 15;
/// Longest time that a process may take from SIGTERM to its end before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Polling interval for processes that end or get ready.
const LOOK: Duration = Duration::from_millis(50);

/// What went wrong with a process.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ProcessError {
    #[error("{name} cannot be started from {}", program.display())]
    Start {
        name: &'static str,
        program: PathBuf,
        source: io::Error,
    },
    #[error("{} of {name} cannot be used", path.display())]
    File {
        name: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{name} ended at its start; the end of {}:\n{said}", log.display())]
    Ended {
        name: &'static str,
        log: PathBuf,
        said: String,
    },
    #[error("{name} was not ready after {} s: {wanted}; the end of {}:\n{said}", waited.as_secs(), log.display())]
    Slow {
        name: &'static str,
        waited: Duration,
        wanted: String,
        log: PathBuf,
        said: String,
    },
    #[error("{name} (process {pid}) does not end, even when killed")]
    Lives { name: &'static str, pid: i32 },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// A process that was started: enough to know it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    pid: i32,
    /// In clock ticks since the machine's start: another process of the same id began at another time.
    begun: u64,
    /// The machine's start.
    boot: String,
    command: Vec<String>,
}

/// One of the cluster's processes.
#[derive(Clone, Debug)]
pub struct Daemon {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    record: PathBuf,
}

impl Daemon {
    /// The process `name`, whether it runs or not.
    #[must_use]
    pub fn new(layout: &Layout, name: &'static str, program: PathBuf, arguments: Vec<String>) -> Self {
        Self {
            name,
            program,
            arguments,
            log: layout.logs().join(format!("{name}.log")),
            record: layout.run().join(format!("{name}.json")),
        }
    }

    /// The process `name` as it may be running, to ask for its id or to stop it.
    #[must_use]
    pub fn known(layout: &Layout, name: &'static str) -> Self {
        Self::new(layout, name, PathBuf::new(), Vec::new())
    }

    /// Process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.living().map(|record| record.pid)
    }

    /// Starts it, unless it runs already with the same arguments; one with others is stopped first.
    ///
    /// # Errors
    /// When it cannot be started, or the old one not be stopped.
    pub fn ensure(&self, task: &mut Task) -> Result<(), ProcessError> {
        let command = self.command();
        match self.living() {
            Some(record) if record.command == command => return Ok(()),
            Some(_) => self.stop(task)?,
            None => {}
        }
        let log = self.file(&self.log, File::options().create(true).append(true).open(&self.log))?;
        let errors = self.file(&self.log, log.try_clone())?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|source| ProcessError::Start {
                name: self.name,
                program: self.program.clone(),
                source,
            })?;
        let pid = Pid::from_child(&child).as_raw_pid();
        let record = Record {
            pid,
            begun: begun(pid).unwrap_or_default(),
            boot: boot(),
            command,
        };
        let text = serde_json::to_vec(&record).map_err(io::Error::from);
        let written = text.and_then(|text| fs::write(&self.record, text));
        self.file(&self.record, written)
    }

    /// Waits until `ready` says nothing is missing.
    ///
    /// # Errors
    /// When the process ends, or something is still missing after `limit`.
    pub fn wait(
        &self,
        limit: Duration,
        task: &mut Task,
        mut ready: impl FnMut() -> Result<(), String>,
    ) -> Result<(), ProcessError> {
        let begun = task.elapsed();
        loop {
            let Err(wanted) = ready() else {
                return Ok(());
            };
            if self.living().is_none() {
                return Err(ProcessError::Ended {
                    name: self.name,
                    log: self.log.clone(),
                    said: end_of(&self.log),
                });
            }
            if task.elapsed().saturating_sub(begun) > limit {
                return Err(ProcessError::Slow {
                    name: self.name,
                    waited: limit,
                    wanted,
                    log: self.log.clone(),
                    said: end_of(&self.log),
                });
            }
            task.pause(LOOK)?;
        }
    }

    /// Ends it: first it is asked, then killed.
    ///
    /// # Errors
    /// When it lives on.
    pub fn stop(&self, task: &mut Task) -> Result<(), ProcessError> {
        self.end(&[Signal::TERM, Signal::KILL], task)
    }

    /// Ends it at once, where nothing that it holds is wanted any more.
    ///
    /// # Errors
    /// When it lives on.
    pub fn kill(&self, task: &mut Task) -> Result<(), ProcessError> {
        self.end(&[Signal::KILL], task)
    }

    fn end(&self, signals: &[Signal], task: &mut Task) -> Result<(), ProcessError> {
        for signal in signals {
            let Some(pid) = self.pid().and_then(Pid::from_raw) else {
                return Ok(());
            };
            // One that is just gone needs no signal.
            let _ = kill_process(pid, *signal);
            let begun = task.elapsed();
            while self.pid().is_some() && task.elapsed().saturating_sub(begun) < GRACE {
                task.pause(LOOK)?;
            }
        }
        match self.pid() {
            Some(pid) => Err(ProcessError::Lives { name: self.name, pid }),
            None => Ok(()),
        }
    }

    fn command(&self) -> Vec<String> {
        let program = self.program.to_string_lossy().into_owned();
        [program].into_iter().chain(self.arguments.iter().cloned()).collect()
    }

    fn living(&self) -> Option<Record> {
        let text = fs::read(&self.record).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let same = record.boot == boot() && begun(record.pid) == Some(record.begun);
        same.then_some(record)
    }

    fn file<T>(&self, path: &Path, result: io::Result<T>) -> Result<T, ProcessError> {
        result.map_err(|source| ProcessError::File {
            name: self.name,
            path: path.to_owned(),
            source,
        })
    }
}

/// When a living process began, in clock ticks since the machine's start; none once it has ended.
fn begun(pid: i32) -> Option<u64> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows it is numbered from the state, the third field.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if *fields.first()? == "Z" {
        // A child of ours has to be waited for; others are their parents' business.
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        // Its first thread has ended; the others may still hold its files and ports.
        let threads = fs::read_dir(folder.join("task")).map_or(0, Iterator::count);
        if threads <= 1 {
            return None;
        }
    }
    fields.get(19)?.parse().ok()
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The last lines of a log.
#[must_use]
pub fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
