//! A peer's checkpoints in its folder, and when the next one is due.

use std::{collections::BTreeSet, fs::File, io, path::Path};

use super::{Folder, Header, ReadError, WriteError, name, path, verify, write};

/// Checkpoints that a peer keeps.
const KEPT: usize = 2;

/// Finished rounds of a peer's files by their names alone, the newest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &Folder, peer: u32) -> io::Result<Vec<u32>> {
    let rounds_of = |file: &str| {
        let rounds = file.strip_prefix(&format!("peer-{peer}.rounds-"))?;
        let rounds = rounds.strip_suffix(".checkpoint")?.parse().ok()?;
        (file == name(peer, rounds)).then_some(rounds)
    };
    let names = folder.names()?;
    let mut found: Vec<u32> = names.iter().filter_map(|name| rounds_of(name)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Removes a peer's checkpoints, and whatever has the name of one.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn remove_all(folder: &Folder, peer: u32) -> io::Result<()> {
    for rounds in list(folder, peer)? {
        folder.remove(&name(peer, rounds))?;
    }
    Ok(())
}

/// Writes a peer's checkpoints.
#[derive(Clone, Debug)]
pub struct Writer {
    folder: Folder,
    every: u32,
    plan: [u8; 32],
    /// Rounds of the files that are whole and of this plan.
    whole: BTreeSet<u32>,
}

impl Writer {
    /// Writes into `folder` one checkpoint each `every` rounds (≥ 1) of the run with this
    /// [`fltorrent_crds::Plan::resume_hash`].
    pub const fn new(folder: Folder, every: u32, plan: [u8; 32]) -> Self {
        Self {
            folder,
            every,
            plan,
            whole: BTreeSet::new(),
        }
    }

    /// The plan that its checkpoints are of.
    pub const fn plan(&self) -> [u8; 32] {
        self.plan
    }

    /// Whether one is due after so many finished rounds.
    pub fn is_due(&self, rounds: u32, is_last: bool) -> bool {
        is_last || rounds.is_multiple_of(self.every)
    }

    /// Writes one and removes those that are older than the newest two. `metrics_file` is flushed to the disk before: a
    /// checkpoint stands for rounds whose figures are kept. Files that only have the name of a checkpoint do not count as one.
    ///
    /// # Errors
    /// When it cannot be written, or an old one not removed.
    pub fn write(&mut self, header: &Header, parameters: &[f32], metrics_file: &Path) -> Result<(), WriteError> {
        let (peer, written) = (header.peer, header.rounds);
        let failed = |rounds| {
            let path = path(&self.folder, peer, rounds);
            move |source| WriteError { path, source }
        };
        File::open(metrics_file)
            .and_then(|file| file.sync_all())
            .map_err(failed(written))?;
        write(&self.folder, header, parameters)?;
        self.whole.insert(written);
        let mut kept = 0;
        for rounds in list(&self.folder, peer).map_err(failed(written))? {
            // Newer ones are of a time before the run went back to an older round.
            let may_stay = rounds <= written && kept < KEPT;
            let is_whole = self.whole.contains(&rounds);
            let found = match is_whole || !may_stay {
                true => Ok(is_whole),
                false => {
                    verify(&self.folder, peer, rounds, parameters.len() as u64).map(|found| found.plan == self.plan)
                }
            };
            match found {
                Ok(true) if may_stay => {
                    self.whole.insert(rounds);
                    kept += 1;
                }
                // What the disk does not give now may be whole all the same.
                Err(ReadError::Read { .. }) => {}
                found => {
                    let removed = self.folder.remove(&name(peer, rounds));
                    if matches!(found, Ok(true)) {
                        removed.map_err(failed(rounds))?;
                    }
                    self.whole.remove(&rounds);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::checkpoint::file::tests::header;

    fn writer(place: &Path) -> Writer {
        Writer::new(Folder::at(place), 2, [1; 32])
    }

    fn put(writer: &mut Writer, peer: u32, rounds: u32) {
        let metrics_file = tempfile::NamedTempFile::new().unwrap();
        let header = Header {
            peer,
            rounds,
            plan: writer.plan(),
            ..header(&[1.0])
        };
        writer.write(&header, &[1.0], metrics_file.path()).unwrap();
    }

    #[test]
    fn the_newest_two_are_kept_of_each_peer() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        let mut writer = writer(place.path());
        let rounds = |peer| list(&folder, peer).unwrap();
        for number in [2, 4, 6, 8, 10] {
            put(&mut writer.clone(), 1, number);
            // A name that begins alike.
            put(&mut writer, 11, number);
        }
        assert_eq!(rounds(1), [10, 8]);
        assert_eq!(rounds(11), [10, 8]);
        assert_eq!(verify(&folder, 1, 8, 1).unwrap().rounds, 8);
        // After going back, those of the time before are wrong.
        put(&mut writer, 1, 9);
        assert_eq!(rounds(1), [9, 8]);
        assert!(rounds(2).is_empty());
    }

    #[test]
    fn what_only_has_the_name_of_a_checkpoint_takes_no_place_of_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        put(&mut writer(place.path()), 1, 2);
        fs::write(path(&folder, 1, 3), "rubbish").unwrap();
        // Of another plan.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Folder::at(elsewhere.path());
        put(&mut Writer::new(other.clone(), 2, [9; 32]), 1, 5);
        fs::copy(path(&other, 1, 5), path(&folder, 1, 5)).unwrap();
        fs::create_dir(path(&folder, 1, 1)).unwrap();
        fs::write(place.path().join("peer-1.rounds-+6.checkpoint"), "").unwrap();
        put(&mut writer(place.path()), 1, 6);
        assert_eq!(list(&folder, 1).unwrap()[..2], [6, 2]);
        verify(&folder, 1, 2, 1).unwrap();
    }

    #[test]
    fn a_beginning_anew_leaves_those_of_others() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        for peer in [1, 11] {
            put(&mut writer(place.path()), peer, 2);
        }
        remove_all(&folder, 1).unwrap();
        assert!(list(&folder, 1).unwrap().is_empty());
        assert_eq!(list(&folder, 11).unwrap(), [2]);
    }

    #[test]
    fn one_is_due_at_every_kth_round_and_at_the_end() {
        let writer = Writer::new(Folder::at(Path::new("x")), 3, [0; 32]);
        let due: Vec<u32> = (1..=10).filter(|&rounds| writer.is_due(rounds, rounds == 10)).collect();
        assert_eq!(due, [3, 6, 9, 10]);
    }
}
