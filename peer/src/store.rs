//! The chunk store: a file a round, with a RAM budget before it.
//!
//! A chunk stays in RAM while the budget lasts. The oldest ones of other origins go to the file first, since every neighbour
//! asks for this peer's own and few for those that others have too. The files have no name, so that nothing is left behind
//! however the process ends. They have names where the next process wants what is in them ([`ChunkStore::kept`]), and somebody removes what is left.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, btree_map::Entry},
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use fltorrent_swarm::ChunkId;
use thiserror::Error;

use crate::{
    buffers::Buffers,
    kept::{self, KeptNames, Slots},
};

/// Why a chunk cannot be kept or given back.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum StoreError {
    #[error("chunks cannot be written to {folder}: make room there, or raise exchange.memoryBudget")]
    Write { folder: PathBuf, source: io::Error },
    #[error("a chunk of round {round} cannot be read back from {folder}")]
    Read {
        round: u32,
        folder: PathBuf,
        source: io::Error,
    },
    #[error(
        "chunk {} of origin {} in round {} is not what was written to {folder}: its disk changed it",
        chunk.index, chunk.origin, chunk.round
    )]
    Damaged { chunk: ChunkId, folder: PathBuf },
    #[error("chunk {} of origin {} in round {} is not in the store", chunk.index, chunk.origin, chunk.round)]
    Missing { chunk: ChunkId },
}

/// The chunks of the rounds that matter, shared by the driver and the trainer.
#[derive(Clone, Debug)]
pub struct ChunkStore(Arc<Mutex<Inner>>);

/// Keeps the chunks of a round: they go with the last of its holds.
#[derive(Debug)]
pub struct RoundHold {
    store: ChunkStore,
    round: u32,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    budget: u64,
    used: u64,
    places: HashMap<ChunkId, Place>,
    /// Buffers for chunks that come back from a file.
    buffers: Buffers,
    /// The origin of this peer's own chunks.
    own: u32,
    /// Chunks by age, the oldest first: those of others, and this peer's own.
    oldest_first: [VecDeque<ChunkId>; 2],
    files: BTreeMap<u32, RoundFile>,
    /// The names of the files, and where chunks are in them; none where the next process finds nothing.
    names: Option<(KeptNames, Slots)>,
    /// The next process wants what is there.
    is_left: bool,
    /// How many hold each round.
    holds: BTreeMap<u32, usize>,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    /// A flipped bit would make another model, so that what comes back is compared. Chunks were verified before they came here: it takes a
    /// checksum, not a hash.
    File {
        offset: u64,
        length: usize,
        checksum: u32,
    },
}

#[derive(Debug)]
struct RoundFile {
    file: Arc<File>,
    name: Option<PathBuf>,
    /// Bytes of its chunks.
    bytes: u64,
}

impl ChunkStore {
    /// An empty store of peer `own` that keeps up to `budget` bytes in RAM and the rest in files in `folder`. What comes back
    /// from there is in `buffers`, which hold the longest chunk.
    pub fn new(folder: PathBuf, budget: u64, buffers: &Buffers, own: u32) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            folder,
            budget,
            used: 0,
            places: HashMap::new(),
            buffers: buffers.clone(),
            own,
            oldest_first: [VecDeque::new(), VecDeque::new()],
            files: BTreeMap::new(),
            names: None,
            is_left: false,
            holds: BTreeMap::new(),
        })))
    }

    /// The same, whose files have names under which the next process finds its chunks.
    #[must_use]
    pub fn kept(self, names: KeptNames, slots: Slots) -> Self {
        self.inner().names = Some((names, slots));
        self
    }

    /// This process ends before the run: what is in files stays for the next one.
    pub fn leave(&self) {
        self.inner().is_left = true;
    }

    /// Buffers for chunks.
    pub fn buffers(&self) -> Buffers {
        self.inner().buffers.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a round, whose chunks are kept from now on while anybody does.
    #[must_use = "the chunks go when it is dropped"]
    pub fn hold(&self, round: u32) -> RoundHold {
        *self.inner().holds.entry(round).or_default() += 1;
        RoundHold {
            store: self.clone(),
            round,
        }
    }

    /// Keeps a chunk of a round that somebody holds.
    ///
    /// # Errors
    /// When the budget is used up and the file cannot be written.
    pub fn put(&self, chunk: ChunkId, data: Bytes) -> Result<(), StoreError> {
        self.inner().put(chunk, data)
    }

    /// A chunk's bytes.
    ///
    /// # Errors
    /// When it is not there, the file cannot be read, or what is in it is not what was written.
    pub fn get(&self, chunk: ChunkId) -> Result<Bytes, StoreError> {
        let (file, offset, checksum, mut data, folder) = {
            let inner = self.inner();
            match inner.places.get(&chunk) {
                None => return Err(StoreError::Missing { chunk }),
                Some(Place::Memory(data)) => return Ok(data.clone()),
                Some(&Place::File {
                    offset,
                    length,
                    checksum,
                }) => {
                    let file = inner.files.get(&chunk.round).ok_or(StoreError::Missing { chunk })?;
                    (
                        Arc::clone(&file.file),
                        offset,
                        checksum,
                        inner.buffers.take(length),
                        inner.folder.clone(),
                    )
                }
            }
        };
        file.read_exact_at(data.bytes_mut(), offset)
            .map_err(|source| StoreError::Read {
                round: chunk.round,
                folder: folder.clone(),
                source,
            })?;
        let data = data.freeze();
        match crc32fast::hash(&data) == checksum {
            true => Ok(data),
            false => Err(StoreError::Damaged { chunk, folder }),
        }
    }

    /// Bytes in RAM and bytes in files.
    pub fn sizes(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.used, inner.files.values().map(|file| file.bytes).sum())
    }
}

