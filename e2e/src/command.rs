//! Other programs that are run to their end.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::task::{Interrupted, Task};

/// Lines of a failed program's standard error that an error shows.
const SHOWN_LINES: usize = 20;

/// Why a program gave no result.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum CommandError {
    #[error("`{program}` cannot be started; is it installed?")]
    Start { program: String, source: io::Error },
    #[error("`{program}` cannot be talked to")]
    Pipe { program: String, source: io::Error },
    #[error("`{line}` failed ({status}):\n{said}")]
    Failed {
        line: String,
        status: ExitStatus,
        said: String,
    },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Runs a program to its end and returns its standard output. At Ctrl-C the program ends, too, with all that it started.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command, task: &mut Task) -> Result<String, CommandError> {
    run_with_input(command, "", task)
}

/// As [`run`], with `input` as its standard input.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run_with_input(command: &mut Command, input: &str, task: &mut Task) -> Result<String, CommandError> {
    let program = name(command.get_program());
    let pipe = |source| CommandError::Pipe {
        program: program.clone(),
        source,
    };
    // A group of its own: Ctrl-C at the terminal reaches this process only, which then ends the group.
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| CommandError::Start {
            program: program.clone(),
            source,
        })?;
    let group = Pid::from_child(&child);
    let latest = Arc::new(Mutex::new(Latest::default()));
    let output = child.stdout.take().map(|pipe| collect(pipe, &latest));
    let errors = child.stderr.take().map(|pipe| collect(pipe, &latest));
    if let Some(mut writer) = child.stdin.take() {
        // A program that does not want its input says what it wants by its exit status.
        let _ = writer.write_all(input.as_bytes());
    }
    let status = match wait(&mut child, task, &latest) {
        Ok(status) => status.map_err(pipe)?,
        Err(interrupted) => {
            // It may be gone already, which is what is wanted.
            let _ = kill_process_group(group, Signal::TERM);
            child.wait().map_err(pipe)?;
            return Err(interrupted.into());
        }
    };
    let output = joined(output).map_err(pipe)?;
    let errors = joined(errors).map_err(pipe)?;
    if status.success() {
        return Ok(output);
    }
    let lines: Vec<&str> = errors.trim_end().lines().collect();
    Err(CommandError::Failed {
        line: line(command),
        status,
        said: lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"),
    })
}

fn wait(child: &mut Child, task: &mut Task, latest: &Mutex<Latest>) -> Result<io::Result<ExitStatus>, Interrupted> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(None) => {
                if let Some(said) = locked(latest).take() {
                    task.detail(said);
                }
                task.pause(pause)?;
            }
            Ok(Some(status)) => return Ok(Ok(status)),
            Err(error) => return Ok(Err(error)),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The last line of a program, for progress messages.
#[derive(Debug, Default)]
struct Latest {
    /// The step of an image build: `STEP 4/9`.
    step: String,
    line: String,
    /// True if it has not been taken yet.
    fresh: bool,
}

impl Latest {
    fn said(&mut self, line: &str) {
        let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
        let line = line.trim();
        match line.split_once(": ") {
            _ if line.is_empty() => return,
            Some((step, what)) if step.starts_with("STEP ") => {
                step.clone_into(&mut self.step);
                what.clone_into(&mut self.line);
            }
            _ => line.clone_into(&mut self.line),
        }
        self.fresh = true;
    }

    fn take(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        let parts = [self.step.as_str(), &self.line];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Some(parts.join(", "))
    }
}

/// A lock that ignores poisoning: what one thread left there is whole.
fn locked(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(pipe: impl Read + Send + 'static, latest: &Arc<Mutex<Latest>>) -> thread::JoinHandle<io::Result<String>> {
    let latest = Arc::clone(latest);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = BufReader::new(pipe);
        loop {
            let begin = bytes.len();
            if pipe.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            let line = String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default());
            locked(&latest).said(&line);
        }
    })
}

fn joined(thread: Option<thread::JoinHandle<io::Result<String>>>) -> io::Result<String> {
    match thread.map(thread::JoinHandle::join) {
        None => Ok(String::new()),
        Some(Ok(text)) => text,
        Some(Err(_)) => Err(io::Error::other("a reader ended before its time")),
    }
}

fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(name).collect::<Vec<_>>().join(" ")
}

fn name(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_says_last_is_shown_with_its_step() {
        let mut latest = Latest::default();
        assert_eq!(latest.take(), None);
        latest.said("I: Retrieving libc6\n");
        assert_eq!(latest.take().as_deref(), Some("I: Retrieving libc6"));
        assert_eq!(latest.take(), None, "nothing new");
        latest.said("STEP 4/9: RUN cargo build --release\n");
        assert_eq!(latest.take().as_deref(), Some("STEP 4/9, RUN cargo build --release"));
        latest.said("   Compiling \x1b[1mtokio v1.47.1\r\n");
        latest.said("\n");
        assert_eq!(latest.take().as_deref(), Some("STEP 4/9, Compiling [1mtokio v1.47.1"));
    }

    #[test]
    fn all_that_a_program_writes_is_kept_and_its_last_line_is_told() {
        let latest = Arc::new(Mutex::new(Latest::default()));
        let read = collect(&b"one\ntwo\nthr"[..], &latest);
        assert_eq!(joined(Some(read)).unwrap(), "one\ntwo\nthr");
        assert_eq!(locked(&latest).take().as_deref(), Some("thr"));
    }
}
