//! A model read from a safetensors file, checked against the plan before a value is taken.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use fltorrent_crds::{
    plan::{InitFromPlan, ModelPlan, TensorPlan},
    visible_line,
};
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::Metadata};
use thiserror::Error;

use crate::data::{
    kind::{self, HEAD},
    sha256,
};

/// Bytes before the header: its length.
const PREFIX: usize = 8;
/// Longest header that is read, bytes: names, shapes and metadata of a model.
const LONGEST_HEADER: u64 = 1 << 20;

/// A model file that cannot be started from.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum LoadError {
    #[error("model.initFrom.path: {} cannot be read: correct the path, or put the file there", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "model.initFrom.path: {} has {found} bytes; a file of this model has at most {limit}: name another file, or correct model", path.display()
    )]
    TooLarge { path: PathBuf, found: u64, limit: u64 },
    #[error(
        "model.initFrom.sha256: {} has {found}; expected {expected}: name the right file, or correct the hash", path.display()
    )]
    Hash {
        path: PathBuf,
        found: String,
        expected: String,
    },
    #[error("model.initFrom.path: {} is {found}; expected a safetensors file: {advice}", path.display())]
    Kind {
        path: PathBuf,
        found: &'static str,
        advice: &'static str,
    },
    #[error("model.initFrom.path: {} is no safetensors file", path.display())]
    Format { path: PathBuf, source: SafeTensorError },
    #[error(
        "model.initFrom.path: {} has {found}; expected {expected}: {advice}", path.display()
    )]
    Tensors {
        path: PathBuf,
        found: String,
        expected: String,
        advice: String,
    },
    #[error(
        "model.initFrom.path: {} has NaN or infinity in {tensor}: name a model that can be trained", path.display()
    )]
    NotFinite { path: PathBuf, tensor: String },
}

/// Reads the parameters in declared order. The file has exactly the plan's tensors, in f32, in any order.
///
/// # Errors
/// [`LoadError`].
pub fn load(from: &InitFromPlan, model: &ModelPlan) -> Result<Vec<f32>, LoadError> {
    let path = PathBuf::from(&from.path);
    let bytes = read(&path, model)?;
    if let Some(expected) = &from.sha256 {
        let found = sha256::of_bytes(&bytes);
        if found != *expected {
            let expected = expected.clone();
            return Err(LoadError::Hash { path, found, expected });
        }
    }
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(source) => {
            let head = &bytes[..bytes.len().min(HEAD)];
            return Err(match kind::of(head) {
                Some(kind) => LoadError::kind(path, kind),
                None => LoadError::Format { path, source },
            });
        }
    };
    let tensors: Vec<Found> = file
        .iter()
        .map(|(name, view)| Found::new(name, view.dtype(), view.shape()))
        .collect();
    if let Some(error) = mismatch(&path, &tensors, model) {
        return Err(error);
    }
    let mut parameters = Vec::with_capacity(model.parameters as usize);
    for tensor in &model.tensors {
        let view = file.tensor(&tensor.name);
        let view = view.map_err(|source| LoadError::Format {
            path: path.clone(),
            source,
        })?;
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

impl LoadError {
    fn kind(path: PathBuf, kind: kind::Kind) -> Self {
        Self::Kind {
            path,
            found: kind.name,
            advice: kind.advice,
        }
    }
}

/// A tensor as a file's header has it.
struct Found {
    name: String,
    dtype: Dtype,
    shape: Vec<u64>,
}

impl Found {
    fn new(name: &str, dtype: Dtype, shape: &[usize]) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            shape: shape.iter().map(|&extent| extent as u64).collect(),
        }
    }
}

/// The mismatch between a file's tensors and this model.
fn mismatch(path: &Path, tensors: &[Found], model: &ModelPlan) -> Option<LoadError> {
    const CORRECT: &str = "correct model, or name a file with this model's tensors";
    let error = |found: String, expected: String, advice: &str| LoadError::Tensors {
        path: path.to_owned(),
        found,
        expected,
        advice: advice.to_owned(),
    };
    let is_known = |name: &str| model.tensors.iter().any(|tensor| tensor.name == name);
    if let Some(other) = tensors.iter().find(|tensor| !is_known(&tensor.name)) {
        let names: Vec<&str> = model.tensors.iter().map(|it| it.name.as_str()).collect();
        let expected = format!("only {}", short(&names.join(", ")));
        return Some(error(
            short(&other.name),
            expected,
            &of_names(tensors, model).unwrap_or_else(|| CORRECT.to_owned()),
        ));
    }
    for tensor in &model.tensors {
        let TensorPlan { name, shape, .. } = tensor;
        let expected = format!("{name} F32 {shape:?}");
        let Some(found) = tensors.iter().find(|found| found.name == *name) else {
            return Some(error(format!("no {name}"), expected, CORRECT));
        };
        if found.dtype != Dtype::F32 || found.shape != *shape {
            let advice = match found.dtype {
                Dtype::F32 => CORRECT,
                _ => "write it in f32, with PyTorch by model.float() before state_dict()",
            };
            let found = format!("{name} {:?} {:?}", found.dtype, found.shape);
            return Some(error(found, expected, advice));
        }
    }
    None
}

