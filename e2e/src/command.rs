//! Other programs that are run to their end.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::task::{Interrupted, Task};

/// Lines of a failed program's standard error that an error shows.
const SHOWN_LINES: usize = 20;

/// Why a program gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("`{program}` cannot be started; is it installed?")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// Its input or output broke, or it could not be waited for.
    #[error("`{program}` cannot be talked to")]
    Pipe {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It failed.
    #[error("`{line}` failed ({status}):\n{said}")]
    Failed {
        /// Program and arguments.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its standard error.
        said: String,
    },
    /// Ctrl-C.
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
pub fn run_with_input(
    command: &mut Command,
    input: &str,
    task: &mut Task,
) -> Result<String, CommandError> {
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
    let output = child.stdout.take().map(collect);
    let errors = child.stderr.take().map(collect);
    if let Some(mut writer) = child.stdin.take() {
        // A program that does not want its input says what it wants by its exit status.
        let _ = writer.write_all(input.as_bytes());
    }
    let status = match wait(&mut child, task) {
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

fn wait(child: &mut Child, task: &mut Task) -> Result<io::Result<ExitStatus>, Interrupted> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(None) => task.pause(pause)?,
            Ok(Some(status)) => return Ok(Ok(status)),
            Err(error) => return Ok(Err(error)),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<io::Result<String>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
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
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words.map(name).collect::<Vec<_>>().join(" ")
}

fn name(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}
