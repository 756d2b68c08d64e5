use std::io::{self, Read};

/// A reader of lines that fails when one is too long, so that a parser's memory is bounded.
pub(super) struct RowLimit {
    inner: Box<dyn Read>,
    longest: usize,
    /// Bytes since the last end of a line.
    run: usize,
}

impl RowLimit {
    pub(super) fn new(inner: Box<dyn Read>, longest: usize) -> Self {
        Self {
            inner,
            longest,
            run: 0,
        }
    }
}

impl Read for RowLimit {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for line in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            self.run += line.len();
            if self.run > self.longest {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a row has more than {} bytes", self.longest),
                ));
            }
            if line.ends_with(b"\n") {
                self.run = 0;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_end_the_reading() {
        let read = |text: &'static str, longest| {
            let mut reader = RowLimit::new(Box::new(text.as_bytes()), longest);
            io::copy(&mut reader, &mut io::sink())
        };
        assert_eq!(read("abc\nabc\nab", 4).unwrap(), 10);
        assert!(read("abc\nabcd\n", 4).is_err());
        assert!(read("abcde", 4).is_err());
    }
}
