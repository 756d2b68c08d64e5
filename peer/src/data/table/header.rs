//! The row that names the columns, and rows that are not what the manifest takes them for.

use std::collections::HashMap;

use super::{super::shown, rows::Row};

/// Names that are listed.
const LISTED: usize = 8;

/// What is wrong with a table, in the words of an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) found: String,
    pub(super) expected: &'static str,
    pub(super) advice: String,
}

/// What is wrong with a first row that should name the columns. `label` is the number of the labels' column where the
/// manifest gives that: a name that was found says that the row has names.
pub(super) fn check(row: &Row, label: Option<usize>) -> Option<Fault> {
    if label.is_some_and(|label| looks_like_a_sample(row, label)) {
        return Some(Fault {
            found: format!(
                "the first row has only numbers ({}) and looks like a sample",
                listed(row)
            ),
            expected: "the names of the columns",
            advice: "write `header: false` under data.csv, or put a row of names there".to_owned(),
        });
    }
    let mut first = HashMap::new();
    for (column, name) in row
        .fields()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(before) = first.insert(name, column) {
            return Some(Fault {
                found: format!(
                    "columns {before} and {column}, counted from 0, are both named `{}`",
                    shown(name)
                ),
                expected: "a name of its own for each column",
                advice: "remove one of the two, or rename it".to_owned(),
            });
        }
    }
    None
}

/// What is wrong with a first row that should be a sample: nothing in it is a number.
pub(super) fn check_first_sample(row: &Row) -> Option<Fault> {
    let is_named = row
        .fields()
        .all(|field| !field.is_empty() && number(field).is_none());
    is_named.then(|| Fault {
        found: format!(
            "the first row has no number ({}) and looks like names of columns",
            listed(row)
        ),
        expected: "a sample, since data.csv.header is false",
        advice: "write `header: true`, or remove the row".to_owned(),
    })
}

/// Excel's own way to say how fields are separated.
pub(super) fn check_sep(row: &Row) -> Option<Fault> {
    let start = row.field(0).get(..4)?;
    start.eq_ignore_ascii_case(b"sep=").then(|| Fault {
        found: "`sep=`, which only Excel understands".to_owned(),
        expected: "the names of the columns, or a sample",
        advice: "remove the line, and separate fields by commas".to_owned(),
    })
}

/// Whether every value is a number, and not one of those by which columns are named: 0, 1, 2 and so on by pandas, and years,
/// sizes or evenly spaced wavelengths beside a label with a name.
fn looks_like_a_sample(row: &Row, label: usize) -> bool {
    let numbers: Vec<Option<f64>> = row.fields().map(number).collect();
    let steps = |numbers: &[f64]| -> Vec<f64> {
        numbers.windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    if let Some(all) = numbers.iter().copied().collect::<Option<Vec<f64>>>() {
        return steps(&all).iter().any(|step| *step != 1.0);
    }
    let values = numbers
        .iter()
        .enumerate()
        .filter(|(column, _)| *column != label);
    let values: Option<Vec<f64>> = values.map(|(_, number)| *number).collect();
    values.is_some_and(|values| {
        let is_whole = values.iter().all(|value| value.fract() == 0.0);
        let steps = steps(&values);
        let is_even = steps
            .iter()
            .all(|step| *step > 0.0 && (step - steps[0]).abs() < 1e-9 * step.abs());
        !is_whole && !is_even
    })
}

pub(super) fn number(field: &[u8]) -> Option<f64> {
    let number = std::str::from_utf8(field).ok()?.parse::<f64>().ok()?;
    number.is_finite().then_some(number)
}

/// The first fields of a row.
pub(super) fn listed(row: &Row) -> String {
    let mut list: Vec<String> = row.fields().take(LISTED).map(shown).collect();
    if row.len() > LISTED {
        list.push("…".to_owned());
    }
    list.join(", ")
}