/// Advice when all names have a wrapper's prefix.
fn of_names(tensors: &[Found], model: &ModelPlan) -> Option<String> {
    let first = &model.tensors.first()?.name;
    let prefix = tensors
        .iter()
        .find_map(|tensor| tensor.name.strip_suffix(first.as_str()))
        .filter(|prefix| prefix.ends_with('.'))?;
    let has = |wanted: &TensorPlan| {
        let mut names = tensors.iter().filter_map(|tensor| tensor.name.strip_prefix(prefix));
        names.any(|name| name == wanted.name)
    };
    let by = match prefix {
        "module." => " by DataParallel: save model.module.state_dict()",
        "_orig_mod." => " by torch.compile: save model._orig_mod.state_dict()",
        _ => ": take it off before saving, {name.removeprefix(PREFIX): value …}",
    };
    model
        .tensors
        .iter()
        .all(has)
        .then(|| format!("the names have `{}` in front of them{by}", short(prefix)))
}

/// Reads no more bytes than a file of this model has, whatever the path names.
fn read(path: &Path, model: &ModelPlan) -> Result<Vec<u8>, LoadError> {
    let limit = PREFIX as u64 + LONGEST_HEADER + model.bytes;
    let failed = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > limit {
        return Err(too_large(&mut file, path, model, (length, limit)).unwrap_or_else(failed));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 {
        found if found > limit => Err(LoadError::TooLarge {
            path: path.to_owned(),
            found,
            limit,
        }),
        _ => Ok(bytes),
    }
}

/// Why a file is longer than one of this model: its kind, its tensors, or else its length alone.
fn too_large(file: &mut File, path: &Path, model: &ModelPlan, (found, limit): (u64, u64)) -> io::Result<LoadError> {
    let mut head = Vec::new();
    file.take(PREFIX as u64 + LONGEST_HEADER).read_to_end(&mut head)?;
    if let Some(kind) = kind::of(&head[..head.len().min(HEAD)]) {
        return Ok(LoadError::kind(path.to_owned(), kind));
    }
    let header = head
        .split_first_chunk::<PREFIX>()
        .and_then(|(prefix, rest)| rest.get(..usize::try_from(u64::from_le_bytes(*prefix)).ok()?));
    let header: Option<Metadata> = header.and_then(|header| serde_json::from_slice(header).ok());
    let tensors = header.map(|header| {
        let tensors = header.tensors();
        let found = tensors
            .iter()
            .map(|(name, info)| Found::new(name, info.dtype, &info.shape));
        found.collect::<Vec<_>>()
    });
    let mismatch = tensors.and_then(|tensors| mismatch(path, &tensors, model));
    Ok(mismatch.unwrap_or_else(|| LoadError::TooLarge {
        path: path.to_owned(),
        found,
        limit,
    }))
}

/// A text of the file, bounded and without control characters.
fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    let cut = text.char_indices().nth(LONGEST);
    let shown = visible_line(cut.map_or(text, |(end, _)| &text[..end]));
    format!("{shown}{}", if cut.is_some() { "…" } else { "" })
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
        let wrapped = file(
            r#"{"module.fc1.weight":{"dtype":"F32","shape":[64,64],"data_offsets":[0,16384]},"module.fc1.bias":{"dtype":"F32","shape":[64],"data_offsets":[16384,16640]},"module.fc2.weight":{"dtype":"F32","shape":[10,64],"data_offsets":[16640,19200]},"module.fc2.bias":{"dtype":"F32","shape":[10],"data_offsets":[19200,19240]}}"#,
            &[0; 19_240],
        );
        let text = error(wrapped.path());
        assert!(
            text.ends_with("the names have `module.` in front of them by DataParallel: save model.module.state_dict()"),
            "{text}"
        );
        let hostile = file(
            r#"{"\u001b[2J":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            &[0; 4],
        );
        let text = error(hostile.path());
        assert!(text.contains("has \\u001b[2J; expected only"), "{text}");
    }

    #[test]
    fn files_of_other_programs_and_types_and_damaged_ones_are_refused() {
        for (bytes, expected) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"[..],
                "is a pointer of Git LFS",
            ),
            (b"PK\x03\x04\0\0archive/data.pkl", "as PyTorch saves them"),
            (b"\x80\x02}q\0", "is a pickle of Python"),
        ] {
            let other = tempfile::NamedTempFile::new().unwrap();
            for length in [bytes.len(), 4 << 20] {
                let mut content = bytes.to_vec();
                content.resize(length, 0);
                std::fs::write(other.path(), content).unwrap();
                let text = error(other.path());
                assert!(text.contains(expected), "{text}");
            }
        }
        let wide = file(
            r#"{"fc1.weight":{"dtype":"F64","shape":[64,64],"data_offsets":[0,32768]}}"#,
            &vec![0; 2 << 20],
        );
        let text = error(wide.path());
        assert!(
            text.contains("has fc1.weight F64 [64, 64]; expected fc1.weight F32"),
            "{text}"
        );
        assert!(
            text.ends_with("write it in f32, with PyTorch by model.float() before state_dict()"),
            "{text}"
        );
        for damaged in [
            file(r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}"#, &[0; 4]),
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
