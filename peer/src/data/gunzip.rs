//! Unpacks gzip (RFC 1952): members one behind the other, and nothing else.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use thiserror::Error;

/// The first bytes of each member.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b];

/// Something that is no gzip stands behind a whole member.
#[derive(Debug, Error)]
#[error("something that is not gzip follows the gzip stream")]
pub(super) struct Behind;

/// The content of a gzip file. A file that is cut is an error of the kind `UnexpectedEof`, one that goes on a [`Behind`].
pub(super) struct Gunzip<R> {
    /// None when all members have been read.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(packed: R) -> Self {
        Self {
            member: Some(GzDecoder::new(packed)),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let packed = member.get_mut();
            let next = packed.fill_buf()?;
            if next.is_empty() {
                self.member = None;
            } else if MAGIC.starts_with(&next[..next.len().min(MAGIC.len())]) {
                self.member = self.member.take().map(|whole| GzDecoder::new(whole.into_inner()));
            } else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, Behind));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// The unpacked bytes, by a reader that sees `piece` bytes at once, and how it ends.
    fn unpack(packed: &[u8], piece: usize) -> (Vec<u8>, io::Result<usize>) {
        let mut content = Vec::new();
        let mut gunzip = Gunzip::new(io::BufReader::with_capacity(piece, packed));
        let end = gunzip.read_to_end(&mut content);
        (content, end)
    }

    #[test]
    fn members_follow_each_other_and_what_is_cut_or_goes_on_is_told_apart() {
        let two = [member(b"abc"), member(b""), member(b"de")].concat();
        for piece in [1, 2, 7, 1 << 10] {
            let (content, end) = unpack(&two, piece);
            assert_eq!((&content[..], end.unwrap()), (&b"abcde"[..], 5));
            for cut in [two.len() - 1, two.len() - 8, member(b"abc").len() + 1, 3, 0] {
                let end = unpack(&two[..cut], piece).1.unwrap_err();
                assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
            }
            for junk in [&b"x"[..], b"\0\0\0\0\0\0\0\0\0\0\0\0", b"\n"] {
                let (content, end) = unpack(&[&two, junk].concat(), piece);
                assert_eq!(content, b"abcde");
                assert!(end.unwrap_err().get_ref().unwrap().is::<Behind>());
            }
        }
    }
}
