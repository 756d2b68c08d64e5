//! Safetensors files (<https://github.com/huggingface/safetensors>) with the inputs and the labels of one split.
//!
//! The header is read and compared with the plan and with the file's length before memory is taken for content.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{DataError, Inputs, file::Found, idx::MAX_SAMPLES};

/// Most bytes of a header.
const MAX_HEADER: u64 = 1 << 20;
/// Bytes before the header: its length, little-endian.
const PREFIX: u64 = 8;
const INPUT_NAMES: [&str; 2] = ["images", "inputs"];

/// An open file whose header has been read.
pub(super) struct Tensors {
    name: String,
    file: BufReader<File>,
    metadata: Metadata,
    /// Where content begins.
    start: u64,
}

impl Tensors {
    pub(super) fn open(found: Found) -> Result<Self, DataError> {
        let name = found.name;
        let file = match File::open(&found.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(DataError::Absent { file: name });
            }
            Err(source) => return Err(DataError::Read { file: name, source }),
        };
        let read = |source| DataError::Read {
            file: name.clone(),
            source,
        };
        let length = file.metadata().map_err(read)?.len();
        let mut file = BufReader::new(file);
        let announced = |announced| DataError::Announced {
            file: name.clone(),
            announced,
            possible: length,
        };
        if length < PREFIX {
            return Err(announced(PREFIX));
        }
        let mut prefix = [0; PREFIX as usize];
        file.read_exact(&mut prefix).map_err(read)?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER {
            return Err(DataError::Header {
                file: name,
                field: "the length of the header",
                found: format!("{header} bytes"),
                expected: format!("at most {MAX_HEADER}, as safetensors files have"),
            });
        }
        let start = PREFIX + header;
        if start > length {
            return Err(announced(start));
        }
        let mut text = vec![0; header as usize];
        file.read_exact(&mut text).map_err(read)?;
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|source| DataError::TensorHeader {
                file: name.clone(),
                source,
            })?;
        let end = start.saturating_add(metadata.data_len() as u64);
        if end > length {
            return Err(announced(end));
        }
        if end < length {
            return Err(DataError::Trailing {
                file: name,
                expected: end,
            });
        }
        Ok(Self {
            name,
            file,
            metadata,
            start,
        })
    }

    /// The labels; each is below `classes`.
    pub(super) fn labels(mut self, classes: u32) -> Result<Vec<u8>, DataError> {
        let info = self.info(&["labels"])?;
        let &[count] = info.shape.as_slice() else {
            return Err(self.mismatch("the shape of labels", format!("{:?}", info.shape), "[N]"));
        };
        if count > MAX_SAMPLES as usize {
            let most = format!("at most {MAX_SAMPLES}");
            return Err(self.mismatch("the number of labels", count.to_string(), &most));
        }
        let bytes = self.bytes(
            info.data_offsets.0,
            info.data_offsets.1 - info.data_offsets.0,
        )?;
        let values: Vec<i64> = match info.dtype {
            Dtype::U8 => bytes.iter().map(|&byte| byte.into()).collect(),
            Dtype::I32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i32::from_le_bytes(bytes).into())
                .collect(),
            Dtype::I64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i64::from_le_bytes(bytes))
                .collect(),
            other => {
                return Err(self.mismatch(
                    "the type of labels",
                    format!("{other:?}"),
                    "U8, I32 or I64",
                ));
            }
        };
        let label = |(index, found): (usize, i64)| {
            u8::try_from(found)
                .ok()
                .filter(|&label| u32::from(label) < classes)
                .ok_or_else(|| DataError::Label {
                    file: self.name.clone(),
                    section: "safetensors",
                    index,
                    found,
                    classes,
                })
        };
        values.into_iter().enumerate().map(label).collect()
    }

    /// Inputs of the samples at `wanted`, in that order; every entry is below `count`. With no entry, all are checked.
    pub(super) fn inputs(
        mut self,
        shape: &[u32],
        count: usize,
        wanted: &[u32],
    ) -> Result<Inputs, DataError> {
        let info = self.info(&INPUT_NAMES)?;
        let expected: Vec<usize> = std::iter::once(count)
            .chain(shape.iter().map(|&extent| extent as usize))
            .collect();
        if info.shape != expected {
            let expected =
                format!("{expected:?}: the number of labels, then data.safetensors.inputShape");
            return Err(self.mismatch(
                "the shape of the inputs",
                format!("{:?}", info.shape),
                &expected,
            ));
        }
        let len: usize = expected[1..].iter().product();
        let start = info.data_offsets.0;
        match info.dtype {
            Dtype::U8 => {
                let mut levels = Vec::with_capacity(wanted.len() * len);
                for &index in wanted {
                    levels.extend(self.bytes(start + index as usize * len, len)?);
                }
                Ok(Inputs::Grey {
                    levels,
                    white: u8::MAX,
                })
            }
            Dtype::F32 => {
                let mut numbers = Vec::with_capacity(wanted.len() * len);
                for &index in wanted {
                    self.numbers(start, index as usize, len, &mut numbers)?;
                }
                if wanted.is_empty() {
                    let mut row = Vec::new();
                    for index in 0..count {
                        row.clear();
                        self.numbers(start, index, len, &mut row)?;
                    }
                }
                Ok(Inputs::Numbers(numbers))
            }
            other => {
                Err(self.mismatch("the type of the inputs", format!("{other:?}"), "U8 or F32"))
            }
        }
    }

    /// Appends one input.
    fn numbers(
        &mut self,
        start: usize,
        index: usize,
        len: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let bytes = self.bytes(start + index * len * 4, len * 4)?;
        for &bytes in bytes.as_chunks().0 {
            let value = f32::from_le_bytes(bytes);
            if !value.is_finite() {
                return Err(DataError::Value {
                    file: self.name.clone(),
                    index,
                    found: value,
                });
            }
            out.push(value);
        }
        Ok(())
    }

    /// The tensor of one of these names.
    fn info(&self, names: &[&str]) -> Result<TensorInfo, DataError> {
        let found = names.iter().find_map(|name| self.metadata.info(name));
        found.cloned().ok_or_else(|| {
            let there = self.metadata.offset_keys();
            let there: Vec<&str> = there
                .iter()
                .take(8)
                .map(|name| name.get(..32).unwrap_or(name))
                .collect();
            self.mismatch(
                "the list of tensors",
                format!("[{}]", there.join(", ")),
                &format!("one with {}", names.join(" or ")),
            )
        })
    }

    /// Content bytes, whose range the header has been checked for.
    fn bytes(&mut self, offset: usize, len: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; len];
        self.file
            .seek(SeekFrom::Start(self.start + offset as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| DataError::Read {
                file: self.name.clone(),
                source,
            })?;
        Ok(bytes)
    }

    fn mismatch(&self, field: &'static str, found: String, expected: &str) -> DataError {
        DataError::Header {
            file: self.name.clone(),
            field,
            found,
            expected: expected.to_owned(),
        }
    }
}
