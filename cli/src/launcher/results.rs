//! The results folder of one run: made new, never overwritten.
//!
//! ```text
//! manifest.yaml       the manifest with all defaults; runs again as it is
//! plan.json           what follows from it
//! histogram.json      training samples by peer and class
//! summary.json        how the run ended, and its figures by round
//! report.html         a page about the run
//! model.safetensors   the model that all peers ended with
//! peers/peer-3.log    log, JSON lines
//! peers/peer-3.jsonl  metrics, JSON lines
//! peers/peer-3.stderr what the process said before its end
//! peers/unconfirmed.safetensors  a peer's model after the last round, where the run ended before it was known that all have the same
//! peers/peer-3.rounds-8.checkpoint  the newest two, when the manifest asks for them
//! peers/peer-3.*.kept  chunks and models beyond its memory, while it runs
//! ```

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Write},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use fltorrent_records::draft;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// Starts of one experiment in one second; more are refused.
const NAMES_A_SECOND: u32 = 1000;

/// Why results cannot be kept.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ResultsError {
    #[error("{}: is not empty, and results are never overwritten; name another folder with --out, or remove this one", path.display())]
    Occupied { path: PathBuf },
    #[error("{}: the results folder cannot be created; name another one with --out", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("{}: the results folder cannot be opened; check its path and permissions", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: another fltorrent is running in this folder; wait for it, or stop it", path.display())]
    InUse { path: PathBuf },
    #[error("{}: cannot be written; free disk space, or name another folder with --out", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The results folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    path: PathBuf,
    /// A run resumes here: its files are replaced.
    reopened: bool,
    /// The folder was made for this run.
    made: bool,
}

/// A results folder that others keep out of.
#[derive(Debug)]
#[must_use = "the folder is free again once this is dropped"]
pub struct Lock {
    _file: File,
    /// The folder, and why its file system locks nothing.
    missing: Option<(PathBuf, io::Error)>,
}

impl Lock {
    /// The warning for the user if the folder could not be locked.
    pub fn warning(&self) -> Option<String> {
        let (path, error) = self.missing.as_ref()?;
        Some(format!(
            "{}: cannot be locked ({error}): make sure that no other fltorrent runs in this folder",
            path.display()
        ))
    }
}

impl Results {
    /// Takes a folder that is new or empty.
    ///
    /// # Errors
    /// When there is something in it, or it cannot be made.
    pub fn at(path: &Path) -> Result<Self, ResultsError> {
        let failed = |source| ResultsError::Make {
            path: path.to_owned(),
            source,
        };
        let made = !path.exists();
        fs::create_dir_all(path).map_err(failed)?;
        if fs::read_dir(path).map_err(failed)?.next().is_some() {
            return Err(ResultsError::Occupied { path: path.to_owned() });
        }
        Self {
            path: path.to_owned(),
            reopened: false,
            made,
        }
        .furnish()
    }

    /// Makes `<parent>/<name>-<UTC time>`, with a number behind it when another run of this second has that name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn within(parent: &Path, name: &str, now: SystemTime) -> Result<Self, ResultsError> {
        let time = timestamp(now).strftime("%Y%m%dT%H%M%SZ");
        let failed = |path: &Path, source| ResultsError::Make {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
        let first = parent.join(format!("{name}-{time}"));
        for number in 1..=NAMES_A_SECOND {
            let path = match number {
                1 => first.clone(),
                _ => parent.join(format!("{name}-{time}-{number}")),
            };
            match fs::create_dir(&path) {
                Ok(()) => {
                    return Self {
                        path,
                        reopened: false,
                        made: true,
                    }
                    .furnish();
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(&path, source)),
            }
        }
        Err(failed(&first, ErrorKind::AlreadyExists.into()))
    }

