//! Files that a peer's process leaves behind for the next one: chunks beyond the memory budget, and a large model.
//!
//! Nothing in them is trusted: a chunk counts when its BLAKE3 is the one that was signed. They are not flushed to the disk, so that they
//! survive the process and not always the machine. The next process opens them and takes their names away at once; whoever started the
//! peers removes what is left, and where that has gone, any of them does.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use fltorrent_coordinator::identity::RunId;
use fltorrent_swarm::{ChunkId, ChunkLayout, Recall, check_piece};
use rustix::{
    fs::{OFlags, SeekFrom},
    io::Errno,
};

use crate::buffers::Buffers;

/// The end of their names.
const SUFFIX: &str = ".kept";
/// Files of chunks that are looked into, at most: a process has two rounds at a time.
const MOST_ROUNDS: usize = 4;
/// A slot begins with a page, so that holes between slots are holes of the file.
const PAGE: u64 = 4096;
const ELEMENT: u64 = 4;
/// Single updates are nobody's business but the peer's.
const MODE: u32 = 0o600;

/// Held while a file is made, and from the moment on that none may be made any more.
static MAKING: Mutex<()> = Mutex::new(());

/// The names of a process's files.
#[derive(Clone, Debug)]
pub struct KeptNames {
    /// Where they are.
    pub folder: PathBuf,
    /// The peer.
    pub peer: u32,
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// The number of the process.
    pub incarnation: u32,
}

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Model,
    Round(u32),
}

impl KeptNames {
    /// The file for chunks of a round.
    pub fn round(&self, round: u32) -> PathBuf {
        self.path(&format!("round-{round}"))
    }

    /// The file for a model.
    pub fn model(&self) -> PathBuf {
        self.path("model")
    }

    fn path(&self, what: &str) -> PathBuf {
        let name = format!("{}{}.{what}{SUFFIX}", self.of_attempt(), self.incarnation);
        self.folder.join(name)
    }

    fn of_attempt(&self) -> String {
        format!("{}{}.{}.", prefix(self.peer), self.run, self.attempt)
    }

    /// The process before this one that left a file of this name, and what is in it.
    fn read(&self, name: &str) -> Option<(u32, Content)> {
        let rest = name.strip_prefix(&self.of_attempt())?.strip_suffix(SUFFIX)?;
        let (incarnation, what) = rest.split_once('.')?;
        let incarnation = incarnation.parse().ok().filter(|&it: &u32| it < self.incarnation)?;
        let content = match what.strip_prefix("round-") {
            Some(round) => Content::Round(round.parse().ok()?),
            None if what == "model" => Content::Model,
            None => return None,
        };
        Some((incarnation, content))
    }
}

/// Where chunks are in a file of a round: each has a place of its own, so that no list of them has to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    chunks: u32,
    size: u64,
}

impl Slots {
    /// For updates that are cut so.
    pub fn of(layout: &ChunkLayout) -> Self {
        Self {
            chunks: layout.chunks(),
            size: u64::from(layout.longest()).next_multiple_of(PAGE),
        }
    }

    /// Where a chunk begins.
    pub fn offset(&self, chunk: ChunkId) -> u64 {
        let position = u64::from(chunk.origin) * u64::from(self.chunks) + u64::from(chunk.index);
        position.saturating_mul(self.size)
    }
}

/// What the processes before have left.
#[derive(Debug, Default)]
pub struct Kept {
    rounds: BTreeMap<u32, Vec<Arc<File>>>,
    models: Vec<Arc<File>>,
}

/// A search for chunks of one update or model.
#[derive(Debug)]
pub struct Search {
    recall: Recall,
    layout: ChunkLayout,
    buffers: Buffers,
    /// Files of the round, and of models.
    files: (Vec<Arc<File>>, Vec<Arc<File>>),
}

