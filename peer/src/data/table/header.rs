//! The row that names the columns, and rows that are not what the manifest takes them for.

use std::collections::HashMap;

use super::{
    super::shown,
    advice::{is_missing, number},
    rows::Row,
};

/// Names that are listed.
const LISTED: usize = 8;

/// A fault of a table, in the words of an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) found: String,
    pub(super) expected: &'static str,
    pub(super) advice: String,
}

/// The fault of a first row that should name the columns. `numbers` are those of the labels' column and of the partition's where the
/// manifest gives numbers only: a name that was found says that the row has names.
pub(super) fn check(row: &Row, numbers: Option<(usize, Option<usize>)>) -> Option<Fault> {
    if numbers.is_some_and(|(label, group)| looks_like_a_sample(row, label, group)) {
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
    for (column, name) in row.fields().enumerate().filter(|(_, name)| !name.is_empty()) {
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

/// The fault of a first row that should be a sample: nothing in it is a number.
pub(super) fn check_first_sample(row: &Row) -> Option<Fault> {
    let is_named = row.fields().all(|field| !field.is_empty() && number(field).is_none());
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

/// The fault of names that are no text, as those in a manifest are.
pub(super) fn check_utf8(row: &Row) -> Option<Fault> {
    let mut fields = row.fields().enumerate();
    let (column, name) = fields.find(|(_, name)| std::str::from_utf8(name).is_err())?;
    Some(Fault {
        found: format!(
            "column {column}, counted from 0, is `{}`, which is not UTF-8",
            shown(name)
        ),
        expected: "a table in UTF-8",
        advice: "convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`".to_owned(),
    })
}

/// Whether every value that is not missing is a number, and not one of those by which columns are named: 0, 1, 2 and so on by pandas
/// (or from 1), and years, sizes or evenly spaced wavelengths beside a label with a name.
fn looks_like_a_sample(row: &Row, label: usize, group: Option<usize>) -> bool {
    let has_named_label = number(row.field(label)).is_none();
    let there = row
        .fields()
        .enumerate()
        .filter(|(column, _)| (!has_named_label || *column != label) && Some(*column) != group)
        .filter(|(_, field)| !is_missing(field));
    let numbers: Option<Vec<f64>> = there.map(|(_, field)| number(field)).collect();
    let Some(numbers) = numbers else {
        return false;
    };
    let steps: Vec<f64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if has_named_label {
        let is_whole = numbers.iter().all(|value| value.fract() == 0.0);
        let is_even = steps.first().is_some_and(|first| {
            let mut steps = steps.iter();
            steps.all(|step| *step > 0.0 && (step - first).abs() < 1e-9 * step.abs())
        });
        return !is_whole && !is_even;
    }
    let counts = matches!(numbers.first(), Some(0.0 | 1.0)) && steps.iter().all(|step| *step == 1.0);
    !counts
}

/// Two names that differ, as an error shows them: those that only their ends tell apart from shortly before these.
pub(super) fn told_apart(name: &[u8], other: &[u8]) -> (String, String) {
    const BEFORE: usize = 8;
    let (whole, other_whole) = (shown(name), shown(other));
    if whole != other_whole {
        return (whole, other_whole);
    }
    let same = name.iter().zip(other).take_while(|(a, b)| a == b).count();
    let is_inside = |&at: &usize| name.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let from = (0..=same.saturating_sub(BEFORE))
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(0);
    let end = |name: &[u8]| format!("…{}", shown(&name[from..]));
    (end(name), end(other))
}

/// The first fields of a row.
pub(super) fn listed(row: &Row) -> String {
    let mut list: Vec<String> = row.fields().take(LISTED).map(shown).collect();
    if row.len() > LISTED {
        list.push("…".to_owned());
    }
    list.join(", ")
}
