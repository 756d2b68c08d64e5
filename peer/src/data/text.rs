//! A text as samples: window i has the bytes `[i·context, (i + 1)·context)` as input and, for each of them, the byte that
//! follows it as label. The last windows are the test samples.

use super::{DataError, idx::MAX_SAMPLES, source::Source};

const BUFFER: usize = 64 << 10;

/// The windows of a text.
pub(super) struct Windows {
    /// Training windows; the first test window has this number.
    pub(super) train: usize,
    /// Test windows.
    pub(super) test: usize,
    /// BLAKE3 of the text.
    pub(super) content: [u8; 32],
}

/// Reads the text once, in pieces; it must be UTF-8.
pub(super) fn windows(
    mut source: Source,
    context: usize,
    test_fraction: f64,
) -> Result<Windows, DataError> {
    let (mut hasher, mut length, mut utf8) = (blake3::Hasher::new(), 0_u64, Utf8::default());
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = source.read(&mut buffer)?;
        let piece = &buffer[..read];
        if !utf8.accepts(piece) {
            return Err(DataError::NotUtf8 {
                file: source.name(),
                near: length,
            });
        }
        if read == 0 {
            break;
        }
        hasher.update(piece);
        length += read as u64;
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

/// Inputs and labels of the windows `wanted`, in that order.
pub(super) fn load(
    mut source: Source,
    context: usize,
    wanted: &[usize],
) -> Result<(Vec<u8>, Vec<u8>), DataError> {
    let mut slots: Vec<usize> = (0..wanted.len()).collect();
    slots.sort_unstable_by_key(|&slot| wanted[slot]);
    let mut inputs = vec![0; wanted.len() * context];
    let mut labels = inputs.clone();
    let (mut window, mut reached) = (vec![0; context + 1], None);
    for slot in slots {
        let mut next = reached.map_or(0, |reached: usize| reached + 1);
        while reached != Some(wanted[slot]) {
            // The last byte of a window is the first one of the next.
            let fresh = if next == 0 { 0 } else { 1 };
            window.copy_within(context.., 0);
            source.fill(&mut window[fresh..])?;
            reached = Some(next);
            next += 1;
        }
        inputs[slot * context..][..context].copy_from_slice(&window[..context]);
        labels[slot * context..][..context].copy_from_slice(&window[1..]);
    }
    Ok((inputs, labels))
}

/// Checks UTF-8 that comes in pieces.
#[derive(Default)]
struct Utf8 {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Whether the text is UTF-8 so far; an empty piece is the end.
    fn accepts(&mut self, piece: &[u8]) -> bool {
        if piece.is_empty() {
            return self.begun.is_empty();
        }
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        match std::str::from_utf8(&text) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.begun = text.split_off(error.valid_up_to());
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_checked_across_pieces() {
        let text = "aé€😀".as_bytes();
        for cut in 0..text.len() {
            let mut utf8 = Utf8::default();
            let pieces = [&text[..cut], &text[cut..], &[]];
            let accepted = pieces
                .iter()
                .skip(usize::from(cut == 0))
                .all(|piece| utf8.accepts(piece));
            assert!(accepted, "{cut}");
        }
        assert!(!Utf8::default().accepts(b"a\xff"));
        let mut cut = Utf8::default();
        assert!(cut.accepts(b"\xe2\x82") && !cut.accepts(b""));
        let mut wrong = Utf8::default();
        assert!(wrong.accepts(b"\xe2\x82") && !wrong.accepts(b"a"));
    }
}
