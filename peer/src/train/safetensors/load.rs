//! A model read from a safetensors file, checked against the plan before a value is taken.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use fltorrent_crds::plan::{InitFromPlan, ModelPlan};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest header that is read, bytes: names, shapes and metadata of a model.
const LONGEST_HEADER: u64 = 1 << 20;

/// A model file that cannot be started from.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The system refused.
    #[error("model.initFrom.path: {} cannot be read: correct the path, or put the file there", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than the model can be.
    #[error(
        "model.initFrom.path: {} has {found} bytes; a file of this model has at most {limit}: name another file, or correct model", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// The most that are read.
        limit: u64,
    },
    /// The file is another one.
    #[error(
        "model.initFrom.sha256: {} has {found}; expected {expected}: name the right file, or correct the hash", path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// The manifest's.
        expected: String,
    },
    /// The file is no safetensors file.
    #[error("model.initFrom.path: {} is no safetensors file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the format said.
        source: SafeTensorError,
    },
    /// The tensors are not those of the model.
    #[error(
        "model.initFrom.path: {} has {found}; expected {expected}: correct model, or name a file with this model's tensors", path.display()
    )]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What the file has.
        found: String,
        /// What the plan has.
        expected: String,
    },
    /// A value is no finite number.
    #[error(
        "model.initFrom.path: {} has NaN or infinity in {tensor}: name a model that can be trained", path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}

/// Reads the parameters in declared order. The file has exactly the plan's tensors, in f32, in any order.
///
/// # Errors
/// [`LoadError`].
pub fn load(from: &InitFromPlan, model: &ModelPlan) -> Result<Vec<f32>, LoadError> {
    let path = PathBuf::from(&from.path);
    let bytes = read(&path, 8 + LONGEST_HEADER + model.bytes)?;
    if let Some(expected) = &from.sha256 {
        let found: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if found != *expected {
            let expected = expected.clone();
            return Err(LoadError::Hash {
                path,
                found,
                expected,
            });
        }
    }
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(source) => return Err(LoadError::Format { path, source }),
    };
    let other = |found: String, expected: String| LoadError::Tensors {
        path: path.clone(),
        found,
        expected,
    };
    for name in file.names() {
        if model.tensors.iter().all(|tensor| tensor.name != *name) {
            let names: Vec<&str> = model.tensors.iter().map(|it| it.name.as_str()).collect();
            return Err(other(
                short(name),
                format!("only {}", short(&names.join(", "))),
            ));
        }
    }
    let mut parameters = Vec::with_capacity(model.parameters as usize);
    for tensor in &model.tensors {
        let expected = format!("{} F32 {:?}", tensor.name, tensor.shape);
        let Ok(view) = file.tensor(&tensor.name) else {
            return Err(other(format!("no {}", tensor.name), expected));
        };
        let shape: Vec<u64> = view.shape().iter().map(|&extent| extent as u64).collect();
        if view.dtype() != Dtype::F32 || shape != tensor.shape {
            let found = format!("{} {:?} {shape:?}", tensor.name, view.dtype());
            return Err(other(found, expected));
        }
        // The format has checked that the bytes are those of the shape.
        let (elements, _) = view.data().as_chunks::<4>();
        let from = parameters.len();
        parameters.extend(elements.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        if !parameters[from..].iter().all(|value| value.is_finite()) {
            return Err(LoadError::NotFinite {
                path,
                tensor: tensor.name.clone(),
            });
        }
    }
    Ok(parameters)
}

/// Reads no more than `limit` bytes, whatever the path names.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let too_large = |found| LoadError::TooLarge {
        path: path.to_owned(),
        found,
        limit,
    };
    if length > limit {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// A text of the file, bounded.
fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
