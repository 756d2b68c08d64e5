//! The peers' shares of the data, drawn in 80 columns.

use std::fmt::Write;

use crate::{histogram::Histogram, output::grouped};

/// Columns of a drawing.
const WIDTH: usize = 48;
/// Shares of the largest count, eight steps.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One line a peer, `listed` of them: its samples, and a column a class as high as its share of the largest count; or a
/// bar of its samples where there are no classes, or too many of them.
pub(super) fn shares(histogram: &Histogram, listed: usize) -> String {
    let sizes = histogram.sizes();
    let mut sorted = sizes.clone();
    sorted.sort_unstable();
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return String::new();
    };
    let by_class = (2..=WIDTH).contains(&(histogram.classes as usize));
    let mut text = format!(
        "\ntraining samples of a peer: {} to {}, median {}\n{:>6}  {:>9}  {}\n",
        grouped((*least).into()),
        grouped((*most).into()),
        grouped(sorted[sorted.len() / 2].into()),
        "peer",
        "samples",
        if by_class {
            format!("classes 0–{} and the largest", histogram.classes - 1)
        } else {
            "share of the largest".to_owned()
        },
    );
    let largest = histogram.peers.iter().flatten().copied().max().unwrap_or(0);
    let lines = histogram.peers.iter().zip(&sizes).enumerate();
    for (peer, (counts, &size)) in lines.take(listed) {
        let drawing = if by_class {
            let columns: String = counts.iter().map(|&count| step(count, largest)).collect();
            let top = counts.iter().zip(0..).max_by_key(|&(count, class)| {
                // Of several the first.
                (count, std::cmp::Reverse(class))
            });
            let top = top.map_or_else(String::new, |(&count, class): (&u32, u32)| {
                format!("{class}: {} %", percent(count, size))
            });
            format!("{columns}  {top}")
        } else {
            "█".repeat((f64::from(size) / f64::from(*most) * WIDTH as f64).ceil() as usize)
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{peer:>6}  {:>9}  {drawing}", grouped(size.into()));
    }
    let more = histogram.peers.len().saturating_sub(listed);
    if more > 0 {
        let _ = writeln!(text, "     … and {} more; --peers lists all", grouped(more as u64));
    }
    text
}

fn step(count: u32, largest: u32) -> char {
    if count == 0 {
        return '·';
    }
    let steps = u64::from(count) * STEPS.len() as u64;
    let step = steps.div_ceil(u64::from(largest.max(1))) as usize;
    STEPS[step.clamp(1, STEPS.len()) - 1]
}

fn percent(count: u32, size: u32) -> u32 {
    (u64::from(count) * 100 / u64::from(size.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(classes: u32, peers: Vec<Vec<u32>>) -> String {
        shares(&Histogram { classes, peers }, 3)
    }

    #[test]
    fn classes_are_drawn_by_their_share() {
        let text = of(3, vec![vec![8, 0, 1], vec![0, 4, 4], vec![800, 0, 0]]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines[0], "training samples of a peer: 8 to 800, median 9");
        assert_eq!(lines[2], "     0          9  ▁·▁  0: 88 %");
        assert_eq!(lines[3], "     1          8  ·▁▁  1: 50 %");
        assert_eq!(lines[4], "     2        800  █··  0: 100 %");
    }

    #[test]
    fn a_text_and_many_classes_show_sizes() {
        let text = of(1, vec![vec![10], vec![5]]);
        assert!(text.contains(&format!("0         10  {}\n", "█".repeat(48))), "{text}");
        assert!(text.contains(&format!("1          5  {}\n", "█".repeat(24))), "{text}");
        assert!(of(100, vec![vec![1; 100]]).contains("share of the largest"));
    }

    #[test]
    fn eighty_columns_are_enough_and_many_peers_are_counted() {
        let text = of(48, vec![vec![4_000_000; 48]; 5]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.ends_with("… and 2 more; --peers lists all\n"));
    }
}
