//! Figures as people read them.

/// `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{value:.1} {unit}"),
    }
}

/// `95.26 %`.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

/// `0.35 s`, `2 min 5 s`, `1 h 2 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 60.0 => format!("{seconds:.2} s"),
        seconds if seconds < 3600.0 => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor()),
        seconds => format!(
            "{:.0} h {:.0} min",
            (seconds / 3600.0).floor(),
            (seconds % 3600.0 / 60.0).floor()
        ),
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A unit in which an axis has figures of a readable size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// One of it in bytes or seconds.
    pub(crate) size: f64,
}

impl Unit {
    /// For bytes up to `most`.
    pub(crate) fn of_bytes(most: f64) -> Self {
        let units = [
            ("TiB", 1_u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let fitting = units.into_iter().find(|(_, size)| most >= *size as f64);
        let (name, size) = fitting.unwrap_or(("bytes", 1));
        Self {
            name,
            size: size as f64,
        }
    }

    /// For seconds up to `most`.
    pub(crate) fn of_seconds(most: f64) -> Self {
        let (name, size) = match most {
            most if most < 0.5 => ("milliseconds", 1e-3),
            most if most < 300.0 => ("seconds", 1.0),
            most if most < 18_000.0 => ("minutes", 60.0),
            _ => ("hours", 3600.0),
        };
        Self { name, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(percent(Some(0.95264)), "95.26 %");
        assert_eq!(percent(None), "–");
        for (seconds, text) in [
            (0.0123, "12.3 ms"),
            (1.5, "1.50 s"),
            (125.0, "2 min 5 s"),
            (3725.0, "1 h 2 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(Unit::of_bytes(5e6).name, "MiB");
        assert_eq!(Unit::of_bytes(12.0).name, "bytes");
        assert_eq!(Unit::of_seconds(600.0).name, "minutes");
    }

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        for (number, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB")] {
            assert_eq!(bytes(number), text);
        }
    }
}
