use std::{fs::File, io, path::Path};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

/// A SHA-256 in the making.
pub(crate) struct Digest(Context);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 64 lower-case hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        HEXLOWER.encode(self.0.finish().as_ref())
    }
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The SHA-256 of bytes that are there, as 64 lower-case hexadecimal digits.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let mut digest = Digest::new();
    digest.update(bytes);
    digest.finish()
}

/// The SHA-256 of a file, read in pieces.
pub(super) fn of_file(path: &Path) -> io::Result<String> {
    let mut digest = Digest::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(digest.finish())
}
