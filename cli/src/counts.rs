//! Counts in words.

use fltorrent_report::units::grouped;

/// So many of something, in words.
pub(crate) fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", grouped(count as u64)),
    }
}

/// The verb that goes with so many.
pub(crate) const fn are(count: usize) -> &'static str {
    match count {
        1 => "is",
        _ => "are",
    }
}
