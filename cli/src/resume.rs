//! `fltorrent run --resume DIR`: which run resumes, and after which round.
//!
//! A run resumes in its own results folder: its metrics files are continued, its rounds numbered on, and `summary.json`
//! tells of the whole run in the end.

mod result;

use std::path::{Path, PathBuf};

use fltorrent_crds::Plan;
use fltorrent_peer::checkpoint::{self, Common, Folder};
use fltorrent_records::report::ModelHash;
use serde_json::Value;
use thiserror::Error;

use crate::{
    launcher::{Results, ResultsError, accounted_for},
    manifest::{self, ManifestError, Resolved},
    shell,
};
pub use result::{ResultError, write_models};

/// Differences that are listed; what is over is counted.
const LISTED: usize = 20;
/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// Fields that may differ when a run resumes.
const MAY_DIFFER: &str = "only training.rounds (unless the schedule is a cosine), checkpoint, output and the paths of data and model.initFrom";

/// Why a run cannot resume.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ResumeError {
    #[error("{}: no such folder; name the results folder of a run", folder.display())]
    NoFolder { folder: PathBuf },
    #[error("{} is not the results folder of a run", folder.display())]
    NoRun { folder: PathBuf, source: ManifestError },
    #[error("{}: this version cannot use the run's manifest; it was edited, or written by another version", path.display())]
    OwnManifest { path: PathBuf, source: Box<ManifestError> },
    #[error(transparent)]
    Manifest(ManifestError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("the run in {} had a different manifest:{}\n  {MAY_DIFFER} may differ when a run resumes; start a new run, or leave the rest unchanged", folder.display(), lines(differences))]
    Differs {
        folder: PathBuf,
        differences: Vec<(String, String, String)>,
    },
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::ResumeError),
}

/// A run that resumes.
#[derive(Debug)]
pub struct Resumption {
    /// Manifest and plan of the resumed run.
    pub resolved: Resolved,
    /// The results folder.
    pub results: Results,
    /// From where.
    pub common: Common,
}

impl Resumption {
    /// Warnings for the user before the run resumes.
    pub fn warnings(&self) -> Vec<String> {
        let damaged = self.common.damaged.iter().map(|damaged| {
            let rounds = self.common.rounds;
            let error = crate::chain(damaged);
            format!("{error}; the run resumes after round {rounds}")
        });
        let expected = self.common.rounds;
        let known = accounted_for(&self.results, &self.resolved.plan, expected);
        let metrics = (0..).zip(known).filter_map(|(peer, known)| {
            let path = self.results.of_peer(peer, "jsonl");
            let what = match known {
                _ if !path.is_file() => "is missing: restore it".to_owned(),
                found if found < expected => {
                    format!(
                        "lacks {} of the {expected} finished rounds: restore the complete file",
                        expected - found
                    )
                }
                _ => return None,
            };
            let path = path.display();
            Some(format!(
                "{path} {what}, or the run will end with exit code 1, since its metrics are incomplete"
            ))
        });
        damaged.chain(metrics).collect()
    }
}

/// Finds after which round the run in `folder` resumes, or that only its result is missing. Without `file` its own manifest counts; `sets` are applied over either.
///
/// # Errors
/// When the folder has no run, the manifest is another one, no round is there that all peers have, or nothing is left to do.
pub fn find(folder: &Path, file: Option<&Path>, sets: &[(String, String)]) -> Result<Resumption, ResumeError> {
    let results = Results::reopen(folder);
    let before = own_manifest(&results)?;
    let resolved = match file {
        None if sets.is_empty() => before.clone(),
        _ => Resolved::read(file.unwrap_or(&results.manifest()), sets).map_err(ResumeError::Manifest)?,
    };
    let resolved = resolved.anchored();
    check(folder, &before, &resolved)?;
    // Not kept: the run itself takes it. What another run is writing now is not looked at.
    drop(results.lock()?);
    let common = checkpoint::common(&Folder::at(&results.peers()), &resolved.plan)?;
    if common.is_over && result::is_there(&results, &resolved.plan, &common) {
        return Err(common.nothing_left().into());
    }
    Ok(Resumption {
        resolved,
        results,
        common,
    })
}

/// The folder in which one peer by itself resumes, with this manifest.
///
/// # Errors
/// When the folder has no run, or one of another manifest.
pub fn reopen(folder: &Path, resolved: &Resolved) -> Result<Results, ResumeError> {
    let results = Results::reopen(folder);
    check(folder, &own_manifest(&results)?, resolved)?;
    Ok(results)
}

