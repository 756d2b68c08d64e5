//! Text files, of which no more is read than they may have.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use fltorrent_crds::{NotUtf8, utf8};
use thiserror::Error;

/// Why a file is no text of a bounded length.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TextError {
    #[error("cannot be read: {0}")]
    Read(io::Error),
    #[error("has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error(transparent)]
    NotUtf8(NotUtf8),
}

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, is longer, or is in another encoding.
pub fn read(path: &Path, limit: u64) -> Result<String, TextError> {
    let bytes = head(path, limit).map_err(TextError::Read)?;
    if bytes.len() as u64 > limit {
        return Err(TextError::TooLarge { limit });
    }
    utf8(bytes).map_err(TextError::NotUtf8)
}

/// The first `limit` bytes of a file, and one more where it has more.
///
/// # Errors
/// When it cannot be read.
pub fn head(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(read(file.path(), 3).unwrap(), "abc");
        let fault = read(file.path(), 2).unwrap_err().to_string();
        assert_eq!(fault, "has more than 2 bytes");
        assert_eq!(head(file.path(), 1).unwrap(), b"ab");
        let missing = read(&file.path().join("x"), 3).unwrap_err();
        assert!(matches!(missing, TextError::Read(_)));
    }
}
