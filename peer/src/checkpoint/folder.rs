//! A peer's checkpoints in its folder, and when the next one is due.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{Header, WriteError, write};

/// Checkpoints that a peer keeps.
const KEPT: usize = 2;

/// The file of `peer` after so many finished rounds.
pub fn path(folder: &Path, peer: u32, rounds: u32) -> PathBuf {
    folder.join(format!("peer-{peer}.rounds-{rounds}.checkpoint"))
}

/// A peer's checkpoints by name, with their finished rounds, the newest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &Path, peer: u32) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let rounds = name
            .to_str()
            .and_then(|name| name.strip_prefix(&format!("peer-{peer}.rounds-")))
            .and_then(|name| name.strip_suffix(".checkpoint"))
            .and_then(|rounds| rounds.parse().ok());
        if let Some(rounds) = rounds {
            found.push((rounds, path(folder, peer, rounds)));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Writes a peer's checkpoints.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Where they go.
    pub folder: PathBuf,
    /// Rounds from one to the next, ≥ 1.
    pub every: u32,
    /// [`fltorrent_crds::Plan::resume_hash`] of the run.
    pub plan: [u8; 32],
}

impl Writer {
    /// Whether one is due after so many finished rounds.
    pub fn is_due(&self, rounds: u32, is_last: bool) -> bool {
        is_last || rounds.is_multiple_of(self.every)
    }

    /// Writes one and removes those that are older than the newest two. `journal` is flushed to the disk before: a
    /// checkpoint stands for rounds whose figures are kept.
    ///
    /// # Errors
    /// When it cannot be written, or an old one not removed.
    pub fn write(
        &self,
        header: &Header,
        parameters: &[f32],
        journal: &Path,
    ) -> Result<(), WriteError> {
        let path = path(&self.folder, header.peer, header.rounds);
        let failed = |source| WriteError {
            path: path.clone(),
            source,
        };
        File::open(journal)
            .and_then(|file| file.sync_all())
            .map_err(failed)?;
        write(&path, header, parameters)?;
        let all = list(&self.folder, header.peer).map_err(failed)?;
        // Newer ones are of a time before the run went back to an older round.
        let newer = all.iter().filter(|(rounds, _)| *rounds > header.rounds);
        let not_newer = all.iter().filter(|(rounds, _)| *rounds <= header.rounds);
        for (_, old) in newer.chain(not_newer.skip(KEPT)) {
            fs::remove_file(old).map_err(|source| WriteError {
                path: old.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{file::tests::header, verify};

    #[test]
    fn the_newest_two_are_kept_of_each_peer() {
        let folder = tempfile::tempdir().unwrap();
        let journal = tempfile::NamedTempFile::new().unwrap();
        let writer = Writer {
            folder: folder.path().to_owned(),
            every: 2,
            plan: [1; 32],
        };
        let write = |peer, rounds| {
            let header = Header {
                peer,
                rounds,
                ..header()
            };
            writer.write(&header, &[1.0], journal.path()).unwrap();
        };
        let rounds = |peer| {
            let found = list(folder.path(), peer).unwrap();
            found.iter().map(|(rounds, _)| *rounds).collect::<Vec<_>>()
        };
        for number in [2, 4, 6, 8, 10] {
            write(1, number);
            // A name that begins alike.
            write(11, number);
        }
        assert_eq!(rounds(1), [10, 8]);
        assert_eq!(rounds(11), [10, 8]);
        assert_eq!(verify(&path(folder.path(), 1, 8), 1).unwrap().rounds, 8);
        // After going back, those of the time before are wrong.
        write(1, 9);
        assert_eq!(rounds(1), [9, 8]);
        assert!(rounds(2).is_empty());
    }

    #[test]
    fn one_is_due_at_every_kth_round_and_at_the_end() {
        let writer = Writer {
            folder: PathBuf::new(),
            every: 3,
            plan: [0; 32],
        };
        let due: Vec<u32> = (1..=10)
            .filter(|&rounds| writer.is_due(rounds, rounds == 10))
            .collect();
        assert_eq!(due, [3, 6, 9, 10]);
    }
}
