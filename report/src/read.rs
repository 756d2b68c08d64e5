//! One results folder, read with bounds and without trust: the files may be cut, damaged or of something else.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use fltorrent_crds::Plan;
use fltorrent_records::text_file::{self, TextError};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Load, ReportError, Subject};

/// Largest file that is read as a whole, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

/// The files of one results folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) manifest: Option<(String, Subject)>,
    /// Of the plan, when it is there.
    pub(super) plan_hash: Option<[u8; 32]>,
    pub(super) ending: Option<Ending>,
    pub(super) histogram: Option<Histogram>,
    /// The peers' metrics files by index.
    pub(super) peers: BTreeMap<u32, PathBuf>,
}

/// How the run ended, from `summary.json`; another version may say less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ending {
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) version: String,
    pub(crate) started: String,
    pub(crate) wall_seconds: f64,
    pub(crate) startup_seconds: Option<f64>,
    pub(crate) lost: Vec<Lost>,
}

/// A peer that ended before the run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lost {
    pub(crate) peer: u32,
    pub(crate) reason: String,
}

/// Training samples by peer and class, from `histogram.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Histogram {
    pub(crate) classes: usize,
    pub(crate) peers: Vec<Vec<u64>>,
}

impl Folder {
    pub(super) fn read(path: &Path, load: Load<'_>) -> Result<Self, ReportError> {
        let peers = metrics(path)?;
        let manifest_path = path.join("manifest.yaml");
        let manifest = match text(&manifest_path)? {
            Some(text) => match load(&text, &manifest_path) {
                Ok(subject) => Some((text, subject)),
                Err(source) => {
                    return Err(ReportError::Manifest {
                        path: manifest_path,
                        source,
                    });
                }
            },
            None => None,
        };
        if manifest.is_none() && peers.is_empty() {
            return Err(ReportError::NoRun { path: path.to_owned() });
        }
        // The file is the better witness of what was run; one of another version cannot be read, and is not needed.
        let plan_hash = text(&path.join("plan.json"))?
            .and_then(|text| serde_json::from_str::<Plan>(&text).ok())
            .map(|plan| plan.hash())
            .or_else(|| Some(manifest.as_ref()?.1.plan.hash()));
        Ok(Self {
            path: path.to_owned(),
            manifest,
            plan_hash,
            ending: json(&path.join("summary.json"))?,
            histogram: json(&path.join("histogram.json"))?,
            peers,
        })
    }
}

/// The peers' metrics files; a folder without them is allowed.
fn metrics(folder: &Path) -> Result<BTreeMap<u32, PathBuf>, ReportError> {
    let path = folder.join("peers");
    let failed = |source| ReportError::Read {
        path: path.clone(),
        source,
    };
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(BTreeMap::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let index = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("peer-")?.strip_suffix(".jsonl"))
            .and_then(|index| index.parse().ok());
        if let Some(index) = index {
            files.insert(index, path);
        }
    }
    Ok(files)
}

/// A file's text; none when there is no such file.
pub(super) fn text(path: &Path) -> Result<Option<String>, ReportError> {
    let source = match text_file::read(path, MAX_FILE) {
        Ok(text) => return Ok(Some(text)),
        Err(TextError::Read(error)) if is_missing(&error) => return Ok(None),
        Err(TextError::TooLarge { .. }) => {
            return Err(ReportError::TooLarge { path: path.to_owned() });
        }
        Err(TextError::Read(source)) => source,
        Err(TextError::NotUtf8(why)) => io::Error::new(ErrorKind::InvalidData, why),
    };
    Err(ReportError::Read {
        path: path.to_owned(),
        source,
    })
}

/// True if there is nothing of this name.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReportError> {
    let Some(text) = text(path)? else {
        return Ok(None);
    };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(source) => Err(ReportError::Malformed {
            path: path.to_owned(),
            source,
        }),
    }
}
