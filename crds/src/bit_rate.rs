//! Rates of links: `10Mbit`, or `10M` as in Kubernetes' bandwidth annotations.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::decimal::{self, DecimalError};

/// Longest text that is read.
const MAX_LENGTH: usize = 32;
/// The form as a regular expression, for the API server; one digit at least is not 0.
pub(crate) const PATTERN: &str =
    r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|0+\.[0-9]*[1-9][0-9]*) ?([kKmMgGtT]?[bB][iI][tT]|k|M|G|T)$";
/// What a user can write.
pub(crate) const SAMPLE: &str = "a rate in bits a second such as 10Mbit, 1.5Gbit or 56kbit";

/// Units of bits a second, largest first; each is written with `bit` after it, or alone.
const UNITS: [(&str, u64); 4] = [
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];
/// Slowest and fastest link, bits a second.
const RANGE: std::ops::RangeInclusive<u64> = 1_000..=10_000_000_000_000;

/// Bits a second: a decimal number with `bit`, `kbit`, `Mbit`, `Gbit` or `Tbit` (powers of 1,000; tc writes them so), or with
/// `k`, `M`, `G` or `T` alone as in the annotation `kubernetes.io/egress-bandwidth`. From 1kbit to 10Tbit, exact to the bit.
///
/// `Mbps` and `MB` are refused: tc and Chaos Mesh mean megabytes by the former, others megabits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct BitRate(u64);

/// Why a text is not a [`BitRate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum BitRateError {
    #[error(
        "not a rate of bits; a rate is a number and bit, kbit, Mbit or Gbit (a second), such as 100Mbit or 1.5Gbit"
    )]
    Form,
    #[error("bytes for some and bits for others; a rate is in bits a second, such as 100Mbit")]
    Bytes,
    #[error("not a whole number of bits a second")]
    Fraction,
    #[error("out of range; a rate is from 1kbit to 10Tbit")]
    Range,
}

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

/// What a unit stands for, in bits a second.
fn unit(text: &str) -> Result<u64, BitRateError> {
    if let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == text) {
        return Ok(*scale);
    }
    let lower = text.to_ascii_lowercase();
    if lower.ends_with("bps") || text.ends_with('B') || lower.ends_with("b/s") {
        return Err(BitRateError::Bytes);
    }
    let prefix = lower.strip_suffix("bit").ok_or(BitRateError::Form)?;
    if prefix.is_empty() {
        return Ok(1);
    }
    UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(prefix))
        .map(|(_, scale)| *scale)
        .ok_or(BitRateError::Form)
}

impl FromStr for BitRate {
    type Err = BitRateError;

    fn from_str(text: &str) -> Result<Self, BitRateError> {
        if text.len() > MAX_LENGTH {
            return Err(BitRateError::Form);
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(BitRateError::Form)?;
        let (number, name) = text.split_at(end);
        if number.is_empty() {
            return Err(BitRateError::Form);
        }
        let scale = unit(name.strip_prefix(' ').unwrap_or(name))?;
        let bits = decimal::scaled(number, scale).map_err(|error| match error {
            DecimalError::Form => BitRateError::Form,
            DecimalError::Fraction => BitRateError::Fraction,
            DecimalError::Large => BitRateError::Range,
        })?;
        if RANGE.contains(&bits) {
            Ok(Self(bits))
        } else {
            Err(BitRateError::Range)
        }
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS.iter().find(|(_, unit)| self.0 >= *unit).unwrap_or(&("", 1));
        write!(f, "{}", self.0 / unit)?;
        let rest = self.0 % unit;
        if rest > 0 {
            let digits = unit.ilog10() as usize;
            write!(f, ".{}", format!("{rest:0digits$}").trim_end_matches('0'))?;
        }
        write!(f, "{name}bit")
    }
}

text_form!(BitRate, BitRateError);

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
            assert_eq!(text.parse::<BitRate>(), Err(BitRateError::Form), "{text}");
        }
        for text in ["100MB", "10mbps", "10Mbps", "1MB/s", "1Mb/s"] {
            assert_eq!(text.parse::<BitRate>(), Err(BitRateError::Bytes), "{text}");
        }
        for text in ["0Mbit", "999bit", "10001Gbit", "99999999999999999999Tbit"] {
            assert_eq!(text.parse::<BitRate>(), Err(BitRateError::Range), "{text}");
        }
        assert_eq!("1.0001kbit".parse::<BitRate>(), Err(BitRateError::Fraction));
    }
}
