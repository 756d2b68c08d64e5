//! Rates of links: `10Mbit`, or `10M` as in Kubernetes' bandwidth annotations.

use super::{Form, Style, TextError, Units};

const MISFIT: &str =
    "not a rate of bits; a rate is a number and bit, kbit, Mbit or Gbit (a second), such as 100Mbit or 1.5Gbit";
const BYTES: &str = "bytes for some and bits for others; a rate is in bits a second, such as 100Mbit";

static UNITS: Units = Units {
    form: Form {
        // One digit at least is not 0.
        pattern: r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|0+\.[0-9]*[1-9][0-9]*) ?([kKmMgGtT]?[bB][iI][tT]|k|M|G|T)$",
        max_length: 32,
        sample: "a rate in bits a second such as 10Mbit, 1.5Gbit or 56kbit",
        misfit: MISFIT,
        fault: |text| text.parse::<BitRate>().err(),
        whole: None,
    },
    suffixes: &[
        ("Tbit", 1_000_000_000_000),
        ("Gbit", 1_000_000_000),
        ("Mbit", 1_000_000),
        ("kbit", 1_000),
        ("bit", 1),
        ("T", 1_000_000_000_000),
        ("G", 1_000_000_000),
        ("M", 1_000_000),
        ("k", 1_000),
    ],
    other: Some(other),
    style: Style::Point,
    range: 1_000..=10_000_000_000_000,
    fine: "not a whole number of bits a second",
    outside: "out of range; a rate is from 1kbit to 10Tbit",
};

/// Bits a second: a decimal number with `bit`, `kbit`, `Mbit`, `Gbit` or `Tbit` (powers of 1,000; tc writes them so), or with
/// `k`, `M`, `G` or `T` alone as in the annotation `kubernetes.io/egress-bandwidth`. From 1kbit to 10Tbit, exact to the bit.
///
/// `Mbps` and `MB` are refused: tc and Chaos Mesh mean megabytes by the former, others megabits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(u64);

text_form!(BitRate in UNITS);

impl BitRate {
    /// So many megabits a second.
    pub const fn megabits(megabits: u32) -> Self {
        Self(megabits as u64 * 1_000_000)
    }

    /// Bits a second.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Bytes a second.
    pub const fn bytes(self) -> f64 {
        self.0 as f64 / 8.0
    }
}

/// What a unit is worth after a space, or with `bit` in other letters.
fn other(text: &str) -> Result<u64, TextError> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    if lower.ends_with("bps") || text.ends_with('B') || lower.ends_with("b/s") {
        return Err(TextError(BYTES));
    }
    let is_same = |name: &str| name == text || name.ends_with("bit") && name.eq_ignore_ascii_case(text);
    let unit = UNITS.suffixes.iter().find(|(name, _)| is_same(name));
    unit.map(|(_, scale)| *scale).ok_or(TextError(MISFIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_print_as_they_read() {
        for (text, bits, shown) in [
            ("100Mbit", 100_000_000, "100Mbit"),
            ("1.5gbit", 1_500_000_000, "1.5Gbit"),
            ("56 kbit", 56_000, "56kbit"),
            ("8000bit", 8_000, "8kbit"),
            ("10M", 10_000_000, "10Mbit"),
            ("0.384Mbit", 384_000, "384kbit"),
            ("1000001bit", 1_000_001, "1.000001Mbit"),
            ("10Tbit", 10_000_000_000_000, "10Tbit"),
        ] {
            let rate: BitRate = text.parse().unwrap();
            assert_eq!(rate.get(), bits, "{text}");
            assert_eq!(rate.to_string(), shown, "{text}");
            assert_eq!(shown.parse::<BitRate>().unwrap(), rate);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "", "100", "Mbit", "-1Mbit", "1e3Mbit", "inf bit", "1..2Mbit", "é", "10m", "1Mi", "1  Mbit",
        ] {
            assert_eq!(text.parse::<BitRate>(), Err(TextError(UNITS.form.misfit)), "{text}");
        }
        for text in ["100MB", "10mbps", "10Mbps", "1MB/s", "1Mb/s"] {
            assert_eq!(text.parse::<BitRate>(), Err(TextError(BYTES)), "{text}");
        }
        for text in ["0Mbit", "999bit", "10001Gbit", "99999999999999999999Tbit"] {
            assert_eq!(text.parse::<BitRate>(), Err(TextError(UNITS.outside)), "{text}");
        }
        assert_eq!("1.0001kbit".parse::<BitRate>(), Err(TextError(UNITS.fine)));
    }
}
