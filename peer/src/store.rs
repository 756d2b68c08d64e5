//! The chunk store: an append-only file a round, with a RAM budget before it.
//!
//! A chunk stays in RAM while the budget lasts; the oldest ones go to the file. The files have no name, so that nothing
//! is left behind however the process ends.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use fltorrent_swarm::ChunkId;
use thiserror::Error;

/// Why a chunk cannot be kept or given back.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file of a round cannot be made or written.
    #[error(
        "chunks cannot be written to {folder}: make room there, or raise exchange.memoryBudget"
    )]
    Write {
        /// Where the file is.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A chunk that was written cannot be read.
    #[error("a chunk of round {round} cannot be read back from {folder}")]
    Read {
        /// Its round.
        round: u32,
        /// Where the file is.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A chunk that nobody stored, or whose round was released.
    #[error("chunk {} of origin {} in round {} is not in the store", chunk.index, chunk.origin, chunk.round)]
    Missing {
        /// Which.
        chunk: ChunkId,
    },
}

/// The chunks of the rounds that matter, shared by the driver and the trainer.
#[derive(Clone, Debug)]
pub struct ChunkStore(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    budget: u64,
    used: u64,
    places: HashMap<ChunkId, Place>,
    oldest_first: VecDeque<ChunkId>,
    files: BTreeMap<u32, RoundFile>,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    File { offset: u64, length: usize },
}

#[derive(Debug)]
struct RoundFile {
    file: Arc<File>,
    end: u64,
}

impl ChunkStore {
    /// An empty store that keeps up to `budget` bytes in RAM and the rest in files in `folder`.
    pub fn new(folder: PathBuf, budget: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            folder,
            budget,
            used: 0,
            places: HashMap::new(),
            oldest_first: VecDeque::new(),
            files: BTreeMap::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a chunk.
    ///
    /// # Errors
    /// When the budget is used up and the file cannot be written.
    pub fn put(&self, chunk: ChunkId, data: Bytes) -> Result<(), StoreError> {
        self.inner().put(chunk, data)
    }

    /// A chunk's bytes.
    ///
    /// # Errors
    /// When it is not there, or the file cannot be read.
    pub fn get(&self, chunk: ChunkId) -> Result<Bytes, StoreError> {
        let (file, offset, length, folder) = {
            let inner = self.inner();
            match inner.places.get(&chunk) {
                None => return Err(StoreError::Missing { chunk }),
                Some(Place::Memory(data)) => return Ok(data.clone()),
                Some(&Place::File { offset, length }) => {
                    let file = inner
                        .files
                        .get(&chunk.round)
                        .ok_or(StoreError::Missing { chunk })?;
                    (Arc::clone(&file.file), offset, length, inner.folder.clone())
                }
            }
        };
        let mut data = vec![0; length];
        file.read_exact_at(&mut data, offset)
            .map_err(|source| StoreError::Read {
                round: chunk.round,
                folder,
                source,
            })?;
        Ok(data.into())
    }

    /// Drops everything of a round.
    pub fn release(&self, round: u32) {
        self.inner().release(round);
    }

    /// Bytes in RAM and bytes in files.
    pub fn sizes(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.used, inner.files.values().map(|file| file.end).sum())
    }
}

impl Inner {
    fn put(&mut self, chunk: ChunkId, data: Bytes) -> Result<(), StoreError> {
        self.used += data.len() as u64;
        self.oldest_first.push_back(chunk);
        if let Some(Place::Memory(old)) = self.places.insert(chunk, Place::Memory(data)) {
            self.used -= old.len() as u64;
        }
        while self.used > self.budget {
            let Some(oldest) = self.oldest_first.pop_front() else {
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
        if !self.files.contains_key(&chunk.round) {
            let file = tempfile::tempfile_in(&self.folder).map_err(failed)?;
            self.files.insert(
                chunk.round,
                RoundFile {
                    file: Arc::new(file),
                    end: 0,
                },
            );
        }
        let Some(file) = self.files.get_mut(&chunk.round) else {
            return Ok(());
        };
        file.file.write_all_at(&data, file.end).map_err(failed)?;
        let place = Place::File {
            offset: file.end,
            length: data.len(),
        };
        file.end += data.len() as u64;
        self.used -= data.len() as u64;
        self.places.insert(chunk, place);
        Ok(())
    }

    fn release(&mut self, round: u32) {
        self.files.remove(&round);
        self.oldest_first.retain(|chunk| chunk.round != round);
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
    use super::*;

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

    #[test]
    fn chunks_beyond_the_budget_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = ChunkStore::new(folder.path().to_owned(), 250);
        for index in 0..10 {
            store.put(chunk(0, index), data(index)).unwrap();
        }
        assert_eq!(store.sizes(), (200, 800));
        for index in 0..10 {
            assert_eq!(store.get(chunk(0, index)).unwrap(), data(index));
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "the file has no name"
        );
    }

    #[test]
    fn a_released_round_is_gone_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = ChunkStore::new(folder.path().to_owned(), 250);
        for round in 0..2 {
            for index in 0..4 {
                store.put(chunk(round, index), data(index)).unwrap();
            }
        }
        store.release(0);
        assert!(matches!(
            store.get(chunk(0, 3)),
            Err(StoreError::Missing { .. })
        ));
        for index in 0..4 {
            assert_eq!(store.get(chunk(1, index)).unwrap(), data(index));
        }
        store.release(1);
        assert_eq!(store.sizes(), (0, 0));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let store = ChunkStore::new("/proc/nowhere".into(), 50);
        let error = store.put(chunk(0, 0), data(0)).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }
}
