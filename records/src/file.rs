//! A peer's metrics file: one [`Line`] after the other, of which the last may be cut.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use crate::{
    draft,
    line::{Line, LineError},
};

/// Longest line that is read, in bytes; a report has at most 1 KiB, an exchange 12 KiB.
pub const LONGEST_LINE: usize = 64 * 1024;

/// A line that is not understood: cut, damaged, or of another version.
#[derive(Debug, Error)]
#[error("{}:{number}: {source}", path.display())]
pub struct DamagedLine {
    path: PathBuf,
    /// From 1.
    number: usize,
    source: LineError,
}

/// The lines of a file.
///
/// # Errors
/// When the file cannot be opened. One that cannot be read to its end ends there.
pub fn lines(path: &Path) -> io::Result<impl Iterator<Item = Result<Line, DamagedLine>> + use<>> {
    let mut reader = BufReader::new(File::open(path)?);
    let (path, mut number, mut line) = (path.to_owned(), 0, Vec::new());
    Ok(std::iter::from_fn(move || {
        let Ok(true) = next_line(&mut reader, &mut line) else {
            return None;
        };
        number += 1;
        Some(Line::read(&line).map_err(|source| DamagedLine {
            path: path.clone(),
            number,
            source,
        }))
    }))
}

/// Reads a line with its end; of one that is too long only the beginning. False at the end of the file.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut bounded = reader.take(LONGEST_LINE as u64);
    let found = bounded.read_until(b'\n', line)? > 0;
    if bounded.limit() == 0 && !line.ends_with(b"\n") {
        reader.skip_until(b'\n')?;
    }
    Ok(found)
}

/// The parts of a line by which it is kept or dropped.
#[derive(Deserialize)]
struct Numbered {
    round: u32,
}

/// Drops what a metrics file says of `round` and the rounds after it. A file of which nothing is dropped stays the same file,
/// so that who follows it already goes on; one that is not there is left so.
///
/// # Errors
/// When the file cannot be read or written.
pub fn trim(path: &Path, round: u32) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut kept = BufWriter::new(draft::beside(path)?);
    let mut reader = BufReader::new(file);
    let (mut line, mut dropped) = (Vec::new(), 0);
    while next_line(&mut reader, &mut line)? {
        // A line that was not written to its end is no JSON.
        let keep = line.ends_with(b"\n")
            && serde_json::from_slice(&line).is_ok_and(|numbered: Numbered| numbered.round < round);
        if keep {
            kept.write_all(&line)?;
        } else {
            dropped += 1;
        }
    }
    if dropped > 0 {
        let whole = kept.into_inner().map_err(|error| error.into_error())?;
        whole.as_file().sync_all()?;
        whole.persist(path)?;
    }
    Ok(())
}

/// Cuts a last line that was not written to its end, and gives the last round that the file tells of. One that is not there is left so.
///
/// # Errors
/// When the file cannot be read or written.
pub fn mend(path: &Path) -> io::Result<Option<u32>> {
    let file = match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut reader = BufReader::new(&file);
    let (mut line, mut begin, mut end, mut last) = (Vec::new(), 0, 0, None);
    while next_line(&mut reader, &mut line)? {
        (begin, end) = (end, reader.stream_position()?);
        if let Ok(Numbered { round }) = serde_json::from_slice(&line) {
            last = last.max(Some(round));
        }
    }
    if end > 0 {
        let mut byte = [0];
        reader.seek(SeekFrom::Start(end - 1))?;
        reader.read_exact(&mut byte)?;
        if byte != *b"\n" {
            file.set_len(begin)?;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::line::Event;

    const TRAINING: &str = "{\"event\":\"training\",\"time\":1.5,\"round\":0}\n";

    #[test]
    fn broken_unknown_endless_and_cut_lines_do_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let endless = "x".repeat(3 * LONGEST_LINE);
        let cut = &TRAINING[..20];
        let other = "{\"event\":\"other\",\"time\":1}\n";
        fs::write(&path, format!("broken\n{TRAINING}{endless}\n{TRAINING}{other}{cut}")).unwrap();
        let read: Vec<_> = lines(&path).unwrap().collect();
        let events: Vec<_> = read.iter().flatten().map(|line| &line.event).collect();
        assert!(matches!(
            events[..],
            [Event::Training(_), Event::Training(_), Event::Other]
        ));
        let errors: Vec<String> = read
            .iter()
            .filter_map(|line| Some(line.as_ref().err()?.to_string()))
            .collect();
        let path = path.display();
        assert_eq!(errors.len(), 3);
        for (error, start) in errors.iter().zip([
            format!("{path}:1: .: expected value"),
            format!("{path}:3: .: expected value"),
            format!("{path}:6: .: EOF"),
        ]) {
            assert!(error.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn a_file_is_mended_by_cutting_the_line_that_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        assert_eq!(mend(&path).unwrap(), None);
        assert!(!path.exists());
        let later = TRAINING.replace("\"round\":0", "\"round\":7");
        let torn = "x".repeat(2 * LONGEST_LINE);
        for (kept, torn, last) in [
            (String::new(), "", None),
            (String::new(), &TRAINING[..20], None),
            (format!("{TRAINING}{later}broken\n"), &later[..later.len() - 1], Some(7)),
            (format!("{later}{TRAINING}"), &torn, Some(7)),
        ] {
            fs::write(&path, format!("{kept}{torn}")).unwrap();
            assert_eq!(mend(&path).unwrap(), last);
            assert_eq!(fs::read_to_string(&path).unwrap(), kept);
        }
    }

    #[test]
    fn a_file_of_which_nothing_is_dropped_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        trim(&path, 1).unwrap();
        assert!(!path.exists());
        fs::write(&path, TRAINING).unwrap();
        let mut follower = File::open(&path).unwrap();
        trim(&path, 1).unwrap();
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        let mut text = String::new();
        follower.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{TRAINING}x"));
        trim(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
