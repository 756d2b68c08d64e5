//! The comparison's figures in words, for the terminal and for the page.

use super::{
    compare::{Comparison, Figures},
    page::{bytes, duration, percent},
};

/// Digits of a model's hash that are shown.
const SHORT_HASH: usize = 12;

/// One figure of all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cells: Vec<String>,
}

/// What came out of the runs.
pub(crate) fn outcomes(comparison: &Comparison) -> Vec<Row> {
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| Row {
        name: name.to_owned(),
        cells: comparison.runs.iter().map(cell).collect(),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let mut rows = vec![
        row("outcome", &|run| or_dash(run.outcome.clone())),
        row("rounds", &|run| {
            format!("{} of {}", run.rounds, run.planned_rounds)
        }),
        row("accuracy", &|run| percent(run.accuracy)),
        row("loss", &|run| {
            or_dash(run.loss.map(|loss| format!("{loss:.4}")))
        }),
        row("wall time", &|run| or_dash(run.wall_seconds.map(duration))),
    ];
    if let Some(target) = comparison.target {
        let to = |what: &str| format!("{what} to {}", percent(Some(target)));
        rows.extend([
            row(&to("rounds"), &|run| {
                or_dash(run.rounds_to_target.map(|rounds| rounds.to_string()))
            }),
            row(&to("time"), &|run| {
                or_dash(run.seconds_to_target.map(duration))
            }),
            row(&to("bytes"), &|run| or_dash(run.bytes_to_target.map(bytes))),
        ]);
    }
    rows.extend([
        row("bytes received", &|run| bytes(run.bytes_received)),
        row("training", &|run| duration(run.train_seconds)),
        row("exchange", &|run| duration(run.exchange_seconds)),
        row("largest peer", &|run| {
            or_dash(run.peak_rss_bytes.map(bytes))
        }),
        row("model", &|run| match &run.model_hash {
            Some(hash) => hash.chars().take(SHORT_HASH).collect(),
            None => "differs".to_owned(),
        }),
    ]);
    rows.push(Row {
        name: "same model".to_owned(),
        cells: vec![if comparison.same_model { "yes" } else { "no" }.to_owned()],
    });
    rows
}

/// What differs in the manifests.
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
