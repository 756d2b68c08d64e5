//! Advice about rows that cannot be read.

use super::rows::Row;

const TO_COMMAS: &str = "save it with commas between fields and decimal points in numbers, for example with pandas: \
                         read_csv(FILE, sep=None, engine='python', decimal=',').to_csv(FILE, index=False)";

const WITHOUT_THOUSANDS: &str = "save it without them, for example with pandas: \
                                 read_csv(FILE, thousands=',').to_csv(FILE, index=False)";
const EITHER: &str = "Save it with decimal points, for example with pandas: read_csv(FILE, decimal=',') reads 1,000 as 1, \
                      read_csv(FILE, thousands=',') as 1000; then to_csv(FILE, index=False)";

/// About a row with another number of fields than the manifest means.
pub(super) fn of_row(row: &Row, width: usize, is_header: bool) -> String {
    if let Some(advice) = of_separator(row.fields()) {
        return advice;
    }
    if let Some(advice) = (0..row.len()).find_map(|column| of_break(row, column)) {
        return advice;
    }
    if row.len() == width + 1 && row.field(width).is_empty() {
        return "remove the comma at the end of the row".to_owned();
    }
    if row.len() == width + 1 && is_header && matches!(row.field(0), b"" | b"Unnamed: 0") {
        return "the first column is the index of a pandas table: write it with to_csv(FILE, index=False)".to_owned();
    }
    "correct the file or data.csv.inputShape".to_owned()
}

/// About a field that goes over several lines, as it does when a quote is missing.
pub(super) fn of_break(row: &Row, column: usize) -> Option<String> {
    let is_broken = row.field(column).iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    let (first, last) = (row.line_of(column), row.lines().1);
    is_broken
        .then(|| format!("a quote in line {first} closes only in line {last}: look whether one is missing in between"))
}

/// Fields that are separated by something else than commas: what to do.
pub(super) fn of_separator<'a>(fields: impl Iterator<Item = &'a [u8]> + Clone) -> Option<String> {
    let (_, name) = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")]
        .into_iter()
        .find(|(separator, _)| fields.clone().any(|field| field.contains(separator)))?;
    Some(format!("its fields seem to be separated by {name}: {TO_COMMAS}"))
}

/// About a value that is no number.
pub(super) fn of_value(field: &[u8]) -> String {
    if let Some(advice) = of_separator(std::iter::once(field)) {
        return advice;
    }
    match comma_of(field) {
        Some(Comma::Decimal) => return format!("it seems to have a decimal comma: {TO_COMMAS}"),
        Some(Comma::Thousands) => {
            return format!("it seems to have commas for thousands: {WITHOUT_THOUSANDS}");
        }
        Some(Comma::Either) => {
            return format!("is its comma one for decimals, or for thousands? {EITHER}");
        }
        None => {}
    }
    if is_missing(field) {
        return "a value is missing: fill it in, or leave the row out".to_owned();
    }
    "correct the file, or data.csv".to_owned()
}

/// About a label that is no class.
pub(super) fn of_label(field: &[u8], classes: u32, has_zero: bool) -> String {
    if let Some(advice) = of_separator(std::iter::once(field)) {
        return advice;
    }
    if is_missing(field) {
        return "a label is missing: fill it in, or leave the row out".to_owned();
    }
    match number(field) {
        None => "replace words by numbers from 0, for example with pandas' factorize, or correct data.csv.labelColumn"
            .to_owned(),
        Some(label) if label == f64::from(classes) && !has_zero => {
            "labels seem to count from 1: subtract 1 from each".to_owned()
        }
        Some(label) if label < 0.0 => "number the classes from 0".to_owned(),
        Some(label) if label.fract() != 0.0 => {
            "correct data.csv.labelColumn, if another column has the labels, or the file".to_owned()
        }
        Some(_) => "correct data.csv.classes, or the file".to_owned(),
    }
}

pub(super) fn is_missing(field: &[u8]) -> bool {
    const WORDS: [&str; 9] = ["", "na", "n/a", "nan", "null", "none", "?", "-", "missing"];
    WORDS.iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()))
}

/// The meaning of a comma in a number.
#[derive(Debug, PartialEq, Eq)]
enum Comma {
    Decimal,
    Thousands,
    /// A number such as 1,000 does not tell.
    Either,
}

fn comma_of(field: &[u8]) -> Option<Comma> {
    let unsigned = field
        .strip_prefix(b"-")
        .or_else(|| field.strip_prefix(b"+"))
        .unwrap_or(field);
    let is_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut halves = unsigned.splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (halves.next()?, halves.next());
    let parts: Vec<&[u8]> = whole.split(|&byte| byte == b',').collect();
    let (first, later) = parts.split_first()?;
    if later.is_empty() || !parts.iter().all(|part| is_digits(part)) {
        return None;
    }
    let are_thousands =
        matches!(first, [b'1'..=b'9', more @ ..] if more.len() < 3) && later.iter().all(|part| part.len() == 3);
    match (are_thousands, fraction, later.len()) {
        (true, None, 1) => Some(Comma::Either),
        (true, None, _) => Some(Comma::Thousands),
        (true, Some(fraction), _) => is_digits(fraction).then_some(Comma::Thousands),
        (false, None, 1) => Some(Comma::Decimal),
        (false, ..) => None,
    }
}

pub(super) fn number(field: &[u8]) -> Option<f64> {
    let number = std::str::from_utf8(field).ok()?.parse::<f64>().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_number_is_for_decimals_or_thousands_or_may_be_both() {
        for (field, comma) in [
            ("0,5", Some(Comma::Decimal)),
            ("-12,25", Some(Comma::Decimal)),
            ("0,500", Some(Comma::Decimal)),
            ("1234,567", Some(Comma::Decimal)),
            ("1,000", Some(Comma::Either)),
            ("+999,999", Some(Comma::Either)),
            ("1,000,000", Some(Comma::Thousands)),
            ("1,000.5", Some(Comma::Thousands)),
            ("1,00,000", None),
            ("1000", None),
            ("1.000", None),
            ("1,", None),
            (",5", None),
            ("1,000.x", None),
            ("a,b", None),
            ("", None),
        ] {
            assert_eq!(comma_of(field.as_bytes()), comma, "{field}");
        }
    }
}
