//! Two or more runs side by side: what came out, and what differs in their manifests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fltorrent_records::report::ModelHash;
use serde::Serialize;
use serde_json::Value;

use super::{Load, ReportError, Run, run::Finished};

/// Two or more runs side by side.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The test accuracy up to which time and bytes are measured; none when a run has no accuracy.
    pub(crate) target: Option<f64>,
    /// In the order of the command line.
    pub(crate) runs: Vec<Figures>,
    /// True if all runs ended with the same bits.
    pub(crate) same_model: bool,
    /// Fields of the manifests that are not the same in all runs.
    pub(crate) differences: Vec<Difference>,
    #[serde(skip)]
    pub(crate) read: Vec<Run>,
}

/// The results of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// A letter, by which tables and curves name it.
    pub(crate) letter: String,
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) outcome: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) planned_rounds: u32,
    pub(crate) accuracy: Option<f64>,
    pub(crate) loss: Option<f64>,
    pub(crate) wall_seconds: Option<f64>,
    pub(crate) rounds_to_target: Option<u32>,
    pub(crate) seconds_to_target: Option<f64>,
    pub(crate) bytes_to_target: Option<u64>,
    pub(crate) bytes_received: u64,
    /// Means over the peers, summed over the rounds.
    pub(crate) train_seconds: f64,
    pub(crate) exchange_seconds: f64,
    pub(crate) peak_rss_bytes: Option<u64>,
    pub(crate) model_hash: Option<ModelHash>,
    /// Whether the peers had different models after the last round.
    #[serde(skip)]
    pub(crate) models_differ: bool,
}

/// A field that is not the same in all runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Path in the manifest.
    pub(crate) path: String,
    /// Value in each run; none where the field is absent.
    pub(crate) values: Vec<Option<String>>,
}

impl Comparison {
    /// Reads results folders, each a run of its own. Time and bytes are measured up to the accuracy `target`; without it up to one
    /// that all have reached.
    ///
    /// # Errors
    /// When a folder has no run that can be read.
    pub fn read(folders: &[PathBuf], target: Option<f64>, load: Load<'_>) -> Result<Self, ReportError> {
        let read: Vec<Run> = folders
            .iter()
            .map(|folder| Run::read(std::slice::from_ref(folder), load))
            .collect::<Result<_, _>>()?;
        let best = |run: &Run| {
            run.rounds
                .iter()
                .filter_map(|round| round.summary.accuracy)
                .reduce(f64::max)
        };
        let reached_by_all = || {
            let best: Option<Vec<f64>> = read.iter().map(best).collect();
            // Rounded down to a per cent, so that it is a number to talk about.
            best?
                .into_iter()
                .reduce(f64::min)
                .map(|least| (least * 100.0).floor() / 100.0)
        };
        let target = target.or_else(reached_by_all);
        let runs: Vec<Figures> = folders
            .iter()
            .zip(&read)
            .enumerate()
            .map(|(at, (path, run))| Figures::of(letter(at), path, run, target))
            .collect();
        let hash = |at: usize| runs.get(at).and_then(|run| run.model_hash.as_ref());
        Ok(Self {
            target,
            same_model: hash(0).is_some() && (1..runs.len()).all(|at| hash(at) == hash(0)),
            differences: differences(&read),
            runs,
            read,
        })
    }
}

/// `A`, `B`, …, `Z`, `A1`, ….
fn letter(at: usize) -> String {
    let letter = char::from(b'A' + (at % 26) as u8);
    match at / 26 {
        0 => letter.to_string(),
        turn => format!("{letter}{turn}"),
    }
}

impl Figures {
    fn of(letter: String, path: &Path, run: &Run, target: Option<f64>) -> Self {
        let last = run.last();
        let reaches = |round: &&Finished| {
            let pair = round.summary.accuracy.zip(target);
            pair.is_some_and(|(accuracy, target)| accuracy >= target)
        };
        let reached = run.rounds.iter().find(reaches);
        let sum = |seconds: fn(&Finished) -> f64| run.rounds.iter().map(seconds).sum();
        Self {
            letter,
            path: path.to_owned(),
            name: run.subject.plan.name.clone(),
            outcome: run.ending.as_ref().map(|ending| ending.outcome.clone()),
            rounds: run.finished_rounds(),
            planned_rounds: run.planned_rounds(),
            accuracy: last.and_then(|last| last.summary.accuracy),
            loss: last.and_then(|last| last.summary.loss),
            wall_seconds: run.ending.as_ref().map(|ending| ending.wall_seconds),
            rounds_to_target: reached.map(|round| round.summary.round + 1),
            seconds_to_target: reached.map(|round| round.seconds),
            bytes_to_target: reached.map(|round| round.bytes),
            bytes_received: run.rounds.last().map_or(0, |last| last.bytes),
            train_seconds: sum(|round| round.summary.train_seconds.mean),
            exchange_seconds: sum(|round| round.summary.exchange_seconds.mean),
            peak_rss_bytes: run.rounds.iter().map(|round| round.summary.peak_rss_bytes).max(),
            model_hash: run.result().map(|last| last.summary.model_hash),
            models_differ: run.rounds.last().is_some_and(|last| !last.summary.models_agree),
        }
    }
}

/// The leaves of the manifests that are not the same in all runs, by path.
fn differences(runs: &[Run]) -> Vec<Difference> {
    let leaves: Vec<BTreeMap<String, String>> = runs
        .iter()
        .map(|run| {
            let mut leaves = BTreeMap::new();
            let manifest = serde_json::to_value(&run.subject.experiment).unwrap_or_default();
            // As `--set` writes them: what lies below `spec` without it.
            collect(&manifest["spec"], "", &mut leaves);
            collect(&manifest["metadata"], "metadata", &mut leaves);
            leaves
        })
        .collect();
    let mut paths: Vec<&String> = leaves.iter().flat_map(BTreeMap::keys).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| Difference {
            path: path.clone(),
            values: leaves.iter().map(|leaves| leaves.get(path).cloned()).collect(),
        })
        .filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn collect(value: &Value, path: &str, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                collect(value, &path, leaves);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object()) => {
            for (at, value) in items.iter().enumerate() {
                collect(value, &format!("{path}[{at}]"), leaves);
            }
        }
        // A field that is not set says nothing.
        Value::Null => {}
        Value::String(text) => {
            leaves.insert(path.to_owned(), text.clone());
        }
        other => {
            leaves.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_have_paths_as_set_takes_them() {
        let mut leaves = BTreeMap::new();
        let manifest = json!({"a": {"b": [{"c": 1}, {"c": "x"}], "d": [64, 32], "e": null}});
        collect(&manifest, "", &mut leaves);
        let expected = [("a.b[0].c", "1"), ("a.b[1].c", "x"), ("a.d", "[64,32]")];
        let expected = expected.map(|(path, value)| (path.to_owned(), value.to_owned()));
        assert_eq!(leaves, BTreeMap::from(expected));
    }

    #[test]
    fn every_run_has_a_letter_of_its_own() {
        let mut letters: Vec<String> = (0..60).map(letter).collect();
        assert_eq!(letters[..2], ["A", "B"]);
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 60);
    }
}
