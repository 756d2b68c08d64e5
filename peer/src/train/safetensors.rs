//! The model as a safetensors file (<https://github.com/huggingface/safetensors>) that PyTorch loads strictly.
//!
//! For an MLP of three layers the module is
//! `torch.nn.Sequential(OrderedDict(fc1=Linear(…), relu1=ReLU(), fc2=Linear(…), relu2=ReLU(), fc3=Linear(…)))` on flattened
//! images.

mod load;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use fltorrent_crds::plan::{ModelPlan, TensorPlan};
use fltorrent_records::draft;
use safetensors::{Dtype, SafeTensorError, View};
use thiserror::Error;

pub use load::{LoadError, load};

use super::{TrainError, hash::little_endian};

/// A model file that could not be written.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum SaveError {
    #[error(transparent)]
    Parameters(#[from] TrainError),
    #[error("{}: cannot be written: check the folder, its permissions and the space left", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: cannot be written as safetensors: check the folder and the space left", path.display())]
    Format { path: PathBuf, source: SafeTensorError },
}

/// One tensor's part of the flat parameters.
struct Part<'a> {
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Part<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a model as a run leaves it.
///
/// # Errors
/// [`SaveError`].
pub fn save_model(path: &Path, model: &ModelPlan, parameters: &[f32]) -> Result<(), SaveError> {
    // One entry only: the library writes several in any order, and equal models shall be equal files.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    save(path, model, parameters, &metadata)
}

/// Writes the parameters (f32, declared order) under the plan's names and shapes, with `metadata` in the header. The file
/// appears whole or not at all; one that is there already is replaced.
///
/// # Errors
/// [`SaveError`].
pub fn save(
    path: &Path,
    model: &ModelPlan,
    parameters: &[f32],
    metadata: &BTreeMap<String, String>,
) -> Result<(), SaveError> {
    let parts = split(model, parameters)?;
    let metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
    let write_error = |source| SaveError::Write {
        path: path.to_owned(),
        source,
    };
    let temporary = draft::beside(path).map_err(write_error)?.into_temp_path();
    let named = parts.iter().map(|(name, part)| (*name, part));
    safetensors::serialize_to_file(named, Some(metadata), &temporary).map_err(|source| SaveError::Format {
        path: path.to_owned(),
        source,
    })?;
    File::open(&temporary)
        .and_then(|file| file.sync_all())
        .map_err(write_error)?;
    temporary.persist(path).map_err(|error| write_error(error.error))
}

fn split<'a>(model: &'a ModelPlan, parameters: &'a [f32]) -> Result<Vec<(&'a str, Part<'a>)>, TrainError> {
    let len = |tensor: &TensorPlan| tensor.shape.iter().product::<u64>() as usize;
    let expected = model.tensors.iter().map(len).sum();
    if parameters.len() != expected {
        return Err(TrainError::Length {
            found: parameters.len(),
            expected,
        });
    }
    let mut rest = parameters;
    let parts = model.tensors.iter().map(|tensor| {
        let (head, tail) = rest.split_at(len(tensor));
        rest = tail;
        let shape = tensor.shape.iter().map(|&extent| extent as usize).collect();
        (
            tensor.name.as_str(),
            Part {
                shape,
                bytes: little_endian(head),
            },
        )
    });
    Ok(parts.collect())
}
