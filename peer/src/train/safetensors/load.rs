//! A model read from a safetensors file, checked against the plan before a value is taken.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use fltorrent_crds::plan::{InitFromPlan, ModelPlan};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use thiserror::Error;

use crate::data::sha256;

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
        let found = sha256::of_bytes(&bytes);
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

#[cfg(test)]
mod tests {
    use fltorrent_crds::Plan;

    use super::*;
    use crate::train::safetensors::save;

    const QUICKSTART: &str = include_str!("../../../../examples/quickstart.yaml");

    fn model() -> ModelPlan {
        Plan::load(QUICKSTART, &[]).unwrap().model
    }

    fn from(path: &Path) -> InitFromPlan {
        InitFromPlan {
            path: path.display().to_string(),
            sha256: None,
        }
    }

    /// A file of the format with a header of the test's making.
    fn file(header: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length, header.as_bytes(), data].concat();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn error(file: &Path) -> String {
        crate::chain(&load(&from(file), &model()).unwrap_err())
    }

    #[test]
    fn what_was_saved_is_loaded_bit_for_bit() {
        let (folder, model) = (tempfile::tempdir().unwrap(), model());
        let path = folder.path().join("model.safetensors");
        let values: Vec<f32> = (0..model.parameters).map(|at| at as f32 * 0.37).collect();
        save(&path, &model, &values, &[].into()).unwrap();
        assert_eq!(load(&from(&path), &model).unwrap(), values);
        let sha256 = sha256::of_bytes(&std::fs::read(&path).unwrap());
        let mut from = from(&path);
        from.sha256 = Some(sha256.clone());
        assert_eq!(load(&from, &model).unwrap(), values);
        from.sha256 = Some("b".repeat(64));
        let error = load(&from, &model).unwrap_err().to_string();
        assert!(error.contains(&sha256) && error.contains("bbbb"), "{error}");
    }

    #[test]
    fn values_that_cannot_be_trained_are_refused_with_their_tensor() {
        let (folder, model) = (tempfile::tempdir().unwrap(), model());
        let path = folder.path().join("model.safetensors");
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut values = vec![0.5; model.parameters as usize];
            if let Some(last) = values.last_mut() {
                *last = wrong;
            }
            save(&path, &model, &values, &[].into()).unwrap();
            let error = error(&path);
            assert!(error.contains("NaN or infinity in fc2.bias"), "{error}");
        }
    }

    #[test]
    fn files_of_another_form_or_model_are_refused() {
        let other = file(
            r#"{"weights":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            &[0; 4],
        );
        let text = error(other.path());
        assert!(
            text.contains("has weights; expected only fc1.weight, fc1.bias"),
            "{text}"
        );
        let half = file(
            r#"{"fc1.weight":{"dtype":"F16","shape":[64,64],"data_offsets":[0,8192]}}"#,
            &[0; 8192],
        );
        let text = error(half.path());
        assert!(
            text.contains("has fc1.weight F16 [64, 64]; expected fc1.weight F32 [64, 64]"),
            "{text}"
        );
        let part = file("{}", &[]);
        let text = error(part.path());
        assert!(
            text.contains("has no fc1.weight; expected fc1.weight F32 [64, 64]"),
            "{text}"
        );
        for damaged in [
            file(
                r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}"#,
                &[0; 4],
            ),
            file("not JSON", &[]),
            tempfile::NamedTempFile::new().unwrap(),
        ] {
            let text = error(damaged.path());
            assert!(text.contains("is no safetensors file"), "{text}");
        }
        assert!(matches!(
            load(&from(Path::new("/dev/zero")), &model()),
            Err(LoadError::TooLarge { .. })
        ));
        assert!(error(Path::new("/")).contains("cannot be read"));
    }
}
