//! Text from a file, a manifest, a command line or another process on its way to a terminal, where control characters would
//! be commands: they would clear the screen, change the window's title, or hide what stands before them.

use std::{borrow::Cow, fmt::Write};

/// The text with control characters written as `\u001b`, but for tabs and ends of lines. What JSON has in strings stays what
/// it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_command(c) && !matches!(c, '\n' | '\t'))
}

/// As [`visible`], for what belongs into one line: tabs and ends of lines are written so as well.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_command)
}

/// Control characters of ASCII and Latin-1, ends of lines and paragraphs, and what turns the direction of writing.
fn is_command(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            // Writing into a string cannot fail.
            write!(shown, "\\u{:04x}", u32::from(c)).ok();
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_a_terminal_are_written_out() {
        for (text, shown) in [
            ("\u{1b}]0;owned\u{7}\u{1b}[2J", "\\u001b]0;owned\\u0007\\u001b[2J"),
            ("a\rb\u{8}c\u{7f}", "a\\u000db\\u0008c\\u007f"),
            ("\u{9b}2J", "\\u009b2J"),
            ("a\u{202e}b\u{2066}c\u{2028}d", "a\\u202eb\\u2066c\\u2028d"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible_line(text), shown);
        }
        assert_eq!(visible_line("a\tb\nc"), "a\\u0009b\\u000ac");
        for plain in ["a\tb\nc", "größer → ≥ 😀", ""] {
            assert!(matches!(visible(plain), Cow::Borrowed(_)), "{plain}");
        }
        let json = serde_json::json!({"found": "\u{1b}\u{7f}\u{9b}\n"});
        let read: serde_json::Value = serde_json::from_str(&visible(&json.to_string())).unwrap();
        assert_eq!(read, json);
    }
}
