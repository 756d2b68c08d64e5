//! What probably became of a row that cannot be read, and what to do about it.

use super::{header::number, rows::Row};

const TO_COMMAS: &str = "save it with commas between fields and decimal points in numbers, for example with pandas: \
                         read_csv(FILE, sep=None, engine='python', decimal=',').to_csv(FILE, index=False)";

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
    let is_broken = row
        .field(column)
        .iter()
        .any(|byte| matches!(byte, b'\n' | b'\r'));
    let (first, last) = (row.line_of(column), row.lines().1);
    is_broken.then(|| format!("a quote in line {first} closes only in line {last}: look whether one is missing in between"))
}

/// Fields that are separated by something else than commas: what to do.
pub(super) fn of_separator<'a>(fields: impl Iterator<Item = &'a [u8]> + Clone) -> Option<String> {
    let (_, name) = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")]
        .into_iter()
        .find(|(separator, _)| fields.clone().any(|field| field.contains(separator)))?;
    Some(format!(
        "its fields seem to be separated by {name}: {TO_COMMAS}"
    ))
}

/// About a value that is no number.
pub(super) fn of_value(field: &[u8]) -> String {
    if let Some(advice) = of_separator(std::iter::once(field)) {
        return advice;
    }
    if is_decimal_comma(field) {
        return format!("it seems to have a decimal comma: {TO_COMMAS}");
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
        None => "replace words by numbers from 0, for example with pandas' factorize, or correct data.csv.labelColumn".to_owned(),
        Some(label) if label == f64::from(classes) && !has_zero => {
            "labels seem to count from 1: subtract 1 from each".to_owned()
        }
        Some(label) if label < 0.0 => "number the classes from 0".to_owned(),
        Some(label) if label.fract() != 0.0 => "correct data.csv.labelColumn, if another column has the labels, or the file".to_owned(),
        Some(_) => "correct data.csv.classes, or the file".to_owned(),
    }
}

pub(super) fn is_missing(field: &[u8]) -> bool {
    const WORDS: [&str; 9] = ["", "na", "n/a", "nan", "null", "none", "?", "-", "missing"];
    WORDS
        .iter()
        .any(|word| field.eq_ignore_ascii_case(word.as_bytes()))
}

/// Digits, a comma, digits.
fn is_decimal_comma(field: &[u8]) -> bool {
    let unsigned = field
        .strip_prefix(b"-")
        .or_else(|| field.strip_prefix(b"+"))
        .unwrap_or(field);
    let mut parts = unsigned.split(|&byte| byte == b',');
    let is_digits = |part: Option<&[u8]>| {
        part.is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    };
    is_digits(parts.next()) && is_digits(parts.next()) && parts.next().is_none()
}
