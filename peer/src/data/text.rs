//! A text as samples: window i has the bytes `[i·context, (i + 1)·context)` as input and, for each of them, the byte that
//! follows it as label. The last windows are the test samples.

use std::io::Read;

use fltorrent_crds::{data::TextPlan, plan::DataPlan, shards::Groups};

use super::{DataError, Inputs, Labels, Reader, Split, file, idx::MAX_SAMPLES, input_len, kind, source::Source};

const BUFFER: usize = 64 << 10;

/// The file of a data set.
pub(super) struct File<'a> {
    pub(super) text: &'a TextPlan,
    pub(super) plan: &'a DataPlan,
}

impl Reader for File<'_> {
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let source = file::find(&self.text.file)?.open()?;
        let windows = windows(source, input_len(self.plan)?, self.text.test_fraction)?;
        let labels = Labels {
            train: vec![0; windows.train],
            test: vec![0; windows.test],
            content: Some(windows.content),
        };
        Ok((labels, None))
    }

    fn load(&self, labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let first = split.of(0, labels.train.len());
        let wanted: Vec<usize> = indices.iter().map(|&index| first + index as usize).collect();
        let source = file::find(&self.text.file)?.open()?;
        let (inputs, targets) = load(source, input_len(self.plan)?, &wanted)?;
        Ok((Inputs::Tokens(inputs), Some(targets)))
    }
}

/// The windows of a text.
struct Windows {
    /// Training windows; the first test window has this number.
    train: usize,
    /// Test windows.
    test: usize,
    /// BLAKE3 of the text.
    content: [u8; 32],
}

/// A mark of the byte order, which is no part of the text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads the text once, in pieces; it must be UTF-8.
fn windows(mut source: Source, context: usize, test_fraction: f64) -> Result<Windows, DataError> {
    let mut buffer = vec![0; BUFFER];
    let (skipped, mut read) = skip_bom(&mut source, &mut buffer)?;
    let (mut hasher, mut length, mut utf8) = (blake3::Hasher::new(), 0_u64, Utf8::after(skipped));
    loop {
        let piece = &buffer[..read];
        let is_utf8 = utf8.take(piece);
        // A pointer is a text as well, but not the one that is meant.
        if length == 0 || is_utf8.is_err() {
            check_kind(&source)?;
        }
        is_utf8.map_err(|Fault { at, line }| DataError::NotUtf8 {
            file: source.name(),
            at,
            line,
        })?;
        if read == 0 {
            break;
        }
        hasher.update(piece);
        length += read as u64;
        read = source.read(&mut buffer)?;
    }
    // Every window needs one byte more, the last one's last label.
    let count = length.saturating_sub(1) / context as u64;
    if count < 2 || count > u64::from(MAX_SAMPLES) {
        return Err(DataError::Windows {
            file: source.name(),
            length,
            context,
            most: MAX_SAMPLES,
        });
    }
    let count = count as usize;
    let test = (libm::floor(count as f64 * test_fraction) as usize).clamp(1, count - 1);
    Ok(Windows {
        train: count - test,
        test,
        content: *hasher.finalize().as_bytes(),
    })
}

