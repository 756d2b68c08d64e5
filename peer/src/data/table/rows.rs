//! Rows of a CSV file (RFC 4180), one by one, each field with the line of the file that it is in.
//!
//! Lines are counted as an editor does: LF, CR LF and CR end one wherever they are, between quotes as well. Blank lines
//! are no rows. Memory is that of one row, which is bounded.

use super::super::{DataError, source::Source};

const BUFFER: usize = 64 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One row. Its memory is taken once and used again.
#[derive(Debug, Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    /// The line that the row begins in, from 1, and the one that it ends in.
    lines: (u64, u64),
    /// Fields behind a break in quotes: the first one of each line, and the line.
    later: Vec<(usize, u64)>,
    is_quoted: bool,
}

impl Row {
    /// Number of fields.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field without the spaces around it; nothing where there is none.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        let Some(&end) = self.ends.get(index) else {
            return &[];
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes[start..end].trim_ascii()
    }

    /// All fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.field(index))
    }

    /// The lines that the row begins and ends in.
    pub(super) fn lines(&self) -> (u64, u64) {
        self.lines
    }

    /// The line that a field begins in.
    pub(super) fn line_of(&self, index: usize) -> u64 {
        let before = self.later.iter().rev().find(|(first, _)| *first <= index);
        before.map_or(self.lines.0, |(_, line)| *line)
    }

    fn clear(&mut self, line: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.later.clear();
        self.lines = (line, line);
        self.is_quoted = false;
    }

    fn end_field(&mut self, line: u64) {
        self.ends.push(self.bytes.len());
        if line > self.lines.1 {
            self.lines.1 = line;
            self.later.push((self.ends.len(), line));
        }
    }

    fn is_blank(&self) -> bool {
        !self.is_quoted && self.len() <= 1 && self.field(0).is_empty()
    }
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the beginning of a field, or in spaces there.
    Start,
    /// In a field, outside of quotes.
    Plain,
    /// Between quotes that were opened in this line.
    Quoted(u64),
    /// Behind a quote between them: it closes the field, or stands for itself before another one.
    Quote(u64),
    /// Behind the row.
    End,
}

/// A file whose rows come one by one.
pub(super) struct Rows {
    source: Source,
    buffer: Vec<u8>,
    /// Bytes that were read and are not used yet.
    ahead: std::ops::Range<usize>,
    /// Most bytes of a row.
    longest: usize,
    /// The line of the next byte, from 1.
    line: u64,
    /// The last byte was a CR: an LF behind it belongs to the same end of a line.
    after_cr: bool,
    begun: bool,
}

