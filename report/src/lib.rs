//! Pages and plots from what a run has written: `report.html`, a self-contained page about one run, and the comparison of several.
//! Pages about something else use [`page`] and [`plot`].

mod compare;
mod history;
pub mod page;
pub mod plot;
mod read;
mod run;
mod table;
pub mod units;

use std::{
    error::Error,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use fltorrent_crds::{Experiment, Plan, visible};
use fltorrent_records::draft;
use thiserror::Error;

pub use compare::Comparison;
pub use read::MAX_FILE;
pub use run::Run;

/// The page's name in the results folder.
pub const FILE: &str = "report.html";

/// Manifest and plan of a run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The manifest with all defaults.
    pub experiment: Experiment,
    /// The plan of that manifest.
    pub plan: Plan,
    /// The topology, for example `ring`.
    pub topology: String,
    /// The model, for example `mlp 64-64-10`.
    pub model: String,
    /// The data and its division, for example `digits, dirichlet(0.5)`.
    pub data: String,
}

/// Reads a manifest's text, which is that of a file: the program knows networks and data sets that a plan may ask for.
pub type Load<'a> = &'a dyn Fn(&str, &Path) -> Result<Subject, Box<dyn Error + Send + Sync>>;

/// Why there is no report.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ReportError {
    #[error("{}: not a results folder: it has neither manifest.yaml nor metrics of a peer; name the results folder of a run", path.display())]
    NoRun { path: PathBuf },
    #[error("{}: manifest.yaml is missing; copy the run's manifest there under that name", path.display())]
    NoManifest { path: PathBuf },
    #[error("{}: this version cannot use the run's manifest; it was edited, or written by another version", path.display())]
    Manifest {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{}: cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: is larger than {MAX_FILE} bytes, more than a run writes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}: is not in the format that a run writes; remove it to generate the report without it", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} and {} belong to different runs: {what} {first_value} and {second_value}; name folders of one run, or use `fltorrent compare`", first.display(), second.display())]
    Different {
        first: PathBuf,
        second: PathBuf,
        what: &'static str,
        first_value: String,
        second_value: String,
    },
    #[error("peer {peer} is in {} and in {} with different figures; leave one of the folders out, or remove one of its files", first.display(), second.display())]
    Twice { peer: u32, first: PathBuf, second: PathBuf },
    #[error("{}: the page cannot be written; create its folder, or name another file", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl ReportError {
    /// True if it is only that the disk, or what this user may have of it, is full.
    pub fn is_for_want_of_room(&self) -> bool {
        let Self::Write { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    }
}

/// Makes the report of the run in these folders and writes it.
///
/// # Errors
/// When the folders are not of one run, or the page cannot be written.
pub fn write(folders: &[PathBuf], out: &Path, load: Load<'_>) -> Result<Run, ReportError> {
    let run = Run::read(folders, load)?;
    write_page(out, &page::page(&run).into_string())?;
    Ok(run)
}

/// Writes the page about several runs.
///
/// # Errors
/// When it cannot be written.
pub fn write_comparison(comparison: &Comparison, out: &Path) -> Result<(), ReportError> {
    write_page(out, &page::comparison(comparison).into_string())
}

/// Whether a page can be written, before the work for it is done.
///
/// # Errors
/// When it cannot.
pub fn check_place(out: &Path) -> Result<(), ReportError> {
    let tried = match out.is_dir() {
        true => Err(ErrorKind::IsADirectory.into()),
        false => draft::beside(out).map(drop),
    };
    tried.map_err(|source| ReportError::Write {
        path: out.to_owned(),
        source,
    })
}

/// Puts a page in its place at once, so that nobody sees half of it. Control characters in it, which a results folder may have, are
/// written out.
///
/// # Errors
/// When it cannot be written.
pub fn write_page(out: &Path, text: &str) -> Result<(), ReportError> {
    draft::replace(out, visible(text).as_bytes()).map_err(|source| ReportError::Write {
        path: out.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_page_has_no_control_characters_of_a_results_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join(FILE);
        write_page(&out, "<p>\u{1b}[2J\n\t</p>").unwrap();
        assert_eq!(fs::read_to_string(out).unwrap(), "<p>\\u001b[2J\n\t</p>");
    }
}
