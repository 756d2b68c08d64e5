//! The metrics file of one peer, JSON lines: when a training begins, what the peer is doing, how the exchange of a round went,
//! and the figures of each finished round.

pub mod exchange;
pub mod status;

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fltorrent_coordinator::report::RoundReport;
use serde::Serialize;
use thiserror::Error;

use exchange::Exchange;
use status::Status;

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
}

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

    /// Training of a round begins.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn training(&mut self, round: u32) -> Result<(), JournalError> {
        self.line(&Line::Training {
            time: unix_seconds(),
            round,
        })
    }

    /// All chunks of a round are held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn exchange(&mut self, exchange: &Exchange) -> Result<(), JournalError> {
        self.line(&Line::Exchange {
            time: unix_seconds(),
            exchange,
        })
    }

    /// What the peer is doing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn status(&mut self, status: &Status) -> Result<(), JournalError> {
        self.line(&Line::Status {
            time: unix_seconds(),
            status,
        })
    }

    /// A round is over.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn round(&mut self, report: &RoundReport) -> Result<(), JournalError> {
        self.line(&Line::Round {
            time: unix_seconds(),
            report,
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

/// For people and plots only; nothing is decided by it.
fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
