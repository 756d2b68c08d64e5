//! Why a peer ended, as its user is told: name, reason, last log lines.

use std::{
    fmt::Write,
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use fltorrent_peer::process::{LEFT, RESTARTS};
use serde_json::Value;

use super::{child::Exit, results::Results};

/// Bytes of a log's end that are looked at.
const LOG_TAIL: u64 = 16 * 1024;
/// Log lines that are shown.
const LOG_LINES: usize = 6;
/// Lines of standard error that are shown beside the reason.
const STDERR_LINES: usize = 6;

/// A peer that ended the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFailure {
    /// The peer.
    pub index: u32,
    /// Why it ended, as far as is known.
    pub reason: String,
    /// The last lines of its standard error, and of its log.
    pub last_lines: Vec<String>,
    /// Path of its log.
    pub log: PathBuf,
}

impl PeerFailure {
    pub(super) fn of(exit: &Exit, results: &Results) -> Self {
        let log = results.of_peer(exit.index, "log");
        let mut said: Vec<&str> = exit.stderr.lines().collect();
        let own = said
            .iter()
            .rposition(|line| line.starts_with("error: "))
            .map(|at| said.remove(at).trim_start_matches("error: ").to_owned());
        let ended = match &exit.status {
            Ok(status) => describe(*status),
            Err(error) => format!("is lost: {error}"),
        };
        let reason = match own {
            Some(own) => format!("peer {} {ended}: {own}", exit.index),
            None => format!("peer {} {ended}", exit.index),
        };
        let from = said.len().saturating_sub(STDERR_LINES);
        let mut last_lines: Vec<String> = said[from..].iter().map(ToString::to_string).collect();
        last_lines.extend(log_lines(&log));
        Self {
            index: exit.index,
            reason,
            last_lines,
            log,
        }
    }
}

impl std::fmt::Display for PeerFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        for line in &self.last_lines {
            write!(f, "\n  | {line}")?;
        }
        write!(f, "\n  its log: {}", self.log.display())
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(LEFT) => "left".to_owned(),
        (Some(code), _) if code == i32::from(RESTARTS) => "died".to_owned(),
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(9)) => "was killed by signal 9 (SIGKILL: by a user, or out of memory)".to_owned(),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}

/// The last lines of a log of JSON lines, for people.
fn log_lines(path: &Path) -> Vec<String> {
    let text = tail(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines[from..].iter().map(|line| readable(line)).collect()
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line of a cut text is not whole.
    Ok(match text.split_once('\n') {
        Some((_, rest)) if length > LOG_TAIL => rest.to_owned(),
        _ => text,
    })
}

/// `12:00:01.5 WARN message field=value` from a line of the log; what has another form is shown as it is.
fn readable(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (time, level, message) = (text("timestamp"), text("level"), text("message"));
    let mut shown = format!("{time} {level} {message}");
    for (name, value) in fields {
        // A proof is for programs, and has thousands of digits.
        if !matches!(name.as_str(), "target" | "span" | "spans" | "threadId" | "proof") {
            // Writing into a string cannot fail.
            write!(shown, " {name}={value}").ok();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(status: i32, stderr: &str) -> Exit {
        Exit {
            index: 3,
            status: Ok(ExitStatus::from_raw(status)),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn a_failure_has_name_reason_and_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let line = |n: u32| {
            format!("{{\"timestamp\":\"T{n}\",\"level\":\"INFO\",\"message\":\"m\",\"target\":\"x\",\"round\":{n}}}\n")
        };
        let log: String = (0..1000).map(line).collect();
        std::fs::write(results.of_peer(3, "log"), log + "not JSON\n").unwrap();
        let failure = PeerFailure::of(&exit(256, "warning\nerror: no room: x"), &results);
        assert_eq!(failure.reason, "peer 3 failed with exit code 1: no room: x");
        assert_eq!(
            failure.last_lines,
            [
                "warning",
                "T995 INFO m round=995",
                "T996 INFO m round=996",
                "T997 INFO m round=997",
                "T998 INFO m round=998",
                "T999 INFO m round=999",
                "not JSON"
            ]
        );
    }

    #[test]
    fn a_killed_peer_without_words_is_named_too() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let failure = PeerFailure::of(&exit(9, ""), &results);
        assert!(failure.reason.starts_with("peer 3 was killed by signal 9"));
        assert!(failure.last_lines.is_empty());
    }
}