impl Rows {
    pub(super) fn new(source: Source, longest: usize) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER],
            ahead: 0..0,
            longest,
            line: 1,
            after_cr: false,
            begun: false,
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Reads the next row; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, DataError> {
        row.clear(self.line);
        let mut at = At::Start;
        loop {
            if self.ahead.is_empty() && !self.fill()? {
                return self.end(row, at);
            }
            at = match at {
                At::Plain => self.plain(row),
                At::Quoted(opened) => self.quoted(row, opened),
                At::Start | At::Quote(_) | At::End => self.byte(row, at),
            };
            if row.bytes.len() > self.longest {
                return Err(self.too_long(row, at));
            }
            if at == At::End {
                if !row.is_blank() {
                    return Ok(true);
                }
                row.clear(self.line);
                at = At::Start;
            }
        }
    }

    /// Takes bytes up to the one that may end the field, and that one.
    fn plain(&mut self, row: &mut Row) -> At {
        let ahead = &self.buffer[self.ahead.clone()];
        let ends = |byte: &u8| matches!(byte, b',' | b'\n' | b'\r');
        let length = ahead.iter().position(ends).unwrap_or(ahead.len());
        row.bytes.extend_from_slice(&ahead[..length]);
        self.ahead.start += length;
        self.byte(row, At::Plain)
    }

    /// Takes bytes up to the next quote, and counts lines.
    fn quoted(&mut self, row: &mut Row, opened: u64) -> At {
        let ahead = &self.buffer[self.ahead.clone()];
        let length = ahead.iter().position(|&byte| byte == b'"');
        let taken = &ahead[..length.unwrap_or(ahead.len())];
        for &byte in taken {
            self.line += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_cr));
            self.after_cr = byte == b'\r';
        }
        row.bytes.extend_from_slice(taken);
        self.ahead.start += taken.len();
        if length.is_none() {
            return At::Quoted(opened);
        }
        self.ahead.start += 1;
        self.after_cr = false;
        At::Quote(opened)
    }

    /// Takes one byte that ends a field or opens quotes, or is part of a field.
    fn byte(&mut self, row: &mut Row, at: At) -> At {
        if self.ahead.is_empty() {
            return at;
        }
        let byte = self.buffer[self.ahead.start];
        self.ahead.start += 1;
        let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match (byte, at) {
            (b'\n', At::Start) if follows_cr => At::Start,
            (b'"', At::Start) => {
                // Spaces before the quotes are not part of the field.
                row.bytes.truncate(row.ends.last().copied().unwrap_or(0));
                row.is_quoted = true;
                At::Quoted(self.line)
            }
            (b'"', At::Quote(opened)) => {
                row.bytes.push(byte);
                At::Quoted(opened)
            }
            (b',', _) => {
                row.end_field(self.line);
                At::Start
            }
            (b'\n' | b'\r', _) => {
                row.end_field(self.line);
                self.line += 1;
                At::End
            }
            (_, At::Start) if byte.is_ascii_whitespace() => {
                row.bytes.push(byte);
                At::Start
            }
            _ => {
                row.bytes.push(byte);
                At::Plain
            }
        }
    }

    /// The file is over: so is a row without an end of its line.
    fn end(&self, row: &mut Row, at: At) -> Result<bool, DataError> {
        if let At::Quoted(line) = at {
            return Err(DataError::Unclosed {
                file: self.source.name(),
                line,
            });
        }
        row.end_field(self.line);
        Ok(!row.is_blank())
    }

    fn too_long(&self, row: &Row, at: At) -> DataError {
        match at {
            At::Quoted(line) => DataError::Unclosed {
                file: self.source.name(),
                line,
            },
            _ => DataError::LongRow {
                file: self.source.name(),
                line: row.lines.0,
                longest: self.longest,
            },
        }
    }

    /// Reads on; false at the end. A byte-order mark is no part of the first field.
    fn fill(&mut self) -> Result<bool, DataError> {
        let mut read = self.source.read(&mut self.buffer)?;
        let mut start = 0;
        if !std::mem::replace(&mut self.begun, true) {
            while (1..BOM.len()).contains(&read) {
                match self.source.read(&mut self.buffer[read..])? {
                    0 => break,
                    more => read += more,
                }
            }
            if self.buffer[..read].starts_with(BOM) {
                start = BOM.len();
            }
        }
        self.ahead = start..read;
        Ok(start < read || (start > 0 && self.fill()?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    type Read = (Vec<String>, Vec<u64>);

    fn rows_of(text: &[u8], longest: usize) -> Result<Vec<Read>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let source = Source::open(file.path(), "t.csv".to_owned(), false).unwrap();
        let mut rows = Rows::new(source.unwrap(), longest);
        let (mut row, mut all) = (Row::default(), Vec::new());
        while rows.read(&mut row).map_err(|error| error.to_string())? {
            let fields = row.fields();
            let fields = fields.map(|field| String::from_utf8_lossy(field).into_owned());
            all.push((
                fields.collect(),
                (0..row.len()).map(|index| row.line_of(index)).collect(),
            ));
        }
        Ok(all)
    }

    fn rows(text: &str) -> Vec<Read> {
        rows_of(text.as_bytes(), 100).unwrap()
    }

    fn row(fields: &[&str], lines: &[u64]) -> Read {
        let fields = fields.iter().map(ToString::to_string).collect();
        (fields, lines.to_vec())
    }

    #[test]
    fn lines_are_those_of_an_editor() {
        assert_eq!(
            rows("a,b\n\n \t\nc,d\r\n\r\ne,f\rg,h"),
            [
                row(&["a", "b"], &[1, 1]),
                row(&["c", "d"], &[4, 4]),
                row(&["e", "f"], &[6, 6]),
                row(&["g", "h"], &[7, 7]),
            ]
        );
        assert_eq!(
            rows("a,\"b\nc\",d\n\"\r\n\r\",e\n\nf"),
            [
                row(&["a", "b\nc", "d"], &[1, 1, 2]),
                row(&["", "e"], &[3, 5]),
                row(&["f"], &[7]),
            ]
        );
        assert_eq!(rows(""), []);
        assert_eq!(rows("\r\n\n\r"), []);
        assert_eq!(rows("\u{feff}a"), [row(&["a"], &[1])]);
        assert_eq!(rows("\u{feff}"), []);
    }

    #[test]
    fn quotes_are_those_of_rfc_4180() {
        for (text, fields) in [
            ("\"a,b\",c", &["a,b", "c"][..]),
            ("\"a\"\"b\",\"\"", &["a\"b", ""]),
            ("  \"a\" , b ", &["a", "b"]),
            ("a\"b\",c", &["a\"b\"", "c"]),
            ("\"a\"b,c", &["ab", "c"]),
            ("\"\"", &[""]),
            (",", &["", ""]),
        ] {
            assert_eq!(rows(text), [row(fields, &vec![1; fields.len()])], "{text}");
        }
    }

    #[test]
    fn a_quote_that_never_closes_is_named_with_its_line() {
        let unclosed = "t.csv: the quote that opens in line 2 is not closed";
        for text in ["a\n\"b", "a\nb,\"c\nd,e\nf", "a\n\"b\"\"", "a\n\""] {
            let error = rows_of(text.as_bytes(), 100).unwrap_err();
            assert!(error.starts_with(unclosed), "{text:?}: {error}");
        }
        let long = format!("a\n\"{}", "b\n".repeat(100));
        assert!(rows_of(long.as_bytes(), 100).unwrap_err().starts_with(unclosed));
        let long = format!("a\n\n{}", "b".repeat(101));
        let error = rows_of(long.as_bytes(), 100).unwrap_err();
        assert!(
            error.starts_with("t.csv, line 3: the row has more than 100 bytes"),
            "{error}"
        );
        // Rows far longer than what is read at once.
        let long = format!("{},\"{}\"\nc", "a".repeat(BUFFER), "b\n".repeat(BUFFER));
        let read = rows_of(long.as_bytes(), 1 << 20).unwrap();
        assert_eq!(read[1].1, [BUFFER as u64 + 2]);
    }
}
