//! Byte counts in Kubernetes' form of quantities: `256Mi`, `1Gi`, `100M`, `1048576`.

use super::{Form, Style, Units, form::Whole};

/// Largest value: 1,024 Ti.
const MAX: u64 = 1 << 50;

static UNITS: Units = Units {
    form: Form {
        pattern: r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$",
        max_length: 32,
        sample: "a quantity of bytes such as 256Mi",
        misfit: "not a quantity of bytes",
        fault: |text| text.parse::<ByteSize>().err(),
        whole: Some(Whole {
            max: MAX,
            misfit: "not a whole number of bytes",
        }),
    },
    suffixes: &[
        ("Ti", 1 << 40),
        ("Gi", 1 << 30),
        ("Mi", 1 << 20),
        ("Ki", 1 << 10),
        ("T", 1_000_000_000_000),
        ("G", 1_000_000_000),
        ("M", 1_000_000),
        ("k", 1_000),
        ("", 1),
    ],
    other: None,
    style: Style::Multiple,
    range: 0..=MAX,
    fine: "not a whole number of bytes",
    outside: "more than 1024Ti",
};

/// A number of bytes as a Kubernetes quantity: a decimal number with a suffix of `k M G T` (powers of 1,000) or
/// `Ki Mi Gi Ti` (powers of 1,024), or a plain whole number. Exact, not negative, at most 1024Ti.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

text_form!(ByteSize in UNITS);

impl ByteSize {
    /// So many mebibytes.
    pub const fn from_mebibytes(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TextError, *};

    #[test]
    fn reads_and_prints_exactly() {
        for (text, bytes, printed) in [
            ("256Mi", 256 << 20, "256Mi"),
            ("1Gi", 1 << 30, "1Gi"),
            ("1024Mi", 1 << 30, "1Gi"),
            ("100M", 100_000_000, "100M"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("0.5k", 500, "500"),
            ("1.50k", 1_500, "1500"),
            ("1048576", 1 << 20, "1Mi"),
            ("0", 0, "0"),
            ("7", 7, "7"),
            ("1024Ti", MAX, "1024Ti"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.get(), bytes, "{text}");
            assert_eq!(size.to_string(), printed);
            assert_eq!(printed.parse::<ByteSize>().unwrap(), size);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "Mi", "-1", "+1", "1 Mi", " 1", "1mi", "1KB", "1m", "1e3", "1.", ".5k", "1.2.3k", "1Ei", "٣",
        ] {
            assert_eq!(text.parse::<ByteSize>(), Err(TextError(UNITS.form.misfit)), "{text}");
        }
        for text in ["0.5", "1.0001k", "0.3Ki"] {
            assert_eq!(text.parse::<ByteSize>(), Err(TextError(UNITS.fine)), "{text}");
        }
        for text in ["1025Ti", "99999999999999999999999999999", "99999999999999999999T"] {
            assert_eq!(text.parse::<ByteSize>(), Err(TextError(UNITS.outside)), "{text}");
        }
    }

    #[test]
    fn reads_plain_integers_of_json() {
        assert_eq!(serde_json::from_str::<ByteSize>("4096").unwrap().get(), 4096);
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
        assert!(serde_json::from_str::<ByteSize>("1.5").is_err());
        assert!(serde_json::from_str::<ByteSize>("18446744073709551615").is_err());
    }
}
