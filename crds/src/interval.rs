//! Durations in Kubernetes' form: `10s`, `1m30s`, `500ms`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Longest text that is read.
pub(crate) const MAX_LENGTH: usize = 32;
/// The form as a regular expression, for the API server.
pub(crate) const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$";
/// Largest value: a year.
const MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Units and their nanoseconds; a unit comes before another that it ends with.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A span of time in Go's form as Kubernetes uses it: decimal numbers with the units `ns`, `us`, `ms`, `s`, `m` and `h`
/// one after the other. Exact to the nanosecond, not negative, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Interval(Duration);

/// Why a text is not an [`Interval`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum IntervalError {
    #[error("not a duration")]
    Form,
    #[error("finer than a nanosecond")]
    Fine,
    #[error("longer than a year")]
    Large,
}

impl Interval {
    /// An interval of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds as u64))
    }

    /// The interval as the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(IntervalError::Form);
        }
        let mut rest = text;
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let (whole, after) = digits(rest);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after),
                None => ("0", after),
            };
            if whole.is_empty() || fraction.is_empty() {
                return Err(IntervalError::Form);
            }
            let length = after
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(length);
            let (_, scale) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or(IntervalError::Form)?;
            total = total
                .checked_add(scaled(whole, fraction, *scale)?)
                .ok_or(IntervalError::Large)?;
            rest = after;
        }
        if total > MAX.as_nanos() {
            return Err(IntervalError::Large);
        }
        let nanoseconds = u64::try_from(total).map_err(|_| IntervalError::Large)?;
        Ok(Self(Duration::from_nanos(nanoseconds)))
    }
}

/// Splits the decimal digits off the front.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `whole.fraction * scale` nanoseconds, exactly.
fn scaled(whole: &str, fraction: &str, scale: u128) -> Result<u128, IntervalError> {
    let whole: u128 = whole.parse().map_err(|_| IntervalError::Large)?;
    let whole = whole.checked_mul(scale).ok_or(IntervalError::Large)?;
    let fraction = fraction.trim_end_matches('0');
    // An hour is 2^13 · 3^2 · 5^11 nanoseconds, so more digits than 13 never come out whole.
    let divisor = match u32::try_from(fraction.len()) {
        Ok(0) => return Ok(whole),
        Ok(length @ 1..=13) => 10_u128.pow(length),
        _ => return Err(IntervalError::Fine),
    };
    let part = fraction.parse::<u128>().map_err(|_| IntervalError::Form)? * scale;
    if !part.is_multiple_of(divisor) {
        return Err(IntervalError::Fine);
    }
    whole.checked_add(part / divisor).ok_or(IntervalError::Large)
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in [UNITS[6], UNITS[5], UNITS[4], UNITS[3], UNITS[1], UNITS[0]] {
            let count = rest / scale;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest %= scale;
        }
        Ok(())
    }
}

text_form!(Interval, IntervalError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_exactly() {
        for (text, nanoseconds, printed) in [
            ("10s", 10_000_000_000, "10s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("500ms", 500_000_000, "500ms"),
            ("1.5h", 5_400_000_000_000, "1h30m"),
            ("0.000000001s", 1, "1ns"),
            ("1.50s", 1_500_000_000, "1s500ms"),
            ("3us", 3_000, "3us"),
            ("3µs", 3_000, "3us"),
            ("0.5m", 30_000_000_000, "30s"),
            ("0.25m", 15_000_000_000, "15s"),
            ("0s", 0, "0s"),
            ("8760h", 365 * 24 * 3_600_000_000_000, "8760h"),
        ] {
            let interval: Interval = text.parse().unwrap();
            assert_eq!(interval.get(), Duration::from_nanos(nanoseconds), "{text}");
            assert_eq!(interval.to_string(), printed);
            assert_eq!(printed.parse::<Interval>().unwrap(), interval);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "10", "s", "-1s", "+1s", " 1s", "1s ", "1 s", "1d", "1.s", ".5s", "1..5s", "1S", "1e3s", "1s1", "١s",
        ] {
            assert_eq!(text.parse::<Interval>(), Err(IntervalError::Form), "{text}");
        }
        for text in ["0.5ns", "0.0000000001s", "1.0005us"] {
            assert_eq!(text.parse::<Interval>(), Err(IntervalError::Fine), "{text}");
        }
        for text in ["8760h1ns", "99999999999999999999h", "9999999999999999999999999999s"] {
            assert_eq!(text.parse::<Interval>(), Err(IntervalError::Large), "{text}");
        }
    }
}