/// Reads the first bytes of the text behind its byte-order mark; gives the bytes of the mark, and how many were read.
fn skip_bom(source: &mut Source, buffer: &mut [u8]) -> Result<(usize, usize), DataError> {
    let mut read = 0;
    while read < BOM.len() {
        match source.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    if !buffer[..read].starts_with(BOM) {
        return Ok((0, read));
    }
    buffer.copy_within(BOM.len()..read, 0);
    let rest = match read - BOM.len() {
        0 => source.read(buffer)?,
        rest => rest,
    };
    Ok((BOM.len(), rest))
}

fn check_kind(source: &Source) -> Result<(), DataError> {
    let kind = kind::of(source.head()).filter(|kind| *kind != kind::WEB_PAGE);
    kind.map_or(Ok(()), |kind| {
        Err(DataError::kind(source.name(), kind, "a text in UTF-8"))
    })
}

/// The bytes of a text from its beginning.
struct Bytes {
    source: Source,
    /// Bytes that were read to look for a byte-order mark.
    first: std::io::Cursor<Vec<u8>>,
}

impl Bytes {
    fn new(mut source: Source) -> Result<Self, DataError> {
        let mut first = vec![0; BUFFER];
        let (_, read) = skip_bom(&mut source, &mut first)?;
        first.truncate(read);
        Ok(Self {
            source,
            first: std::io::Cursor::new(first),
        })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), DataError> {
        let here = self.first.read(buffer).unwrap_or_default();
        self.source.fill(&mut buffer[here..])
    }
}

/// Inputs and labels of the windows `wanted`, in that order.
fn load(source: Source, context: usize, wanted: &[usize]) -> Result<(Vec<u8>, Vec<u8>), DataError> {
    let mut slots: Vec<usize> = (0..wanted.len()).collect();
    slots.sort_unstable_by_key(|&slot| wanted[slot]);
    let mut inputs = vec![0; wanted.len() * context];
    let mut labels = inputs.clone();
    let mut reader = Bytes::new(source)?;
    let (mut window, mut reached) = (vec![0; context + 1], None);
    for slot in slots {
        let mut next = reached.map_or(0, |reached: usize| reached + 1);
        while reached != Some(wanted[slot]) {
            // The last byte of a window is the first one of the next.
            let fresh = if next == 0 { 0 } else { 1 };
            window.copy_within(context.., 0);
            reader.fill(&mut window[fresh..])?;
            reached = Some(next);
            next += 1;
        }
        inputs[slot * context..][..context].copy_from_slice(&window[..context]);
        labels[slot * context..][..context].copy_from_slice(&window[1..]);
    }
    Ok((inputs, labels))
}

/// Checks UTF-8 that comes in pieces.
struct Utf8 {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
    /// Bytes before it.
    length: u64,
    /// Its line, from 1.
    line: u64,
}

/// The first byte that is not UTF-8, from 0, and its line, from 1.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    at: u64,
    line: u64,
}

impl Utf8 {
    /// Of a text behind a byte-order mark of so many bytes.
    fn after(skipped: usize) -> Self {
        Self {
            begun: Vec::new(),
            length: skipped as u64,
            line: 1,
        }
    }

    /// Takes a piece of the text; an empty one is its end.
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        let (valid, is_begun) = match std::str::from_utf8(&text) {
            Ok(_) => (text.len(), true),
            Err(error) => (error.valid_up_to(), error.error_len().is_none() && !piece.is_empty()),
        };
        self.length += valid as u64;
        self.line += text[..valid].iter().filter(|&&byte| byte == b'\n').count() as u64;
        if !is_begun {
            return Err(Fault {
                at: self.length,
                line: self.line,
            });
        }
        self.begun = text.split_off(valid);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_checked_across_pieces() {
        let text = "aé€😀".as_bytes();
        for cut in 1..text.len() {
            let mut utf8 = Utf8::after(0);
            for piece in [&text[..cut], &text[cut..], &[]] {
                assert_eq!(utf8.take(piece), Ok(()), "{cut}");
            }
        }
        let fault = |at, line| Err(Fault { at, line });
        assert_eq!(Utf8::after(0).take(b"a\xff"), fault(1, 1));
        let mut cut = Utf8::after(0);
        assert_eq!(cut.take(b"\n\xe2\x82"), Ok(()));
        assert_eq!(cut.take(b""), fault(1, 2));
        let mut wrong = Utf8::after(0);
        assert_eq!(wrong.take(b"ab\n\nc\xe2\x82"), Ok(()));
        assert_eq!(wrong.take(b"a"), fault(5, 3));
        assert_eq!(Utf8::after(3).take(b"a\xff"), fault(4, 1));
    }
}
