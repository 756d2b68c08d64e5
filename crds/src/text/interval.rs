//! Durations in Kubernetes' form: `10s`, `1m30s`, `500ms`.

use std::time::Duration;

use super::{Form, Style, Units};

static UNITS: Units = Units {
    form: Form {
        pattern: r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$",
        max_length: 32,
        sample: "a duration such as 10s, 1m30s or 500ms, at most a year",
        misfit: "not a duration",
        fault: |text| text.parse::<Interval>().err(),
        whole: None,
    },
    suffixes: &[
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("µs", 1_000),
        ("ns", 1),
    ],
    other: None,
    style: Style::Sum { zero: "0s" },
    range: 0..=365 * 24 * 3_600_000_000_000,
    fine: "finer than a nanosecond",
    outside: "longer than a year",
};

/// A span of time in Go's form as Kubernetes uses it: decimal numbers with the units `ns`, `us`, `ms`, `s`, `m` and `h`
/// one after the other. Exact to the nanosecond, not negative, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(u64);

text_form!(Interval in UNITS);

impl Interval {
    /// An interval of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as u64 * 1_000_000_000)
    }

    /// The interval as the standard library has it.
    pub const fn get(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Interval {
    /// As far as 64 bits hold nanoseconds, which no text reaches.
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TextError, *};

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
            assert_eq!(text.parse::<Interval>(), Err(TextError(UNITS.form.misfit)), "{text}");
        }
        for text in ["0.5ns", "0.0000000001s", "1.0005us"] {
            assert_eq!(text.parse::<Interval>(), Err(TextError(UNITS.fine)), "{text}");
        }
        for text in ["8760h1ns", "99999999999999999999h", "9999999999999999999999999999s"] {
            assert_eq!(text.parse::<Interval>(), Err(TextError(UNITS.outside)), "{text}");
        }
    }
}
