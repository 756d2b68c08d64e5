//! `fltorrent compare`: two or more runs side by side.

use std::process::ExitCode;

use super::FAILED;
use crate::{
    arguments::CompareArguments,
    output::{self, Format, Printer},
    report::{
        self,
        compare::Comparison,
        table::{self, Row},
    },
};

/// Longest value that is printed in full.
const LONGEST: usize = 34;

pub(super) fn compare(arguments: &CompareArguments) -> ExitCode {
    let comparison = match Comparison::read(&arguments.runs, arguments.accuracy) {
        Ok(comparison) => comparison,
        Err(error) => return failed(&error),
    };
    let mut printer = Printer::new(arguments.output, false);
    match arguments.output {
        Format::Text => printer.line(&text(&comparison)),
        Format::Json => {
            if let Ok(line) = serde_json::to_string(&comparison) {
                printer.line(&line);
            }
        }
    }
    match &arguments.html {
        Some(out) => match report::write_comparison(&comparison, out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        None => ExitCode::SUCCESS,
    }
}

fn failed(error: &report::ReportError) -> ExitCode {
    output::error(&crate::chain(error));
    ExitCode::from(FAILED)
}

fn text(comparison: &Comparison) -> String {
    let mut lines: Vec<String> = comparison
        .runs
        .iter()
        .map(|run| format!("{}  {} ({})", run.letter, run.path.display(), run.name))
        .collect();
    lines.push(String::new());
    let letters = comparison.runs.iter().map(|run| run.letter.clone());
    let mut rows = vec![Row {
        name: String::new(),
        cells: letters.clone().collect(),
    }];
    rows.extend(table::outcomes(comparison));
    lines.extend(aligned(&rows));
    lines.push(String::new());
    if comparison.differences.is_empty() {
        lines.push("The manifests are the same.".to_owned());
    } else {
        lines.push("What differs in the manifests:".to_owned());
        lines.extend(aligned(&table::differences(comparison)));
    }
    lines.join("\n")
}

/// Columns as wide as their longest cell.
fn aligned(rows: &[Row]) -> Vec<String> {
    let cut = |text: &str| match text.chars().count() > LONGEST {
        true => format!("{}…", text.chars().take(LONGEST - 1).collect::<String>()),
        false => text.to_owned(),
    };
    let width = |text: &String| text.chars().count();
    let first = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let cell = |row: &Row, at: usize| row.cells.get(at).map_or_else(String::new, |cell| cut(cell));
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter()
                .map(|row| width(&cell(row, at)))
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells = (0..columns).map(|at| format!("  {:>1$}", cell(row, at), widths[at]));
            let cells: String = cells.collect();
            format!("  {:<first$}{cells}", row.name)
                .trim_end()
                .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_long_values_cut() {
        let row = |name: &str, cells: &[&str]| Row {
            name: name.to_owned(),
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
        };
        let long = "x".repeat(100);
        let lines = aligned(&[row("", &["A", "B"]), row("accuracy", &["95.26 %", &long])]);
        let width = |line: &String| line.chars().count();
        assert_eq!(width(&lines[0]), width(&lines[1]));
        assert!(lines[1].starts_with("  accuracy  95.26 %  xxx") && lines[1].ends_with('…'));
    }
}