impl RoundFile {
    fn new(folder: &Path, name: Option<PathBuf>) -> io::Result<Self> {
        let file = match &name {
            Some(name) => kept::create(name)?,
            None => tempfile::tempfile_in(folder)?,
        };
        Ok(Self {
            file: Arc::new(file),
            name,
            bytes: 0,
        })
    }
}

impl RoundHold {
    /// The round.
    pub const fn round(&self) -> u32 {
        self.round
    }
}

impl Drop for RoundHold {
    fn drop(&mut self) {
        let mut inner = self.store.inner();
        if let Entry::Occupied(mut holds) = inner.holds.entry(self.round) {
            *holds.get_mut() -= 1;
            if *holds.get() == 0 {
                holds.remove();
                inner.release(self.round);
            }
        }
    }
}

impl Inner {
    fn put(&mut self, chunk: ChunkId, data: Bytes) -> Result<(), StoreError> {
        self.used += data.len() as u64;
        self.oldest_first[usize::from(chunk.origin == self.own)].push_back(chunk);
        if let Some(Place::Memory(old)) = self.places.insert(chunk, Place::Memory(data)) {
            self.used -= old.len() as u64;
        }
        while self.used > self.budget {
            let mut oldest = self.oldest_first.iter_mut();
            let Some(oldest) = oldest.find_map(VecDeque::pop_front) else {
                break;
            };
            self.spill(oldest)?;
        }
        Ok(())
    }