    /// The folder of a run that resumes: its manifest, plan and summary are replaced.
    pub fn reopen(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            reopened: true,
            made: false,
        }
    }

    /// Keeps others from running in this folder, as long as what is given back is there. It goes with the process, however
    /// that ends.
    ///
    /// # Errors
    /// When another process has it, or the folder cannot be opened.
    pub fn lock(&self) -> Result<Lock, ResultsError> {
        self.lock_by(File::try_lock)
    }

    fn lock_by(&self, try_lock: impl Fn(&File) -> Result<(), fs::TryLockError>) -> Result<Lock, ResultsError> {
        let path = self.path.clone();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) => return Err(ResultsError::Open { path, source }),
        };
        let missing = match try_lock(&file) {
            Ok(()) => None,
            Err(fs::TryLockError::WouldBlock) => return Err(ResultsError::InUse { path }),
            // Network file systems often have no locks; a run needs none as long as it is alone.
            Err(fs::TryLockError::Error(source)) => Some((path, source)),
        };
        Ok(Lock { _file: file, missing })
    }

    fn furnish(self) -> Result<Self, ResultsError> {
        let path = self.path.join("peers");
        // Of two runs that were given the same empty folder, one makes this and the other stops here.
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => Ok(self),
            Err(source) => Err(ResultsError::Make { path, source }),
        }
    }

    /// Takes back what was written for a run that none of `peers` has begun, so that the corrected command finds its folder free. What was
    /// there before, or is of somebody else, stays.
    pub fn abandon(&self, peers: Range<u32>) {
        if self.reopened {
            return;
        }
        let own = ["manifest.yaml", "plan.json", "histogram.json"].map(|name| self.path.join(name));
        let of_peers = peers.flat_map(|peer| ["log", "stderr"].map(|kind| self.of_peer(peer, kind)));
        // What cannot be removed is seen by whoever uses the folder next.
        for file in own.into_iter().chain(of_peers) {
            fs::remove_file(file).ok();
        }
        fs::remove_dir(self.peers()).ok();
        if self.made {
            fs::remove_dir(&self.path).ok();
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the peers' files.
    pub fn peers(&self) -> PathBuf {
        self.path.join("peers")
    }

    /// The resolved manifest.
    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.yaml")
    }

    /// The final model.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Where the first peer that ends leaves the final model, until it is known that all have the same.
    pub fn unconfirmed_model(&self) -> PathBuf {
        self.peers().join("unconfirmed.safetensors")
    }

    /// Makes that model the final one, in place of one that is there of fewer rounds. Without it nothing happens.
    ///
    /// # Errors
    /// When the final model's place cannot be written.
    pub fn confirm_model(&self) -> Result<(), ResultsError> {
        let path = self.model();
        match fs::rename(self.unconfirmed_model(), &path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(ResultsError::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// Removes that model, where there is one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn drop_unconfirmed_model(&self) -> Result<(), ResultsError> {
        let path = self.unconfirmed_model();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(ResultsError::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// A file of one peer: `log`, `jsonl` or `stderr`.
    pub fn of_peer(&self, index: u32, extension: &str) -> PathBuf {
        self.path.join("peers").join(format!("peer-{index}.{extension}"))
    }

    /// The content of `summary.json`, if it exists and is JSON.
    pub fn summary(&self) -> Option<Value> {
        let text = fs::read(self.path.join("summary.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the resolved manifest.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_manifest(&self, yaml: &str) -> Result<(), ResultsError> {
        self.write(&self.manifest(), yaml.as_bytes())
    }

    /// Writes a JSON file for people to read.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), ResultsError> {
        let path = self.path.join(name);
        let text = serde_json::to_string_pretty(value);
        match text {
            Ok(text) => self.write(&path, format!("{text}\n").as_bytes()),
            Err(error) => Err(ResultsError::Write {
                path,
                source: error.into(),
            }),
        }
    }
}

impl Results {
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
        if !self.reopened {
            return write(path, bytes);
        }
        draft::replace(path, bytes).map_err(|source| ResultsError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

/// A time in UTC; of a clock that is thousands of years off, 1970.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    let failed = |source| ResultsError::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(bytes).map_err(|source| {
        // Half a file would pass for a whole one; that it cannot be removed changes nothing.
        fs::remove_file(path).ok();
        failed(source)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chain;

    #[test]
    fn starts_in_one_second_have_different_folders() {
        let parent = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let names: Vec<String> = (0..3)
            .map(|_| Results::within(&parent.path().join("runs"), "digits", now).unwrap())
            .map(|results| results.path().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "digits-20231114T221320Z",
                "digits-20231114T221320Z-2",
                "digits-20231114T221320Z-3"
            ]
        );
    }

    #[test]
    fn only_an_empty_folder_is_taken_and_only_once() {
        let parent = tempfile::tempdir().unwrap();
        Results::at(parent.path()).unwrap();
        let error = Results::at(parent.path()).unwrap_err();
        assert!(matches!(error, ResultsError::Occupied { .. }), "{error}");
        assert!(error.to_string().contains("--out"));
    }

    #[test]
    fn what_was_made_for_a_run_that_did_not_begin_is_taken_back_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let furnish = |path: &Path| {
            let results = Results::at(path).unwrap();
            results.write_manifest("x").unwrap();
            fs::write(results.of_peer(1, "log"), "x").unwrap();
            results
        };
        let own = parent.path().join("own");
        furnish(&own).abandon(0..2);
        assert!(!own.exists());
        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        furnish(&empty).abandon(0..2);
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
        let results = furnish(&own);
        fs::write(own.join("notes.txt"), "mine").unwrap();
        results.abandon(0..2);
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        fs::remove_file(own.join("notes.txt")).unwrap();
        furnish(&own);
        Results::reopen(&own).abandon(0..2);
        assert!(own.join("manifest.yaml").is_file());
    }

    #[test]
    fn a_folder_below_a_file_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().join("runs");
        for error in [
            Results::at(&path).unwrap_err(),
            Results::within(&path, "x", SystemTime::UNIX_EPOCH).unwrap_err(),
        ] {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            assert!(chain(&error).contains("directory"), "{}", chain(&error));
        }
    }

    #[test]
    fn a_reopened_folder_has_its_files_replaced_and_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let first = Results::at(folder.path()).unwrap();
        first.write_manifest("first").unwrap();
        let lock = first.lock().unwrap();
        let again = Results::reopen(folder.path());
        let error = again.lock().unwrap_err();
        assert!(matches!(error, ResultsError::InUse { .. }), "{error}");
        drop(lock);
        drop(again.lock().unwrap());
        again.write_manifest("second").unwrap();
        again.write_manifest("third").unwrap();
        assert_eq!(fs::read_to_string(first.manifest()).unwrap(), "third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_system_without_locks_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        assert_eq!(results.lock().unwrap().warning(), None);
        for kind in [ErrorKind::Unsupported, ErrorKind::Other] {
            let lock = results.lock_by(|_| Err(fs::TryLockError::Error(kind.into())));
            let warning = lock.unwrap().warning().unwrap();
            assert!(warning.contains("cannot be locked"), "{warning}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        results.write_manifest("first").unwrap();
        assert!(results.write_manifest("second").is_err());
        assert_eq!(fs::read_to_string(results.manifest()).unwrap(), "first");
    }
}
