//! Shares in Kubernetes' form of percentages: `1%`, `0.05%`.

use super::{Form, Style, Units};

static UNITS: Units = Units {
    form: Form {
        // No more than the whole.
        pattern: r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$",
        max_length: 16,
        sample: "a percentage such as 1% or 0.05%",
        misfit: "not a percentage",
        fault: |text| text.parse::<Percentage>().err(),
        whole: None,
    },
    suffixes: &[("%", 10_000)],
    other: None,
    style: Style::Point,
    range: 0..=1_000_000,
    fine: "finer than 0.0001%",
    outside: "more than 100%",
};

/// A share of a whole as a decimal number of percent, exact to a millionth of the whole, at most 100%.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u64);

text_form!(Percentage in UNITS);

impl Percentage {
    /// Millionths of the whole, at most 1,000,000.
    pub const fn millionths(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TextError, *};

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
            assert_eq!(text.parse::<Percentage>(), Err(TextError(UNITS.form.misfit)), "{text}");
        }
        assert_eq!("0.00001%".parse::<Percentage>(), Err(TextError(UNITS.fine)));
        for text in ["101%", "100.0001%", "99999999999999%"] {
            assert_eq!(text.parse::<Percentage>(), Err(TextError(UNITS.outside)), "{text}");
        }
    }
}