    fn spill(&mut self, chunk: ChunkId) -> Result<(), StoreError> {
        let Some(Place::Memory(data)) = self.places.get(&chunk).cloned() else {
            return Ok(());
        };
        let failed = |source| StoreError::Write {
            folder: self.folder.clone(),
            source,
        };
        let file = match self.files.entry(chunk.round) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let name = self.names.as_ref().map(|(names, _)| names.round(chunk.round));
                new.insert(RoundFile::new(&self.folder, name).map_err(failed)?)
            }
        };
        let offset = self.names.as_ref().map_or(file.bytes, |(_, slots)| slots.offset(chunk));
        file.file.write_all_at(&data, offset).map_err(failed)?;
        let place = Place::File {
            offset,
            length: data.len(),
            checksum: crc32fast::hash(&data),
        };
        file.bytes += data.len() as u64;
        self.used -= data.len() as u64;
        self.places.insert(chunk, place);
        Ok(())
    }

    fn release(&mut self, round: u32) {
        let file = self.files.remove(&round);
        if let Some(name) = file.and_then(|file| file.name).filter(|_| !self.is_left) {
            // Whoever started the peer removes what is there after its end.
            fs::remove_file(name).ok();
        }
        for chunks in &mut self.oldest_first {
            chunks.retain(|chunk| chunk.round != round);
        }
        let mut freed = 0;
        self.places.retain(|chunk, place| {
            let stays = chunk.round != round;
            if let (false, Place::Memory(data)) = (stays, place) {
                freed += data.len() as u64;
            }
            stays
        });
        self.used -= freed;
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_coordinator::identity::RunId;
    use fltorrent_swarm::{ChunkLayout, Recall};

    use super::*;
    use crate::kept::Kept;

    fn chunk(round: u32, index: u32) -> ChunkId {
        ChunkId {
            round,
            origin: 0,
            index,
        }
    }

    fn data(index: u32) -> Bytes {
        vec![index as u8; 100].into()
    }

    /// Of peer 1.
    fn store(folder: &Path, budget: u64) -> ChunkStore {
        ChunkStore::new(folder.to_owned(), budget, &Buffers::new(100), 1)
    }

    #[test]
    fn own_chunks_stay_in_memory_while_there_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 250);
        let own = |index| ChunkId {
            origin: 1,
            ..chunk(0, index)
        };
        let hold = store.hold(0);
        let in_memory = |chunk| matches!(store.inner().places[&chunk], Place::Memory(_));
        store.put(own(0), data(0)).unwrap();
        for index in 0..3 {
            store.put(chunk(0, index), data(index)).unwrap();
        }
        assert!(in_memory(own(0)) && in_memory(chunk(0, 2)));
        assert_eq!(store.sizes(), (200, 200));
        for index in 1..3 {
            store.put(own(index), data(index)).unwrap();
        }
        assert!(!in_memory(own(0)) && in_memory(own(1)) && in_memory(own(2)));
        assert_eq!(store.get(own(0)).unwrap(), data(0));
        drop(hold);
        assert_eq!(store.sizes(), (0, 0));
    }

    #[test]
    fn chunks_beyond_the_budget_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 250);
        for index in 0..10 {
            store.put(chunk(0, index), data(index)).unwrap();
        }
        assert_eq!(store.sizes(), (200, 800));
        for index in 0..10 {
            assert_eq!(store.get(chunk(0, index)).unwrap(), data(index));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn a_flipped_bit_in_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 0);
        store.put(chunk(2, 7), data(7)).unwrap();
        let file = Arc::clone(&store.inner().files[&2].file);
        file.write_all_at(&[7 ^ 1], 50).unwrap();
        let error = store.get(chunk(2, 7)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("chunk 7 of origin 0 in round 2 is not what was written to "),
            "{error}"
        );
        file.write_all_at(&[7], 50).unwrap();
        assert_eq!(store.get(chunk(2, 7)).unwrap(), data(7));
    }

    #[test]
    fn a_round_goes_with_its_last_hold_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 250);
        let (first, second) = ([store.hold(0), store.hold(0)], store.hold(1));
        for round in 0..2 {
            for index in 0..4 {
                store.put(chunk(round, index), data(index)).unwrap();
            }
        }
        let [first, last] = first;
        drop(first);
        assert_eq!(store.get(chunk(0, 3)).unwrap(), data(3));
        drop(last);
        assert!(matches!(store.get(chunk(0, 3)), Err(StoreError::Missing { .. })));
        for index in 0..4 {
            assert_eq!(store.get(chunk(1, index)).unwrap(), data(index));
        }
        drop(second);
        assert_eq!(store.sizes(), (0, 0));
    }

    #[test]
    fn the_next_process_finds_the_chunks_that_were_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let layout = ChunkLayout::new(100, 4).unwrap();
        let names = |incarnation| KeptNames {
            folder: folder.path().to_owned(),
            peer: 1,
            run: RunId::from_bytes([7; 16]),
            attempt: 0,
            incarnation,
        };
        let value = |index: u32| Bytes::from((index as f32).to_le_bytes().repeat(25));
        let fill = |store: &ChunkStore| {
            let holds = [store.hold(0), store.hold(1)];
            for round in 0..2 {
                for index in 0..4 {
                    store.put(chunk(round, index), value(index)).unwrap();
                }
            }
            assert_eq!(store.sizes(), (200, 600));
            assert_eq!(store.get(chunk(0, 1)).unwrap(), value(1));
            holds
        };
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let store = |incarnation| store(folder.path(), 200).kept(names(incarnation), Slots::of(&layout));
        // A round that is over leaves nothing.
        let first = store(0);
        let [over, lasts] = fill(&first);
        drop(over);
        assert_eq!(count(), 1);
        // The process dies.
        first.leave();
        drop((lasts, first));
        let next = Kept::take(&names(1));
        assert_eq!((next.content().rounds, count()), ([1].into(), 0));
        let recall = Recall {
            id: 1,
            round: 1,
            origin: 0,
            hashes: (0..4).map(|index| *blake3::hash(&value(index)).as_bytes()).collect(),
        };
        let found = next.search(recall, layout, 3, Buffers::new(100));
        let found: Vec<(u32, Bytes)> = found.found().collect();
        assert_eq!(found, [(0, value(0)), (1, value(1))], "those in memory went with it");
        // One that comes to its end leaves nothing.
        let last = store(1);
        drop(fill(&last));
        assert_eq!(count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let store = store("/proc/nowhere".as_ref(), 50);
        let error = store.put(chunk(0, 0), data(0)).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }
}
