//! The model that the training thread made last, for neighbours that catch up.
//!
//! The chunks from which it was made may be released by then: who dies and comes back while too few take part finds nobody who
//! could close another round. A large model waits in a file, since memory is what many peers on one machine lack. It has no name, unless the
//! next process may want it ([`LastModel::kept`]).

use std::{
    fs::{self, File},
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    kept::{self, KeptNames},
    train::little_endian,
};

/// Larger models are in a file, bytes.
const LARGE: u64 = 4 << 20;
const ELEMENT: u64 = 4;

/// The values of a model, little-endian f32 in declared order.
#[derive(Clone, Debug)]
pub enum Model {
    /// In memory.
    Memory(Arc<Vec<u8>>),
    /// In a file.
    File(Arc<File>),
}

impl Model {
    /// The bytes of some of the values.
    ///
    /// # Errors
    /// When the file cannot be read, or has less.
    pub fn bytes(&self, values: Range<u64>) -> io::Result<Vec<u8>> {
        let (begin, end) = (values.start * ELEMENT, values.end * ELEMENT);
        match self {
            Self::Memory(all) => {
                let part = all.get(begin as usize..end as usize);
                part.map(<[u8]>::to_vec)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::File(file) => {
                let mut part = vec![0; (end - begin) as usize];
                file.read_exact_at(&mut part, begin)?;
                Ok(part)
            }
        }
    }
}

/// A model that is being kept, tensor by tensor.
#[derive(Debug)]
pub struct Keeping {
    values: Vec<u8>,
    file: Option<File>,
}

impl Keeping {
    /// The next values.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, values: &[f32]) -> io::Result<()> {
        let bytes = little_endian(values);
        match &mut self.file {
            Some(file) => file.write_all(&bytes),
            None => self.values.write_all(&bytes),
        }
    }
}

/// A place for one model, shared by the training thread and the driver.
#[derive(Clone, Debug)]
pub struct LastModel {
    folder: PathBuf,
    /// The file's name, where it has one.
    name: Option<PathBuf>,
    slot: Arc<Mutex<Option<(u32, Model)>>>,
}

impl LastModel {
    /// An empty place; large models go into a file in this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            name: None,
            slot: Arc::default(),
        }
    }

    /// The same, whose file has a name under which the next process finds it.
    #[must_use]
    pub fn kept(self, names: &KeptNames) -> Self {
        Self {
            name: Some(names.model()),
            ..self
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<(u32, Model)>> {
        // Every change is complete before anything can panic.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a model of so many parameters, which takes the place of the one before.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(&self, parameters: u64) -> io::Result<Keeping> {
        self.clear();
        let is_large = parameters * ELEMENT > LARGE;
        let file = is_large.then(|| self.file()).transpose()?;
        let room = if is_large { 0 } else { parameters * ELEMENT };
        let values = Vec::with_capacity(room as usize);
        Ok(Keeping { values, file })
    }

    fn file(&self) -> io::Result<File> {
        match &self.name {
            Some(name) => kept::create(name),
            None => tempfile::tempfile_in(&self.folder),
        }
    }

    /// The model of a round is there.
    pub fn keep(&self, round: u32, keeping: Keeping) {
        let model = match keeping.file {
            Some(file) => Model::File(Arc::new(file)),
            None => Model::Memory(Arc::new(keeping.values)),
        };
        *self.slot() = Some((round, model));
    }

    /// A round changes nothing: its model is the one before.
    pub fn stays(&self, round: u32) {
        if let Some((of, _)) = self.slot().as_mut() {
            *of = round;
        }
    }

    /// Forgets it.
    pub fn clear(&self) {
        *self.slot() = None;
        if let Some(name) = &self.name {
            // There may be none, and one that stays keeps the next one from being made, which is told.
            fs::remove_file(name).ok();
        }
    }

    /// The model of a round, if it is the last one.
    #[must_use]
    pub fn of(&self, round: u32) -> Option<Model> {
        let slot = self.slot();
        let (_, model) = slot.as_ref().filter(|(of, _)| *of == round)?;
        Some(model.clone())
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_coordinator::identity::RunId;

    use super::*;
    use crate::kept::Kept;

    #[test]
    fn only_the_last_model_is_there_in_memory_or_in_a_file_without_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let last = LastModel::new(folder.path().to_owned());
        assert!(last.of(0).is_none());
        for parameters in [4, LARGE] {
            let mut keeping = last.begin(parameters).unwrap();
            keeping.add(&[1.0, 2.0]).unwrap();
            keeping.add(&[3.0, 4.0]).unwrap();
            last.keep(3, keeping);
            let model = last.of(3).unwrap();
            assert_eq!(matches!(model, Model::File(_)), parameters == LARGE);
            assert_eq!(
                model.bytes(1..3).unwrap(),
                [2.0_f32.to_le_bytes(), 3.0_f32.to_le_bytes()].concat()
            );
            assert!(model.bytes(3..5).is_err());
            assert!(last.of(2).is_none());
            last.stays(4);
            assert!(last.of(4).is_some());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        last.clear();
        assert!(last.of(4).is_none());
    }

    #[test]
    fn the_next_process_finds_a_large_model_and_no_small_one() {
        let folder = tempfile::tempdir().unwrap();
        let names = KeptNames {
            folder: folder.path().to_owned(),
            peer: 3,
            run: RunId::from_bytes([7; 16]),
            attempt: 0,
            incarnation: 0,
        };
        let last = LastModel::new(folder.path().to_owned()).kept(&names);
        for round in 0..2 {
            let mut keeping = last.begin(LARGE).unwrap();
            keeping.add(&[round as f32, 2.0]).unwrap();
            last.keep(round, keeping);
        }
        assert_eq!(last.of(1).unwrap().bytes(0..1).unwrap(), 1.0_f32.to_le_bytes());
        let next = KeptNames {
            incarnation: 1,
            ..names.clone()
        };
        assert!(Kept::take(&next).content().has_model);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(last.begin(LARGE).unwrap());
        last.keep(2, last.begin(4).unwrap());
        assert!(last.of(2).is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
