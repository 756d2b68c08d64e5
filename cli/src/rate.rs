//! The rate of a link on the command line: `100Mbit`.

use std::{fmt, str::FromStr};

use serde::Serialize;
use thiserror::Error;

/// Units, as `tc` writes them: bits a second, powers of ten.
const UNITS: [(&str, f64); 4] = [("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
/// Slowest and fastest link.
const RANGE: std::ops::RangeInclusive<f64> = 1e3..=1e13;

/// A link's rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct BitRate(f64);

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BitRateError {
    /// No number with a unit.
    #[error(
        "a rate is a number and bit, kbit, Mbit or Gbit (a second), such as 100Mbit or 1.5Gbit"
    )]
    Form,
    /// A link that nobody has.
    #[error("a rate is from 1kbit to 10000Gbit")]
    Range,
}

impl BitRate {
    /// So many megabits a second.
    pub const fn megabits(megabits: u32) -> Self {
        Self(megabits as f64 * 1e6)
    }

    /// Bytes a second.
    pub const fn bytes(self) -> f64 {
        self.0 / 8.0
    }
}

impl FromStr for BitRate {
    type Err = BitRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| {
                let at = text.len().checked_sub(name.len())?;
                let (number, suffix) = text.split_at_checked(at)?;
                suffix.eq_ignore_ascii_case(name).then_some((number, unit))
            })
            .ok_or(BitRateError::Form)?;
        let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let number = number.trim_end();
        if !number.bytes().all(plain) {
            return Err(BitRateError::Form);
        }
        let rate = number.parse::<f64>().map_err(|_| BitRateError::Form)? * unit;
        if RANGE.contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(BitRateError::Range)
        }
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS
            .iter()
            .find(|(_, unit)| self.0 >= *unit)
            .unwrap_or(&("bit", 1.0));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_print_as_they_read() {
        for (text, bytes, shown) in [
            ("100Mbit", 12.5e6, "100Mbit"),
            ("1.5gbit", 187.5e6, "1.5Gbit"),
            ("56 kbit", 7e3, "56kbit"),
            ("8000bit", 1e3, "8kbit"),
        ] {
            let rate: BitRate = text.parse().unwrap();
            assert_eq!(rate.bytes(), bytes, "{text}");
            assert_eq!(rate.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "", "100", "Mbit", "100MB", "-1Mbit", "1e3Mbit", "inf bit", "1..2Mbit", "é",
        ] {
            assert_eq!(text.parse::<BitRate>(), Err(BitRateError::Form), "{text}");
        }
        for text in ["0Mbit", "999bit", "10001Gbit"] {
            assert_eq!(text.parse::<BitRate>(), Err(BitRateError::Range), "{text}");
        }
    }
}
