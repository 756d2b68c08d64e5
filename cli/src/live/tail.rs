//! Follows a metrics file that another process writes.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use fltorrent_records::{file::LONGEST_LINE, line::Line};

/// Bytes that are read at once.
const BUFFER: usize = 16 * 1024;
/// Most bytes of one file for one look, so that a long file does not hold up the view.
const LOOK: usize = 1024 * 1024;

/// A metrics file, and how far it was read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The line was too long: its rest is skipped too.
    skipping: bool,
}

impl Tail {
    /// A file that may not be there yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            partial: Vec::new(),
            skipping: false,
        }
    }

    /// Reads what is new. What cannot be read is not there: the run does not depend on who watches.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, mut take: impl FnMut(Line)) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(mut file) = self.file.take() else {
            return;
        };
        buffer.resize(BUFFER, 0);
        let mut looked = 0;
        while looked < LOOK
            && let Ok(read @ 1..) = file.read(buffer)
        {
            looked += read;
            self.split(&buffer[..read], &mut take);
        }
        self.file = Some(file);
    }

    fn split(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            self.append(line);
            if let Ok(line) = Line::read(&self.partial) {
                take(line);
            }
            self.partial.clear();
            self.skipping = false;
            bytes = rest;
        }
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.skipping || self.partial.len() + bytes.len() > LONGEST_LINE {
            self.skipping = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use fltorrent_records::line::Event;

    use super::*;

    const TRAINING: &str = "{\"event\":\"training\",\"time\":1.5,\"round\":0}\n";

    fn times(tail: &mut Tail) -> Vec<f64> {
        let mut times = Vec::new();
        tail.read(&mut Vec::new(), |line| {
            // Lines for other readers come through and say nothing here.
            if line.event != Event::Other {
                times.push(line.time);
            }
        });
        times
    }

    #[test]
    fn lines_come_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let mut tail = Tail::new(&path);
        assert!(times(&mut tail).is_empty(), "there is no file yet");
        let mut file = File::create_new(&path).unwrap();
        file.write_all(TRAINING.as_bytes()).unwrap();
        file.write_all(&TRAINING.as_bytes()[..10]).unwrap();
        assert_eq!(times(&mut tail), [1.5]);
        assert!(times(&mut tail).is_empty());
        file.write_all(&TRAINING.as_bytes()[10..]).unwrap();
        assert_eq!(times(&mut tail), [1.5]);
    }

    #[test]
    fn broken_unknown_and_endless_lines_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-0.jsonl");
        let endless = "x".repeat(3 * LONGEST_LINE);
        let text = format!(
            "broken\n\u{fffd}\n{{\"event\":\"other\",\"time\":1}}\n{{\"event\":\"status\",\"time\":1}}\n{endless}\n{TRAINING}{endless}"
        );
        std::fs::write(&path, text).unwrap();
        let mut tail = Tail::new(&path);
        assert_eq!(times(&mut tail), [1.5]);
        assert!(tail.partial.is_empty());
    }
}
