//! The comparison's figures in words, for the terminal and for the page.

use std::fmt;

use fltorrent_records::report::ModelHash;

use super::{
    compare::{Comparison, Figures},
    units::{bytes, duration, percent},
};

/// Longest value that is printed in full.
const LONGEST: usize = 34;

/// One figure of all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cells: Vec<String>,
}

/// The results of the runs.
pub(crate) fn outcomes(comparison: &Comparison) -> Vec<Row> {
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| Row {
        name: name.to_owned(),
        cells: comparison.runs.iter().map(cell).collect(),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let mut rows = vec![
        row("outcome", &|run| or_dash(run.outcome.clone())),
        row("rounds", &|run| format!("{} of {}", run.rounds, run.planned_rounds)),
        row("accuracy", &|run| percent(run.accuracy)),
        row("loss", &|run| or_dash(run.loss.map(|loss| format!("{loss:.4}")))),
        row("wall time", &|run| or_dash(run.wall_seconds.map(duration))),
    ];
    if let Some(target) = comparison.target {
        let to = |what: &str| format!("{what} to {}", percent(Some(target)));
        rows.extend([
            row(&to("rounds"), &|run| {
                or_dash(run.rounds_to_target.map(|rounds| rounds.to_string()))
            }),
            row(&to("time"), &|run| or_dash(run.seconds_to_target.map(duration))),
            row(&to("bytes"), &|run| or_dash(run.bytes_to_target.map(bytes))),
        ]);
    }
    rows.extend([
        row("bytes received", &|run| bytes(run.bytes_received)),
        row("training", &|run| duration(run.train_seconds)),
        row("exchange", &|run| duration(run.exchange_seconds)),
        row("peak memory of a peer", &|run| or_dash(run.peak_rss_bytes.map(bytes))),
        row("model", &|run| model(run.model_hash.as_ref(), run.models_differ)),
    ]);
    rows.push(Row {
        name: "same model".to_owned(),
        cells: vec![if comparison.same_model { "yes" } else { "no" }.to_owned()],
    });
    rows
}

/// The model of a run; one that failed has none, whether or not its peers had the same to the end.
fn model(hash: Option<&ModelHash>, differ: bool) -> String {
    match hash {
        Some(hash) => format!("{hash:.12}"),
        None if differ => "differs".to_owned(),
        None => "none".to_owned(),
    }
}

/// The differences between the manifests.
pub(crate) fn differences(comparison: &Comparison) -> Vec<Row> {
    let row = |difference: &super::compare::Difference| Row {
        name: difference.path.clone(),
        cells: difference
            .values
            .iter()
            .map(|value| value.clone().unwrap_or_else(|| "–".to_owned()))
            .collect(),
    };
    comparison.differences.iter().map(row).collect()
}

/// As a table for a terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
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
    rows.extend(outcomes(comparison));
    lines.extend(aligned(&rows));
    lines.push(String::new());
    if comparison.differences.is_empty() {
        lines.push("The manifests are identical.".to_owned());
    } else {
        lines.push("Differences between the manifests:".to_owned());
        lines.extend(aligned(&differences(comparison)));
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
        .map(|at| rows.iter().map(|row| width(&cell(row, at))).max().unwrap_or(0))
        .collect();
    rows.iter()
        .map(|row| {
            let cells = (0..columns).map(|at| format!("  {:>1$}", cell(row, at), widths[at]));
            let cells: String = cells.collect();
            format!("  {:<first$}{cells}", row.name).trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_failed_has_no_model_and_only_different_ones_differ() {
        let hash = ModelHash::from_bytes([7; 32]);
        let said = [(Some(&hash), false), (None, true), (None, false)].map(|(hash, differ)| model(hash, differ));
        assert_eq!(said, ["070707070707", "differs", "none"]);
    }

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
