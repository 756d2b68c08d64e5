//! Lists that may be long.

/// Entries that are listed unless all are asked for.
pub(super) const LISTED: usize = 16;
/// Columns of a list of peers.
pub(super) const NEIGHBOURS: usize = 30;

/// As many numbers as fit into so many columns, and how many are left out.
pub(super) fn shortened(numbers: &[u32], width: usize) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let whole = texts.join(", ");
    if whole.len() <= width {
        return whole;
    }
    let mut text = String::new();
    for (i, number) in texts.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let tail = format!(" … {} more", texts.len() - i - 1);
        let columns = text.len() + comma.len() + number.len() + tail.chars().count();
        if columns > width && i > 0 {
            text.push_str(&format!(" … {} more", texts.len() - i));
            break;
        }
        text.push_str(comma);
        text.push_str(number);
    }
    text
}
