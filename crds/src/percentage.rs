//! Shares in Kubernetes' form of percentages: `1%`, `0.05%`.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::decimal;

/// Longest text that is read.
const MAX_LENGTH: usize = 16;
/// The form as a regular expression, for the API server; no more than the whole.
pub(crate) const PATTERN: &str = r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$";
/// What a user can write.
pub(crate) const SAMPLE: &str = "a percentage such as 1% or 0.05%";

/// Millionths of one percent of a whole.
const PERCENT: u64 = 10_000;

/// A share of a whole as a decimal number of percent, exact to a millionth of the whole, at most 100%.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Percentage(u32);

/// Why a text is not a [`Percentage`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum PercentageError {
    #[error("not a percentage")]
    Form,
    #[error("finer than 0.0001%")]
    Fine,
    #[error("more than 100%")]
    Large,
}

impl Percentage {
    /// Millionths of the whole, at most 1,000,000.
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl FromStr for Percentage {
    type Err = PercentageError;

    fn from_str(text: &str) -> Result<Self, PercentageError> {
        let number = text
            .strip_suffix('%')
            .filter(|_| text.len() <= MAX_LENGTH)
            .ok_or(PercentageError::Form)?;
        let millionths = decimal::scaled(number, PERCENT).map_err(|error| match error {
            decimal::DecimalError::Form => PercentageError::Form,
            decimal::DecimalError::Fraction => PercentageError::Fine,
            decimal::DecimalError::Large => PercentageError::Large,
        })?;
        u32::try_from(millionths)
            .ok()
            .filter(|millionths| *millionths <= 1_000_000)
            .map(Self)
            .ok_or(PercentageError::Large)
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / PERCENT as f64)
    }
}

text_form!(Percentage, PercentageError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_exactly() {
        for (text, millionths, shown) in [
            ("1%", 10_000, "1%"),
            ("0.05%", 500, "0.05%"),
            ("0.0001%", 1, "0.0001%"),
            ("12.50%", 125_000, "12.5%"),
            ("100%", 1_000_000, "100%"),
            ("0%", 0, "0%"),
        ] {
            let share: Percentage = text.parse().unwrap();
            assert_eq!(share.millionths(), millionths, "{text}");
            assert_eq!(share.to_string(), shown);
            assert_eq!(shown.parse::<Percentage>().unwrap(), share);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "",
            "1",
            "%",
            "-1%",
            "1 %",
            ".5%",
            "1.%",
            "0.01",
            "1e1%",
            "00000000000000001%",
        ] {
            assert_eq!(text.parse::<Percentage>(), Err(PercentageError::Form), "{text}");
        }
        assert_eq!("0.00001%".parse::<Percentage>(), Err(PercentageError::Fine));
        for text in ["101%", "100.0001%", "99999999999999%"] {
            assert_eq!(text.parse::<Percentage>(), Err(PercentageError::Large), "{text}");
        }
    }
}
