//! Numbers in few characters.

/// At most 5 characters: `999B`, `1.5K`, `12.0M`, `1023G`.
pub(super) fn bytes(bytes: f64) -> String {
    let mut value = bytes.max(0.0);
    for unit in ["B", "K", "M", "G", "T"] {
        if value < 1023.5 {
            return match unit {
                "B" => format!("{value:.0}B"),
                _ if value < 99.95 => format!("{value:.1}{unit}"),
                _ => format!("{value:.0}{unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.0}P")
}

/// At most 6 characters: `0.04s`, `59.9s`, `12m05`, `99h59`, `120d`.
pub(super) fn seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let whole = seconds.round() as u64;
    match seconds {
        ..9.995 => format!("{seconds:.2}s"),
        ..59.95 => format!("{seconds:.1}s"),
        ..3599.5 => format!("{}m{:02}", whole / 60, whole % 60),
        ..359_970.0 => format!("{}h{:02}", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d", whole / 86_400),
    }
}

/// `0:07`, `12:05`, `1:02:03`.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Four places of a share or a loss, and fewer of large numbers; `-` for none.
pub(super) fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 9.999_95 => format!("{value:.4}"),
        Some(value) if value.abs() < 9999.5 => format!("{value:.1}"),
        Some(value) => format!("{value:.0e}"),
    }
}

/// The characters that bars are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glyphs {
    /// For a bar: full and empty.
    bar: [char; 2],
    /// For a line of small columns, from low to high.
    levels: [char; 8],
    pub(super) arrows: &'static str,
}

impl Glyphs {
    pub(super) const UNICODE: Self = Self {
        bar: ['█', '░'],
        levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        arrows: "↑↓",
    };
    /// For terminals without UTF-8.
    pub(super) const ASCII: Self = Self {
        bar: ['#', '.'],
        levels: ['_', '.', ',', '-', '=', '+', '*', '#'],
        arrows: "up/down",
    };

    /// A bar of so many characters.
    pub(super) fn bar(&self, share: f64, width: usize) -> String {
        let full = ((share.clamp(0.0, 1.0) * width as f64) as usize).min(width);
        let [on, off] = self.bar;
        (0..width).map(|at| if at < full { on } else { off }).collect()
    }

    /// All values in at most so many characters, between the least and the greatest of them; of several that share a
    /// character the last one counts.
    pub(super) fn sparkline(&self, values: &[f64], width: usize) -> String {
        let count = values.len().min(width);
        let last_of = |at: usize| values.get((at + 1) * values.len() / count - 1);
        let values: Vec<f64> = (0..count).filter_map(last_of).copied().collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let top = (self.levels.len() - 1) as f64;
        let level = |value: &f64| {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            self.levels[(share.min(1.0) * top).round() as usize]
        };
        values.iter().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        for (value, text) in [
            (-1.0, "0B"),
            (0.0, "0B"),
            (1023.0, "1023B"),
            (1023.6, "1.0K"),
            (1536.0, "1.5K"),
            (102_348.0, "99.9K"),
            (1_048_064.0, "1.0M"),
            (5e17, "444P"),
        ] {
            assert_eq!(bytes(value), text, "{value}");
        }
        for (value, text) in [
            (-1.0, "0.00s"),
            (0.036, "0.04s"),
            (9.994, "9.99s"),
            (9.996, "10.0s"),
            (59.96, "1m00"),
            (3599.4, "59m59"),
            (3599.6, "1h00"),
            (359_999.0, "4d"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
        for (value, text) in [(-3.0, "0:00"), (59.9, "0:59"), (3723.0, "1:02:03")] {
            assert_eq!(clock(value), text, "{value}");
        }
        for (value, text) in [
            (None, "-"),
            (Some(0.952_64), "0.9526"),
            (Some(12.345), "12.3"),
            (Some(123_456.0), "1e5"),
            (Some(f64::NAN), "NaN"),
        ] {
            assert_eq!(figure(value), text, "{value:?}");
        }
    }

    #[test]
    fn bars_are_as_wide_as_asked() {
        for (share, text) in [(0.0, "...."), (0.5, "##.."), (1.0, "####"), (9.0, "####")] {
            assert_eq!(Glyphs::ASCII.bar(share, 4), text);
        }
        assert_eq!(Glyphs::ASCII.bar(f64::NAN, 2), "..");
        let spark = |values: &[f64], width| Glyphs::ASCII.sparkline(values, width);
        assert_eq!(spark(&[], 5), "");
        assert_eq!(spark(&[0.3], 5), "=");
        assert_eq!(spark(&[0.0, 0.5, 1.0], 3), "_=#");
        assert_eq!(spark(&[0.0, 9.0, 0.5, 7.0, 9.0, 1.0, 0.2], 3), "#+_");
        assert_eq!(spark(&[1.0, 2.0], 0), "");
    }
}
