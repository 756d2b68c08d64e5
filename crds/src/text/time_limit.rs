//! How long something may last: `auto`, `none` or `30s`.

use std::{fmt, str::FromStr};

use super::{Form, Interval, TextError};

/// How long something may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// The program finds it.
    Auto,
    /// As long as it takes.
    None,
    /// So long.
    After(Interval),
}

impl FromStr for TimeLimit {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::After),
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::After(interval) => interval.fmt(f),
        }
    }
}

text_form!(
    TimeLimit,
    Form {
        pattern: r"^(auto|none|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$",
        max_length: 32,
        sample: "auto, none, or a duration such as 10s, 1m30s or 500ms",
        misfit: "not a duration",
        fault: |text| text.parse::<TimeLimit>().err(),
        whole: None,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_prints_as_it_reads() {
        for (text, limit) in [
            ("auto", TimeLimit::Auto),
            ("none", TimeLimit::None),
            ("1m30s", TimeLimit::After(Interval::from_secs(90))),
        ] {
            assert_eq!(text.parse(), Ok(limit));
            assert_eq!(limit.to_string(), text);
        }
        for text in ["", "None", "never", "30", "none30s", "-1s"] {
            assert_eq!(text.parse::<TimeLimit>(), Err(TextError("not a duration")), "{text}");
        }
    }
}
