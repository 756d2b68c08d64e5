use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::DataError;

/// Deflate cannot make more than 1,032 bytes of one (RFC 1951: 258 bytes from a two-bit code).
const LARGEST_EXPANSION: u64 = 1032;

/// A stream of content bytes that knows its name, how much it can hold and how far it was read.
pub(super) struct Source {
    name: String,
    reader: Box<dyn Read>,
    possible: u64,
    position: u64,
    expected: u64,
}

impl Source {
    pub(super) fn embedded(name: &str, gzipped: &'static [u8]) -> Self {
        let reader = Box::new(MultiGzDecoder::new(gzipped));
        let possible = (gzipped.len() as u64).saturating_mul(LARGEST_EXPANSION);
        Self {
            name: name.to_owned(),
            reader,
            possible,
            position: 0,
            expected: 0,
        }
    }

    /// Opens a file that is shown as `name`.
    ///
    /// None when there is no such file.
    pub(super) fn open(
        path: &Path,
        name: String,
        gzipped: bool,
    ) -> Result<Option<Self>, DataError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DataError::Read { file: name, source }),
        };
        let (reader, possible): (Box<dyn Read>, u64) = if gzipped {
            (
                Box::new(MultiGzDecoder::new(BufReader::new(file))),
                size.saturating_mul(LARGEST_EXPANSION),
            )
        } else {
            (Box::new(BufReader::new(file)), size)
        };
        Ok(Some(Self {
            name,
            reader,
            possible,
            position: 0,
            expected: 0,
        }))
    }

    /// The stream of content, for a reader of its own.
    pub(super) fn into_reader(self) -> Box<dyn Read> {
        self.reader
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
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
                return Err(self.truncated());
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
                    return Ok(read);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::UnexpectedEof => return Err(self.truncated()),
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

    fn truncated(&self) -> DataError {
        DataError::Truncated {
            file: self.name(),
            found: self.position,
            expected: self.expected,
        }
    }
}
