//! The metrics file of one peer, JSON lines: when a training begins, what the peer is doing, how the exchange of a round went,
//! and the figures of each finished round, over all and by class.

pub mod exchange;
pub mod status;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fltorrent_coordinator::{ending::Verdict, report::RoundReport};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use exchange::Exchange;
use status::Status;

use crate::train::ClassCounts;

/// Why figures could not be kept.
#[derive(Debug, Error)]
#[error("{path} cannot be written: make room there, or choose another folder")]
pub struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The metrics file of one peer.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
enum Line<'a> {
    Training {
        time: f64,
        round: u32,
    },
    Exchange {
        time: f64,
        #[serde(flatten)]
        exchange: &'a Exchange,
    },
    Status {
        time: f64,
        #[serde(flatten)]
        status: &'a Status,
    },
    Round {
        time: f64,
        #[serde(flatten)]
        report: &'a RoundReport,
    },
    Classes {
        time: f64,
        round: u32,
        counts: Vec<(usize, u64, u64)>,
    },
    Converged {
        time: f64,
        round: u32,
        reason: &'a str,
    },
    Resumed {
        time: f64,
        round: u32,
    },
    Verdict {
        time: f64,
        #[serde(flatten)]
        verdict: &'a Verdict,
    },
}

/// What is looked at in a line that is there already.
#[derive(Deserialize)]
struct Numbered {
    round: u32,
}

/// Longest line that is kept when a run goes on, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

impl Journal {
    /// Makes the file; one that is there is not touched.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let path = path.to_owned();
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(JournalError { path, source }),
        }
    }

    /// Goes on with the file of a run that goes on with `round`: what it says of rounds from there on is dropped, since
    /// they are made again.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn resume(path: &Path, round: u32) -> Result<Self, JournalError> {
        trim(path, round)?;
        let path = path.to_owned();
        let mut journal = match File::options().create(true).append(true).open(&path) {
            Ok(file) => Self { path, file },
            Err(source) => return Err(JournalError { path, source }),
        };
        journal.line(&Line::Resumed {
            time: unix_seconds(SystemTime::now()),
            round,
        })?;
        Ok(journal)
    }

    /// Training of a round begins.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn training(&mut self, round: u32) -> Result<(), JournalError> {
        self.line(&Line::Training {
            time: unix_seconds(SystemTime::now()),
            round,
        })
    }

    /// All chunks of a round are held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn exchange(&mut self, exchange: &Exchange) -> Result<(), JournalError> {
        self.line(&Line::Exchange {
            time: unix_seconds(SystemTime::now()),
            exchange,
        })
    }

    /// What the peer is doing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn status(&mut self, status: &Status) -> Result<(), JournalError> {
        self.line(&Line::Status {
            time: unix_seconds(SystemTime::now()),
            status,
        })
    }

    /// What the evaluation of a round counted by class: `[class, right, samples]` of those that have samples here.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn classes(&mut self, round: u32, classes: &[ClassCounts]) -> Result<(), JournalError> {
        let counts = classes
            .iter()
            .enumerate()
            .filter(|(_, counts)| counts.total > 0);
        let counts = counts.map(|(class, counts)| (class, counts.correct, counts.total));
        self.line(&Line::Classes {
            time: unix_seconds(SystemTime::now()),
            round,
            counts: counts.collect(),
        })
    }

    /// A round is over.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn round(&mut self, report: &RoundReport) -> Result<(), JournalError> {
        self.line(&Line::Round {
            time: unix_seconds(SystemTime::now()),
            report,
        })
    }

    /// The round is the last one, since a rule of early stop was met.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn converged(&mut self, round: u32, reason: &str) -> Result<(), JournalError> {
        self.line(&Line::Converged {
            time: unix_seconds(SystemTime::now()),
            round,
            reason,
        })
    }

    /// No model of the run counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn verdict(&mut self, verdict: &Verdict) -> Result<(), JournalError> {
        self.line(&Line::Verdict {
            time: unix_seconds(SystemTime::now()),
            verdict,
        })
    }

    /// One write a line, so that a reader never sees half a line for long and nothing is lost with the process.
    fn line(&mut self, line: &Line<'_>) -> Result<(), JournalError> {
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        self.file.write_all(&text).map_err(|source| JournalError {
            path: self.path.clone(),
            source,
        })
    }
}

/// Drops what a metrics file says of `round` and the rounds after it. A file of which nothing is dropped stays the same file,
/// so that who follows it already goes on; one that is not there is left so.
///
/// # Errors
/// When the file cannot be read or written.
pub fn trim(path: &Path, round: u32) -> Result<(), JournalError> {
    trimmed(path, round).map_err(|source| JournalError {
        path: path.to_owned(),
        source,
    })
}

fn trimmed(path: &Path, round: u32) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let temporary = path.with_extension("jsonl.tmp");
    let mut kept = BufWriter::new(File::create(&temporary)?);
    let mut reader = BufReader::new(file);
    let (mut line, mut dropped) = (Vec::new(), 0);
    while reader
        .by_ref()
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)?
        > 0
    {
        // A line that was not written to its end is no JSON.
        let keep = line.ends_with(b"\n")
            && serde_json::from_slice(&line).is_ok_and(|numbered: Numbered| numbered.round < round);
        if keep {
            kept.write_all(&line)?;
        } else {
            dropped += 1;
        }
        line.clear();
    }
    if dropped == 0 {
        return fs::remove_file(&temporary);
    }
    kept.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    fs::rename(&temporary, path)
}

/// A time as the lines have it: seconds since 1970. For people and plots only; nothing is decided by it.
#[must_use]
pub fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_file_keeps_the_rounds_before_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let mut first = Journal::create(&path).unwrap();
        for round in 0..5 {
            first.training(round).unwrap();
        }
        first.converged(4, "because").unwrap();
        // The process was killed in the middle of a line.
        first
            .file
            .write_all(b"{\"event\":\"training\",\"ro")
            .unwrap();
        let mut second = Journal::resume(&path, 3).unwrap();
        second.training(3).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<(String, u64)> = text
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                (
                    line["event"].as_str().unwrap().to_owned(),
                    line["round"].as_u64().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("training", 0),
            ("training", 1),
            ("training", 2),
            ("resumed", 3),
            ("training", 3),
        ]
        .map(|(event, round)| (event.to_owned(), round));
        assert_eq!(lines, expected);
        assert!(
            Journal::create(&path).is_err(),
            "a new run overwrites nothing"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        Journal::resume(&path, 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        let error = Journal::resume(Path::new("/proc/nowhere/x"), 1).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere/x"), "{error}");
    }
}
