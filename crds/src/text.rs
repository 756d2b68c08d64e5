//! Values that a manifest writes as one text, most of them a number with a unit, read without rounding.

#[macro_use]
mod form;

mod auto_interval;
mod bit_rate;
mod byte_size;
mod interval;
mod percentage;
mod quantity;
mod queue_length;
mod time_limit;

use std::{fmt, ops::RangeInclusive};

pub use auto_interval::AutoInterval;
pub use bit_rate::BitRate;
pub use byte_size::ByteSize;
pub(crate) use form::Form;
pub use form::TextError;
pub use interval::Interval;
pub use percentage::Percentage;
pub use quantity::Quantity;
pub use queue_length::QueueLength;
pub use time_limit::TimeLimit;

/// The form of values that are written under this pattern.
pub(crate) fn form(pattern: &str) -> Option<&'static Form> {
    static FORMS: [&Form; 8] = [
        AutoInterval::FORM,
        BitRate::FORM,
        ByteSize::FORM,
        Interval::FORM,
        Percentage::FORM,
        Quantity::FORM,
        QueueLength::FORM,
        TimeLimit::FORM,
    ];
    FORMS.into_iter().find(|form| form.pattern == pattern)
}

type Count = Result<u64, TextError>;

/// Numbers with a unit, as counts of the smallest one.
struct Units {
    form: Form,
    /// Suffixes with what they are worth, in the order in which printing tries them.
    suffixes: &'static [(&'static str, u64)],
    /// What any other suffix is worth.
    other: Option<fn(&str) -> Count>,
    style: Style,
    range: RangeInclusive<u64>,
    /// What is said of a part of the smallest unit, and of a count out of range.
    fine: &'static str,
    outside: &'static str,
}

/// How a count is printed.
enum Style {
    /// As a multiple of the first suffix that divides it: `1536Mi`.
    Multiple,
    /// With a point, in the first unit that it has one of: `1.5Gbit`.
    Point,
    /// As a sum over all units, `1m30s`, which is read as well.
    Sum { zero: &'static str },
}

impl Units {
    fn read(&self, text: &str) -> Count {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let mut rest = text;
        let mut total: u128 = 0;
        loop {
            let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
            let end = match self.style {
                Style::Sum { .. } => after.find(is_digit),
                Style::Multiple | Style::Point => None,
            };
            let (suffix, after) = after.split_at(end.unwrap_or(after.len()));
            if number.is_empty() || text.len() > self.form.max_length {
                return Err(TextError(self.form.misfit));
            }
            let count = self.scaled(number, self.scale(suffix)?)?;
            total = total.checked_add(count).ok_or(TextError(self.outside))?;
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        u64::try_from(total)
            .ok()
            .filter(|count| self.range.contains(count))
            .ok_or(TextError(self.outside))
    }

    fn scale(&self, suffix: &str) -> Count {
        match (self.suffixes.iter().find(|(name, _)| *name == suffix), self.other) {
            (Some((_, scale)), _) => Ok(*scale),
            (None, Some(other)) => other(suffix),
            (None, None) => Err(TextError(self.form.misfit)),
        }
    }

    /// `number` times `scale`, exactly.
    fn scaled(&self, number: &str, scale: u64) -> Result<u128, TextError> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(TextError(self.form.misfit));
        }
        let fraction = fraction.trim_end_matches('0');
        let times = |digits: &str| format!("0{digits}").parse::<u128>().ok()?.checked_mul(scale.into());
        let whole = times(whole).ok_or(TextError(self.outside))?;
        let part = times(fraction).ok_or(TextError(self.fine))?;
        let divisor = 10_u128.checked_pow(fraction.len() as u32);
        let divisor = divisor.filter(|divisor| part.is_multiple_of(*divisor));
        let part = part / divisor.ok_or(TextError(self.fine))?;
        whole.checked_add(part).ok_or(TextError(self.outside))
    }

    fn write(&self, count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |fits: &dyn Fn(u64) -> bool| self.suffixes.iter().find(|(_, scale)| fits(*scale));
        match self.style {
            Style::Multiple => {
                let unit = first(&|scale| count > 0 && count.is_multiple_of(scale));
                let (suffix, scale) = unit.unwrap_or(&("", 1));
                write!(f, "{}{suffix}", count / scale)
            }
            Style::Point => {
                let (suffix, scale) = first(&|scale| count >= scale).unwrap_or(&self.suffixes[0]);
                write!(f, "{}", count / scale)?;
                let rest = count % scale;
                if rest > 0 {
                    let digits = scale.ilog10() as usize;
                    write!(f, ".{}", format!("{rest:0digits$}").trim_end_matches('0'))?;
                }
                f.write_str(suffix)
            }
            Style::Sum { zero } if count == 0 => f.write_str(zero),
            Style::Sum { .. } => {
                let mut rest = count;
                for (suffix, scale) in self.suffixes {
                    if rest >= *scale {
                        write!(f, "{}{suffix}", rest / scale)?;
                    }
                    rest %= scale;
                }
                Ok(())
            }
        }
    }
}
