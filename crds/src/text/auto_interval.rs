//! Durations that may be left to the program: `auto` or `30s`.

use std::{fmt, str::FromStr};

use super::{Form, Interval, TextError};

/// A span of time, or the one that the program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoInterval {
    /// What the field's description says.
    Auto,
    /// This one.
    Given(Interval),
}

impl AutoInterval {
    /// The interval, if there is one.
    pub const fn given(self) -> Option<Interval> {
        match self {
            Self::Auto => None,
            Self::Given(interval) => Some(interval),
        }
    }

    /// The interval, with `auto` in the place of [`Self::Auto`].
    pub fn or(self, auto: Interval) -> Interval {
        match self {
            Self::Auto => auto,
            Self::Given(interval) => interval,
        }
    }
}

impl FromStr for AutoInterval {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Given),
        }
    }
}

impl fmt::Display for AutoInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Given(interval) => interval.fmt(f),
        }
    }
}

text_form!(
    AutoInterval,
    Form {
        pattern: r"^(auto|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$",
        max_length: 32,
        sample: "auto, or a duration such as 10s, 1m30s or 500ms",
        misfit: "not a duration",
        fault: |text| text.parse::<AutoInterval>().err(),
        whole: None,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_or_auto_prints_as_it_reads() {
        for text in ["auto", "30s", "1m30s", "0s"] {
            assert_eq!(text.parse::<AutoInterval>().unwrap().to_string(), text);
        }
        let auto = Interval::from_secs(5);
        assert_eq!(AutoInterval::Auto.or(auto), auto);
        assert_eq!("7s".parse::<AutoInterval>().unwrap().or(auto), Interval::from_secs(7));
        for text in ["", "Auto", "none", "30", "auto30s", "-1s"] {
            assert_eq!(text.parse::<AutoInterval>(), Err(TextError("not a duration")), "{text}");
        }
    }
}
