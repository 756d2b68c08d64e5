//! Amounts in Kubernetes' form of quantities: `100m`, `2`, `256Mi`.

use super::{Form, Style, Units, form::Whole};

/// Largest whole amount: 1 Pi, the largest power of 1,024 whose thousandths are counted exactly.
const MAX: u64 = 1 << 50;

static UNITS: Units = Units {
    form: Form {
        pattern: r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$",
        max_length: 32,
        sample: "a quantity such as 100m, 2 or 256Mi; one with a point in quotes",
        misfit: "not a quantity",
        fault: |text| text.parse::<Quantity>().err(),
        whole: Some(Whole {
            max: MAX,
            misfit: "not a whole number",
        }),
    },
    suffixes: &[
        ("Pi", 1_000 << 50),
        ("P", 1_000_000_000_000_000_000),
        ("Ti", 1_000 << 40),
        ("T", 1_000_000_000_000_000),
        ("Gi", 1_000 << 30),
        ("G", 1_000_000_000_000),
        ("Mi", 1_000 << 20),
        ("M", 1_000_000_000),
        ("Ki", 1_000 << 10),
        ("k", 1_000_000),
        ("", 1_000),
        ("m", 1),
    ],
    other: None,
    style: Style::Multiple,
    range: 0..=MAX * 1_000,
    fine: "finer than 1m",
    outside: "more than 1Pi",
};

/// An amount as a Kubernetes quantity: a decimal number with a suffix of `m` (thousandths), `k M G T P` (powers of 1,000) or
/// `Ki Mi Gi Ti Pi` (powers of 1,024), or none. Exact to a thousandth, not negative, at most 1Pi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u64);

text_form!(Quantity in UNITS);

impl Quantity {
    /// So many thousandths.
    pub const fn from_thousandths(count: u32) -> Self {
        Self(count as u64)
    }

    /// A whole amount, or the largest one where that is too much.
    pub(crate) const fn up_to(whole: u64) -> Self {
        Self(if whole > MAX { MAX } else { whole } * 1_000)
    }

    /// The amount in thousandths.
    pub const fn thousandths(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TextError, *};

    #[test]
    fn reads_and_prints_exactly() {
        for (text, thousandths, printed) in [
            ("100m", 100, "100m"),
            ("0.1", 100, "100m"),
            ("1000m", 1_000, "1"),
            ("2", 2_000, "2"),
            ("1.5", 1_500, "1500m"),
            ("0", 0, "0"),
            ("0m", 0, "0"),
            ("256Mi", (256 << 20) * 1_000, "256Mi"),
            ("1024Mi", (1 << 30) * 1_000, "1Gi"),
            ("1.5Gi", (3 << 29) * 1_000, "1536Mi"),
            ("100M", 100_000_000_000, "100M"),
            ("1048577", 1_048_577_000, "1048577"),
            ("1Pi", MAX * 1_000, "1Pi"),
            ("1P", 1_000_000_000_000_000_000, "1P"),
        ] {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(quantity.thousandths(), thousandths, "{text}");
            assert_eq!(quantity.to_string(), printed);
            assert_eq!(printed.parse::<Quantity>().unwrap(), quantity);
        }
        assert_eq!(serde_json::from_str::<Quantity>("3").unwrap(), "3".parse().unwrap());
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "m", "-1", "+1", "1 m", "1mi", "1KB", "1e3", "1.", ".5", "1.2.3", "1E", "1n", "٣",
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(TextError(UNITS.form.misfit)), "{text}");
        }
        for text in ["0.5m", "0.0001"] {
            assert_eq!(text.parse::<Quantity>(), Err(TextError(UNITS.fine)), "{text}");
        }
        for text in ["2Pi", "99999999999999999999999999999", "1025Ti"] {
            assert_eq!(text.parse::<Quantity>(), Err(TextError(UNITS.outside)), "{text}");
        }
        assert!(serde_json::from_str::<Quantity>("-1").is_err());
        assert!(serde_json::from_str::<Quantity>("0.5").is_err());
    }
}