impl Kept {
    /// Opens what the processes before this one have left in the same attempt. No file of the peer has a name afterwards, whoever left it.
    pub fn take(names: &KeptNames) -> Self {
        let mut found = Vec::new();
        for path in files_of(&names.folder, &prefix(names.peer)) {
            let name = path.file_name().and_then(|name| name.to_str());
            let known = name.and_then(|name| names.read(name));
            // One that cannot be opened is as good as lost.
            let file = known.and_then(|known| Some((known, open(&path)?)));
            fs::remove_file(&path).ok();
            found.extend(file);
        }
        // The last process's first.
        found.sort_by_key(|((incarnation, content), _)| (std::cmp::Reverse(*incarnation), std::cmp::Reverse(*content)));
        let mut kept = Self::default();
        let mut left = MOST_ROUNDS;
        for ((_, content), file) in found {
            match content {
                Content::Round(round) if left > 0 => {
                    left -= 1;
                    kept.rounds.entry(round).or_default().push(Arc::new(file));
                }
                Content::Model if kept.models.is_empty() => kept.models.push(Arc::new(file)),
                Content::Round(_) | Content::Model => {}
            }
        }
        kept
    }

    /// What there is.
    pub fn content(&self) -> fltorrent_swarm::Kept {
        fltorrent_swarm::Kept {
            rounds: self.rounds.keys().copied().collect(),
            has_model: !self.models.is_empty(),
        }
    }

    /// Rounds up to this one are over, and whoever is in a later one has a model.
    pub fn forget(&mut self, round: u32) {
        self.rounds.retain(|&kept, _| kept > round);
        self.models.clear();
    }

    /// A search for chunks that are cut so, of a run of so many peers.
    pub fn search(&self, recall: Recall, layout: ChunkLayout, peers: u32, buffers: Buffers) -> Search {
        let of_round = self.rounds.get(&recall.round).cloned().unwrap_or_default();
        let models = match recall.origin == peers {
            true => self.models.clone(),
            false => Vec::new(),
        };
        Search {
            recall,
            layout,
            buffers,
            files: (of_round, models),
        }
    }
}

impl Search {
    /// The number of what is looked for.
    pub fn id(&self) -> u64 {
        self.recall.id
    }

    /// The chunks that are there and are what they should be, with their indices.
    pub fn found(&self) -> impl Iterator<Item = (u32, Bytes)> {
        let wanted = (0..self.layout.chunks()).zip(&self.recall.hashes);
        wanted.filter_map(|(index, hash)| Some((index, self.find(index, hash)?)))
    }

    fn find(&self, index: u32, hash: &[u8; 32]) -> Option<Bytes> {
        let Recall { round, origin, .. } = self.recall;
        let chunk = ChunkId { round, origin, index };
        let (of_round, models) = &self.files;
        let in_slot = Slots::of(&self.layout).offset(chunk);
        let in_model = self.layout.range(index).start * ELEMENT;
        let places = of_round.iter().map(|file| (file, in_slot));
        let mut places = places.chain(models.iter().map(|file| (file, in_model)));
        places.find_map(|(file, offset)| self.read(file, offset, index, hash))
    }

    fn read(&self, file: &File, offset: u64, index: u32, hash: &[u8; 32]) -> Option<Bytes> {
        let length = self.layout.bytes(index);
        if !has_data(file, offset, u64::from(length)) {
            return None;
        }
        let mut data = self.buffers.take(length as usize);
        file.read_exact_at(data.bytes_mut(), offset).ok()?;
        check_piece(data.as_ref(), hash).ok()?;
        Some(data.freeze())
    }
}

/// Removes what the processes of a peer have left.
pub fn remove(folder: &Path, peer: u32) {
    remove_those(folder, &prefix(peer));
}

/// Removes what the processes of all peers have left.
pub fn remove_all(folder: &Path) {
    remove_those(folder, "peer-");
}

/// The same, and this process makes no such file any more: whoever tries waits until the process ends, which has to be soon.
pub fn remove_all_for_good(folder: &Path) {
    std::mem::forget(MAKING.lock().unwrap_or_else(PoisonError::into_inner));
    remove_all(folder);
}

/// A new file of this name that can be read as well.
///
/// # Errors
/// When it cannot be made, or is there.
pub fn create(path: &Path) -> io::Result<File> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(MODE).open(path)
}

