//! Bytes of a file as text.

use thiserror::Error;

/// Bytes that are no text in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum NotUtf8 {
    #[error("it is UTF-16; expected a text in UTF-8: convert it, for example with `iconv -f UTF-16 -t UTF-8`")]
    Utf16,
    #[error(
        "the byte at offset {at}, in line {line}, is not UTF-8; expected a text in UTF-8: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    )]
    Byte { at: usize, line: usize },
}

/// The text that the bytes are.
///
/// # Errors
/// When they are not UTF-8, with the first byte that is not.
pub fn utf8(bytes: Vec<u8>) -> Result<String, NotUtf8> {
    String::from_utf8(bytes).map_err(|error| {
        if matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return NotUtf8::Utf16;
        }
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(at);
        NotUtf8::Byte {
            at,
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_of_another_encoding_is_named_with_its_line() {
        assert_eq!(utf8("é\n".into()).unwrap(), "é\n");
        let fault = |bytes: &[u8]| utf8(bytes.to_vec()).unwrap_err();
        let byte = |at, line| NotUtf8::Byte { at, line };
        assert_eq!(fault(b"a: 1\n# caf\xe9\n"), byte(10, 2));
        assert_eq!(fault(b"\xe9"), byte(0, 1));
        assert_eq!(fault("é\n\n€".as_bytes().split_last().unwrap().1), byte(4, 3));
        assert_eq!(fault(b"\xff\xfea\0"), NotUtf8::Utf16);
        assert_eq!(fault(b"\xfe\xff\0a"), NotUtf8::Utf16);
    }
}
