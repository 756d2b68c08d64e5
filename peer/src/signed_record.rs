//! Of which rounds this peer's processes may have signed an update, on disk.
//!
//! Nobody signs two updates of a round. A process that takes the place of another one learns from this file which rounds are out of
//! question; without it, it stays out for longer ([`EarlierUpdates::Unknown`]). The file needs to survive the process only, and not the
//! machine: after a restart of the machine it counts for nothing, so that it need not be flushed to the disk in every round.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fltorrent_coordinator::identity::RunId;
use fltorrent_swarm::EarlierUpdates;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Changes with every start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// No record is longer, bytes.
const LONGEST: u64 = 4096;

/// Why the file cannot be kept.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum RecordError {
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("process {latest} of this peer has taken the place of this one, process {own}")]
    Superseded { own: u32, latest: u32 },
    #[error("{} cannot be written as JSON", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    run: String,
    attempt: u32,
    /// The process that has written it last.
    incarnation: u32,
    boot: String,
    /// The last round of which an update may have been signed.
    round: Option<u32>,
}

impl Content {
    fn is_of(&self, run: &str, attempt: u32) -> bool {
        (self.run.as_str(), self.attempt) == (run, attempt)
    }
}

/// The file of one process.
#[derive(Debug)]
pub struct SignedRecord {
    path: PathBuf,
    content: Content,
}

impl SignedRecord {
    /// For process `incarnation` of a peer whose records are at `path`; also what the processes before it may have signed. It takes over
    /// what it finds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(
        path: PathBuf,
        run: RunId,
        attempt: u32,
        incarnation: u32,
    ) -> Result<(Self, EarlierUpdates), RecordError> {
        Self::open_at(path, run, attempt, incarnation, boot_id())
    }

    fn open_at(
        path: PathBuf,
        run: RunId,
        attempt: u32,
        incarnation: u32,
        boot: Option<String>,
    ) -> Result<(Self, EarlierUpdates), RecordError> {
        let run = run.to_string();
        let is_before = |found: &Content| {
            found.is_of(&run, attempt)
                && found.incarnation.checked_add(1) == Some(incarnation)
                && Some(&found.boot) == boot.as_ref()
        };
        let found = read(&path).filter(is_before);
        let earlier = match (&found, incarnation) {
            (_, 0) => EarlierUpdates::Nothing,
            (Some(found), _) => found.round.map_or(EarlierUpdates::Nothing, EarlierUpdates::UpTo),
            (None, _) => EarlierUpdates::Unknown,
        };
        let content = Content {
            run,
            attempt,
            incarnation,
            boot: boot.unwrap_or_default(),
            round: found.and_then(|found| found.round),
        };
        let record = Self { path, content };
        // What this process signs comes after everything that was signed before it. Until it does so nobody knows anything.
        match earlier {
            EarlierUpdates::Unknown => remove(&record.path)?,
            EarlierUpdates::Nothing | EarlierUpdates::UpTo(_) => record.write()?,
        }
        Ok((record, earlier))
    }

    /// An update of a round is about to be signed.
    ///
    /// # Errors
    /// When a later process has taken the place of this one, or the file cannot be written; nothing may be signed then.
    pub fn note(&mut self, round: u32) -> Result<(), RecordError> {
        let own = &self.content;
        let is_later = |found: &Content| found.is_of(&own.run, own.attempt) && found.incarnation > own.incarnation;
        if let Some(later) = read(&self.path).filter(is_later) {
            let (own, latest) = (own.incarnation, later.incarnation);
            return Err(RecordError::Superseded { own, latest });
        }
        self.content.round = Some(self.content.round.map_or(round, |last| last.max(round)));
        self.write()
    }

    /// The run is over, and no process takes the place of this one.
    pub fn remove(self) {
        // A file that stays harms nobody.
        fs::remove_file(&self.path).ok();
    }

    /// Written over in its place: to give a new file the name of the old one takes some file systems ten milliseconds, in every round. Who
    /// meets half of it sees that by its hash.
    fn write(&self) -> Result<(), RecordError> {
        let path = || self.path.clone();
        let json = serde_json::to_string(&self.content).map_err(|source| RecordError::Json { path: path(), source })?;
        let text = format!("{json}\n{}\n", blake3::hash(json.as_bytes()));
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&self.path);
        file.and_then(|file| file.write_all_at(text.as_bytes(), 0))
            .map_err(|source| RecordError::Write { path: path(), source })
    }
}

fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(RecordError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// What is there, if it can be read: anything else counts as lost.
fn read(path: &Path) -> Option<Content> {
    let is_short = fs::metadata(path).ok()?.len() <= LONGEST;
    let text = is_short.then(|| fs::read_to_string(path).ok()).flatten()?;
    // What comes after them is left of a longer record.
    let mut lines = text.lines();
    let (json, hash) = (lines.next()?, lines.next()?);
    let is_whole = blake3::hash(json.as_bytes()).to_hex().as_str() == hash;
    is_whole.then(|| serde_json::from_str(json).ok()).flatten()
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId::from_bytes([7; 16]);

    fn open(path: &Path, attempt: u32, incarnation: u32, boot: &str) -> (SignedRecord, EarlierUpdates) {
        let boot = Some(boot.to_owned());
        SignedRecord::open_at(path.to_owned(), RUN, attempt, incarnation, boot).unwrap()
    }

    #[test]
    fn the_next_process_knows_what_the_ones_before_have_signed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-3.signed");
        let (mut first, earlier) = open(&path, 0, 0, "a");
        assert_eq!(earlier, EarlierUpdates::Nothing);
        first.note(4).unwrap();
        let (mut second, earlier) = open(&path, 0, 1, "a");
        assert_eq!(earlier, EarlierUpdates::UpTo(4));
        // The one before signs nothing more.
        assert!(matches!(
            first.note(5),
            Err(RecordError::Superseded { own: 0, latest: 1 })
        ));
        second.note(7).unwrap();
        assert_eq!(open(&path, 0, 2, "a").1, EarlierUpdates::UpTo(7));
        // A shorter record takes the place of a longer one.
        second.content.round = Some(1_000_000);
        second.write().unwrap();
        second.content.round = Some(6);
        second.note(7).unwrap();
        assert_eq!(open(&path, 0, 2, "a").1, EarlierUpdates::UpTo(7));
        // A process that signs nothing hands on what it found.
        assert_eq!(open(&path, 0, 3, "a").1, EarlierUpdates::UpTo(7));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_nothing_was_signed_nothing_is_out_of_question() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-3.signed");
        assert_eq!(open(&path, 0, 0, "a").1, EarlierUpdates::Nothing);
        assert_eq!(open(&path, 0, 1, "a").1, EarlierUpdates::Nothing);
    }

    #[test]
    fn what_is_not_of_the_process_before_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer-3.signed");
        let forge = |change: &dyn Fn(&mut Content)| {
            let (mut record, _) = open(&path, 0, 0, "a");
            record.note(4).unwrap();
            change(&mut record.content);
            record.write().unwrap();
            open(&path, 0, 1, "a").1
        };
        assert_eq!(forge(&|_| {}), EarlierUpdates::UpTo(4));
        let changes: [&dyn Fn(&mut Content); 4] = [
            &|it| it.attempt = 1,
            &|it| it.incarnation = 1,
            &|it| it.boot = "b".to_owned(),
            &|it| it.run = "another".to_owned(),
        ];
        for change in changes {
            assert_eq!(forge(change), EarlierUpdates::Unknown);
            // Nor does the process after next know.
            assert_eq!(open(&path, 0, 2, "a").1, EarlierUpdates::Unknown);
        }
        fs::write(&path, "{torn").unwrap();
        assert_eq!(open(&path, 0, 1, "a").1, EarlierUpdates::Unknown);
        // Half of it is of another round.
        let (mut record, _) = open(&path, 0, 0, "a");
        record.note(19).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("19", "10", 1)).unwrap();
        assert_eq!(open(&path, 0, 1, "a").1, EarlierUpdates::Unknown);
        let known = SignedRecord::open_at(path, RUN, 0, 1, None).unwrap().1;
        assert_eq!(
            known,
            EarlierUpdates::Unknown,
            "nobody knows whether the machine was restarted"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = SignedRecord::open("/proc/nowhere/peer-0.signed".into(), RUN, 0, 0).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }
}