fn own_manifest(results: &Results) -> Result<Resolved, ResumeError> {
    if !results.path().is_dir() {
        let folder = results.path();
        return Err(ResumeError::NoFolder {
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
        });
    }
    let path = results.manifest();
    Resolved::read(&path, &[]).map_err(|source| match source {
        ManifestError::Read { .. } => ResumeError::NoRun {
            folder: results.path().to_owned(),
            source,
        },
        _ => ResumeError::OwnManifest {
            path,
            source: Box::new(source),
        },
    })
}

fn check(folder: &Path, before: &Resolved, resolved: &Resolved) -> Result<(), ResumeError> {
    if resolved.plan.resume_hash() == before.plan.resume_hash() {
        return Ok(());
    }
    Err(ResumeError::Differs {
        folder: folder.to_owned(),
        differences: differences(before, resolved),
    })
}

/// The model of a run whose checkpoints say that all its peers have come to its end.
pub fn final_model(results: &Results, plan: &Plan) -> Option<ModelHash> {
    let common = checkpoint::common(&Folder::at(&results.peers()), plan).ok()?;
    common.is_over.then(|| ModelHash::from_bytes(common.model))
}

/// The command that resumes a run or completes its result, when its peers have left what it needs.
pub fn command(results: &Results, plan: &Plan) -> Option<String> {
    let common = checkpoint::common(&Folder::at(&results.peers()), plan).ok()?;
    if common.is_over && result::is_there(results, plan, &common) {
        return None;
    }
    let folder = shell::anchored(results.path());
    let there = manifest::bound_to().map(|here| format!("cd {} && ", shell::path(&here)));
    let there = there.unwrap_or_default();
    Some(format!("{there}{} run --resume {folder}", shell::program()))
}

fn differences(before: &Resolved, now: &Resolved) -> Vec<(String, String, String)> {
    let value = |resolved: &Resolved| {
        let mut value = serde_json::to_value(&resolved.experiment.spec).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.insert("metadata.name".to_owned(), resolved.plan.name.clone().into());
            for field in ["checkpoint", "output"] {
                fields.remove(field);
            }
        }
        value
    };
    let mut found = Vec::new();
    compare("", &value(before), &value(now), &mut found);
    let rounds_matter = now.plan.training.schedule.ends_with_the_run();
    found.retain(|(path, _, _)| match path.as_str() {
        "data.idx.path"
        | "data.csv.train"
        | "data.csv.test"
        | "data.safetensors.path"
        | "data.text.path"
        | "model.initFrom.path" => false,
        "training.rounds" => rounds_matter,
        _ => true,
    });
    found
}

/// Collects the leaves that differ, with their paths.
fn compare(path: &str, before: &Value, now: &Value, found: &mut Vec<(String, String, String)>) {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = match path {
                    "" => name.clone(),
                    _ => format!("{path}.{name}"),
                };
                let of = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                compare(&path, &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if before != now => found.push((path.to_owned(), shown(before), shown(now))),
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "not there".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn lines(differences: &[(String, String, String)]) -> String {
    let mut text: String = differences
        .iter()
        .take(LISTED)
        .map(|(path, before, now)| format!("\n  {path}: {before} then, {now} now"))
        .collect();
    if differences.len() > LISTED {
        text += &format!("\n  … and {} more", differences.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICKSTART: &str = include_str!("../../examples/quickstart.yaml");

    fn resolved(sets: &[(&str, &str)]) -> Resolved {
        let sets: Vec<_> = sets
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        Resolved::from_text(QUICKSTART, &sets).unwrap()
    }

    #[test]
    fn differences_are_listed_by_field() {
        let now = resolved(&[
            ("training.batchSize", "7"),
            ("topology", "{type: star, star: {hub: 2}}"),
            ("output.directory", "elsewhere"),
        ]);
        let found = differences(&resolved(&[]), &now);
        let text = lines(&found);
        for expected in [
            "\n  training.batchSize: 8 then, 7 now",
            "\n  topology.type: \"ring\" then, \"star\" now",
            "\n  topology.star: not there then, {\"hub\":2} now",
        ] {
            assert!(text.contains(expected), "{expected} is missing in{text}");
        }
        assert_eq!(found.len(), 3, "{text}");
    }
}
