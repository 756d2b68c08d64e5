use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

use super::{
    DataError,
    gunzip::{Behind, Gunzip, MAGIC},
    kind::{self, HEAD},
};

/// Deflate cannot make more than 1,032 bytes of one (RFC 1951: 258 bytes from a two-bit code).
const LARGEST_EXPANSION: u64 = 1032;

/// A stream of content bytes that knows its name, how much it can hold and how far it was read.
pub(super) struct Source {
    name: String,
    reader: Box<dyn Read>,
    possible: u64,
    position: u64,
    expected: u64,
    /// The first bytes of what was read, by which files of another kind are known.
    head: Vec<u8>,
}

impl Source {
    pub(super) fn embedded(name: &str, gzipped: &'static [u8]) -> Self {
        let reader = Box::new(Gunzip::new(gzipped));
        let possible = (gzipped.len() as u64).saturating_mul(LARGEST_EXPANSION);
        Self {
            name: name.to_owned(),
            reader,
            possible,
            position: 0,
            expected: 0,
            head: Vec::new(),
        }
    }

    /// Opens a file that is shown as `name`.
    ///
    /// None when there is no such file.
    pub(super) fn open(path: &Path, name: String, gzipped: bool) -> Result<Option<Self>, DataError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DataError::Read { file: name, source }),
        };
        let mut file = BufReader::new(file);
        let (reader, possible): (Box<dyn Read>, u64) = if gzipped {
            check_gzip(&mut file, &name)?;
            (Box::new(Gunzip::new(file)), size.saturating_mul(LARGEST_EXPANSION))
        } else {
            (Box::new(file), size)
        };
        Ok(Some(Self {
            name,
            reader,
            possible,
            position: 0,
            expected: 0,
            head: Vec::new(),
        }))
    }

    /// The first bytes of what was read so far.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// The first bytes of the content, after reading them all as far as they are there. Nothing can be read in order after it.
    pub(super) fn whole_head(&mut self) -> &[u8] {
        let mut rest = [0; HEAD];
        while self.head.len() < HEAD && self.read(&mut rest).is_ok_and(|read| read > 0) {}
        &self.head
    }

    /// States how much is needed before the file itself says how long its content is.
    pub(super) fn expect_header(&mut self, length: u64) {
        self.expected = length;
    }

    /// States how long the content is, and refuses a length that the file cannot hold.
    pub(super) fn expect_len(&mut self, expected: u64) -> Result<(), DataError> {
        self.expected = expected;
        if expected > self.possible {
            return Err(DataError::Announced {
                file: self.name(),
                announced: expected,
                possible: self.possible,
            });
        }
        Ok(())
    }

    pub(super) fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), DataError> {
        while !buffer.is_empty() {
            let read = self.read(buffer)?;
            if read == 0 {
                return Err(self.too_short());
            }
            buffer = &mut buffer[read..];
        }
        Ok(())
    }

    /// Checks that the stream ends here, with the checksum of a gzip stream.
    pub(super) fn finish(mut self) -> Result<(), DataError> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(DataError::Trailing {
                file: self.name(),
                expected: self.expected,
            }),
        }
    }

    /// Reads what comes next; nothing at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DataError> {
        loop {
            match self.reader.read(buffer) {
                Ok(read) => {
                    self.position += read as u64;
                    let missing = HEAD.saturating_sub(self.head.len());
                    self.head.extend_from_slice(&buffer[..read.min(missing)]);
                    return Ok(read);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    // Only from what unpacks: a file that is not packed just ends.
                    ErrorKind::UnexpectedEof => {
                        return Err(DataError::Cut {
                            file: self.name(),
                            found: self.position,
                        });
                    }
                    _ if error.get_ref().is_some_and(|error| error.is::<Behind>()) => {
                        return Err(DataError::Behind {
                            file: self.name(),
                            found: self.position,
                        });
                    }
                    ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                        return Err(DataError::Damaged {
                            file: self.name(),
                            source: error,
                        });
                    }
                    _ => {
                        return Err(DataError::Read {
                            file: self.name(),
                            source: error,
                        });
                    }
                },
            }
        }
    }

    fn too_short(&self) -> DataError {
        // Of a text nothing says how long it is but that it was longer before.
        if self.expected == 0 {
            return DataError::Changed { file: self.name() };
        }
        DataError::Truncated {
            file: self.name(),
            found: self.position,
            expected: self.expected,
        }
    }
}

/// Refuses a file that is not packed though its name says so. One that cannot be read says that when it is.
fn check_gzip(file: &mut BufReader<File>, name: &str) -> Result<(), DataError> {
    let head = file.fill_buf().unwrap_or_default();
    if head.is_empty() || head.starts_with(MAGIC) {
        return Ok(());
    }
    let file = name.to_owned();
    Err(match kind::of(head) {
        Some(kind) => DataError::kind(file, kind, "a gzip file"),
        None => DataError::NotGzip { file },
    })
}
