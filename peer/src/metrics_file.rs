//! The metrics file of one peer, JSON lines: when a training begins, what the peer is doing, how the exchange of a round went,
//! and the figures of each finished round, over all and by class.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fltorrent_records::{
    file,
    line::{Event, InRound, Line},
    survival::Restarted,
};
use thiserror::Error;

/// Why figures could not be kept.
#[derive(Debug, Error)]
#[error("{path} cannot be written: make room there, or choose another folder")]
pub struct MetricsFileError {
    /// The metrics file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// The metrics file of one peer.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Makes the file; one that is there is not touched.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, MetricsFileError> {
        let path = path.to_owned();
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(MetricsFileError { path, source }),
        }
    }

    /// Goes on with the file of a run that goes on with `round`: what it says of rounds from there on is dropped, since
    /// they are made again.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn resume(path: &Path, round: u32) -> Result<Self, MetricsFileError> {
        let path = path.to_owned();
        let opened = file::trim(&path, round).and_then(|()| File::options().create(true).append(true).open(&path));
        let mut resumed = match opened {
            Ok(file) => Self { path, file },
            Err(source) => return Err(MetricsFileError { path, source }),
        };
        resumed.note(Event::Resumed(InRound { round }))?;
        Ok(resumed)
    }

    /// Goes on with the file of a process that died, of which nothing is dropped but a last line that is not whole.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn take_over(path: &Path, incarnation: u32) -> Result<Self, MetricsFileError> {
        let path = path.to_owned();
        let opened = file::mend(&path).and_then(|round| {
            let file = File::options().create(true).append(true).open(&path)?;
            Ok((round.unwrap_or(0), file))
        });
        let (round, mut taken_over) = match opened {
            Ok((round, file)) => (round, Self { path, file }),
            Err(source) => return Err(MetricsFileError { path, source }),
        };
        taken_over.note(Event::Restarted(Restarted { round, incarnation }))?;
        Ok(taken_over)
    }

    /// The new event.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, event: Event) -> Result<(), MetricsFileError> {
        let time = unix_seconds(SystemTime::now());
        self.write(&Line { time, event }).map_err(|source| MetricsFileError {
            path: self.path.clone(),
            source,
        })
    }

    /// One write a line, so that a reader never sees half a line for long and nothing is lost with the process.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

/// A time as the lines have it: seconds since 1970. For people and plots only; nothing is decided by it.
#[must_use]
pub fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fltorrent_records::line::Converged;

    use super::*;

    #[test]
    fn a_resumed_file_keeps_the_rounds_before_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let mut first = MetricsFile::create(&path).unwrap();
        for round in 0..5 {
            first.note(Event::Training(InRound { round })).unwrap();
        }
        let reason = "because".to_owned();
        first.note(Event::Converged(Converged { round: 4, reason })).unwrap();
        // The process was killed in the middle of a line.
        first.file.write_all(b"{\"event\":\"training\",\"ro").unwrap();
        let mut second = MetricsFile::resume(&path, 3).unwrap();
        second.note(Event::Training(InRound { round: 3 })).unwrap();
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
        assert!(MetricsFile::create(&path).is_err(), "a new run overwrites nothing");
    }

    #[test]
    fn the_file_of_a_process_that_died_keeps_all_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let mut first = MetricsFile::create(&path).unwrap();
        for round in 0..5 {
            first.note(Event::Training(InRound { round })).unwrap();
        }
        first.file.write_all(b"{\"event\":\"training\",\"ro").unwrap();
        let mut second = MetricsFile::take_over(&path, 1).unwrap();
        second.note(Event::Training(InRound { round: 9 })).unwrap();
        let read: Vec<Event> = file::lines(&path).unwrap().map(|line| line.unwrap().event).collect();
        assert_eq!(read.len(), 7);
        let again = Restarted {
            round: 4,
            incarnation: 1,
        };
        assert_eq!(
            read[5..],
            [Event::Restarted(again), Event::Training(InRound { round: 9 })]
        );
        // Its process may have died before it had a file.
        let path = folder.path().join("peer-1.jsonl");
        MetricsFile::take_over(&path, 2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        MetricsFile::resume(&path, 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        let error = MetricsFile::resume(Path::new("/proc/nowhere/x"), 1).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere/x"), "{error}");
    }
}