fn remove_those(folder: &Path, prefix: &str) {
    for path in files_of(folder, prefix) {
        // What cannot be removed harms nobody.
        fs::remove_file(path).ok();
    }
}

fn prefix(peer: u32) -> String {
    format!("peer-{peer}.")
}

fn files_of(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_kept = |name: &str| name.starts_with(prefix) && name.ends_with(SUFFIX);
    let kept = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_kept));
    kept.map(|entry| entry.path()).collect()
}

/// Neither a link is followed, nor a pipe of that name waited for.
fn open(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Whether something was written there: of many chunks that never were nothing is read.
fn has_data(file: &File, offset: u64, length: u64) -> bool {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(next) => next < offset.saturating_add(length),
        Err(Errno::NXIO) => false,
        // Not every file system tells.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: u32 = 3;
    /// Chunks of 100 bytes; the last one is shorter.
    const ELEMENTS: u64 = 99;

    fn layout() -> ChunkLayout {
        ChunkLayout::new(ELEMENTS, 4).unwrap()
    }

    fn names(folder: &Path, attempt: u32, incarnation: u32) -> KeptNames {
        KeptNames {
            folder: folder.to_owned(),
            peer: 1,
            run: RunId::from_bytes([7; 16]),
            attempt,
            incarnation,
        }
    }

    /// Finite values that differ.
    fn data(chunk: ChunkId) -> Vec<u8> {
        let value = (chunk.origin * 100 + chunk.index + 1) as f32;
        value.to_le_bytes().repeat(layout().bytes(chunk.index) as usize / 4)
    }

    fn chunk(origin: u32, index: u32) -> ChunkId {
        ChunkId {
            round: 5,
            origin,
            index,
        }
    }

    fn leave(names: &KeptNames, chunks: &[ChunkId]) -> File {
        let file = create(&names.round(5)).unwrap();
        for &chunk in chunks {
            let offset = Slots::of(&layout()).offset(chunk);
            file.write_all_at(&data(chunk), offset).unwrap();
        }
        file
    }

    fn recall(origin: u32) -> Recall {
        let hash = |index| *blake3::hash(&data(chunk(origin, index))).as_bytes();
        Recall {
            id: 9,
            round: 5,
            origin,
            hashes: (0..4).map(hash).collect(),
        }
    }

    fn found(kept: &Kept, recall: Recall) -> Vec<u32> {
        let origin = recall.origin;
        let search = kept.search(recall, layout(), PEERS, Buffers::new(layout().longest()));
        let found = search.found().map(|(index, bytes)| {
            assert_eq!(bytes, data(chunk(origin, index)));
            index
        });
        found.collect()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn the_next_process_finds_what_was_kept_and_takes_its_name_away() {
        let folder = tempfile::tempdir().unwrap();
        leave(&names(folder.path(), 0, 0), &[chunk(0, 1), chunk(2, 0), chunk(2, 3)]);
        let kept = Kept::take(&names(folder.path(), 0, 1));
        assert_eq!(files(folder.path()), 0);
        assert_eq!(kept.content().rounds, [5].into());
        assert!(!kept.content().has_model);
        assert_eq!(found(&kept, recall(0)), [1]);
        assert_eq!(found(&kept, recall(1)), [0; 0]);
        assert_eq!(found(&kept, recall(2)), [0, 3]);
        // Of another round nothing is there.
        let other = Recall { round: 6, ..recall(2) };
        assert_eq!(found(&kept, other), [0; 0]);
        // More hashes than chunks are no reason to read beyond them.
        let mut long = recall(2);
        long.hashes.extend([[0; 32]; 1000]);
        assert_eq!(found(&kept, long), [0, 3]);
    }

    #[test]
    fn a_torn_or_flipped_chunk_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = leave(&names(folder.path(), 0, 0), &[chunk(2, 0), chunk(2, 1), chunk(2, 3)]);
        let at = |index| Slots::of(&layout()).offset(chunk(2, index));
        file.write_all_at(&[data(chunk(2, 0))[20] ^ 1], at(0) + 20).unwrap();
        file.set_len(at(3) + 10).unwrap();
        let kept = Kept::take(&names(folder.path(), 0, 1));
        assert_eq!(found(&kept, recall(2)), [1]);
        // What has the hash and is no number is no chunk.
        let file = create(&names(folder.path(), 0, 1).round(5)).unwrap();
        let nan = f32::NAN.to_le_bytes().repeat(layout().bytes(0) as usize / 4);
        file.write_all_at(&nan, at(0)).unwrap();
        let kept = Kept::take(&names(folder.path(), 0, 2));
        let mut asked = recall(2);
        asked.hashes[0] = *blake3::hash(&nan).as_bytes();
        assert_eq!(found(&kept, asked), [0; 0]);
    }

    #[test]
    fn what_is_not_of_an_earlier_process_of_the_attempt_is_removed_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let own = names(folder.path(), 1, 2);
        let foreign = KeptNames {
            run: RunId::from_bytes([8; 16]),
            ..names(folder.path(), 1, 1)
        };
        for other in [names(folder.path(), 0, 1), names(folder.path(), 1, 2), foreign] {
            leave(&other, &[chunk(0, 0)]);
        }
        let run = own.run;
        for name in [
            "1.1.round-x.kept",
            "1.1.kept",
            "1.x.model.kept",
            "1.1.round-99999999999.kept",
        ] {
            fs::write(folder.path().join(format!("peer-1.{run}.{name}")), "").unwrap();
        }
        let others = [format!("peer-11.{run}.1.1.model.kept"), "peer-1.jsonl".to_owned()];
        for name in &others {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let kept = Kept::take(&own);
        assert_eq!(kept.content(), fltorrent_swarm::Kept::default());
        assert_eq!(files(folder.path()), others.len());
        remove_all(folder.path());
        assert_eq!(files(folder.path()), 1);
        assert_eq!(
            Kept::take(&names(Path::new("/proc/nowhere"), 0, 1)).content().rounds,
            [].into()
        );
    }

    #[test]
    fn so_many_files_are_opened_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        for incarnation in 0..3 {
            for round in 0..10 {
                create(&names(folder.path(), 0, incarnation).round(round)).unwrap();
            }
            create(&names(folder.path(), 0, incarnation).model()).unwrap();
        }
        let mut kept = Kept::take(&names(folder.path(), 0, 3));
        assert_eq!(files(folder.path()), 0);
        assert_eq!(kept.content().rounds, [6, 7, 8, 9].into());
        assert_eq!(kept.models.len(), 1);
        kept.forget(7);
        assert_eq!(kept.content().rounds, [8, 9].into());
        assert!(!kept.content().has_model);
    }

    #[test]
    fn a_model_is_found_by_its_parts_whichever_round_it_was_of() {
        let folder = tempfile::tempdir().unwrap();
        let before = names(folder.path(), 0, 0);
        let model: Vec<u8> = (0..4).flat_map(|index| data(chunk(PEERS, index))).collect();
        fs::write(before.model(), &model).unwrap();
        // A part of it came as chunks, to a process that was catching up.
        leave(&before, &[chunk(PEERS, 2)]);
        let kept = Kept::take(&names(folder.path(), 0, 1));
        assert_eq!(found(&kept, recall(PEERS)), [0, 1, 2, 3]);
        let later = Recall {
            round: 8,
            ..recall(PEERS)
        };
        let mut changed = later.clone();
        changed.hashes[1] = [0; 32];
        assert_eq!(found(&kept, changed), [0, 2, 3]);
        assert_eq!(found(&kept, later), [0, 1, 2, 3]);
        // No update is looked for in it.
        let as_update = Recall {
            origin: 0,
            ..recall(PEERS)
        };
        assert_eq!(found(&kept, as_update), [0; 0]);
    }

    #[test]
    fn holes_are_told_from_data() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 100], 10 * PAGE).unwrap();
        assert!(has_data(&file, 10 * PAGE, 100));
        assert!(!has_data(&file, 20 * PAGE, 100), "beyond the end");
    }
}
