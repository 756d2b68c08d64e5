//! Safetensors files (<https://github.com/huggingface/safetensors>) with the inputs and the labels of one split.
//!
//! The header is read and compared with the plan and with the file's length before memory is taken for content.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
};

use fltorrent_crds::{data::SafetensorsPlan, plan::DataPlan, shards::Groups};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{
    DataError, Inputs, Labels, Reader, Span, Split,
    error::CORRECT,
    file::{self, Found},
    idx::MAX_SAMPLES,
    kind::{self, HEAD},
    shown,
};

/// Most bytes of a header.
const MAX_HEADER: u64 = 1 << 20;
/// Bytes before the header: its length, little-endian.
const PREFIX: u64 = 8;
const INPUT_NAMES: [&str; 2] = ["images", "inputs"];

/// The two files of a data set.
pub(super) struct Files<'a> {
    pub(super) files: &'a SafetensorsPlan,
    pub(super) plan: &'a DataPlan,
}

impl Files<'_> {
    fn open(&self, split: Split) -> Result<Tensors, DataError> {
        Tensors::open(file::find(split.of(&self.files.train, &self.files.test))?)
    }
}

impl Reader for Files<'_> {
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let labels = Labels {
            train: self.open(Split::Train)?.labels(self.plan.classes)?,
            test: self.open(Split::Test)?.labels(self.plan.classes)?,
            content: None,
        };
        Ok((labels, None))
    }

    fn load(&self, labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let count = labels.of(split).len();
        Ok((self.open(split)?.inputs(&self.plan.input_shape, count, indices)?, None))
    }

    fn spans(&self, labels: &Labels, split: Split) -> Result<Vec<Span>, DataError> {
        let count = labels.of(split).len();
        let span = self.open(split)?.span(&self.plan.input_shape, count)?;
        let span = span.map(|(least, greatest)| Span {
            name: "the inputs".to_owned(),
            least,
            greatest,
        });
        Ok(Vec::from_iter(span))
    }
}

/// An open file whose header has been read.
struct Tensors {
    name: String,
    file: BufReader<File>,
    metadata: Metadata,
    /// Where content begins.
    start: u64,
}

impl Tensors {
    fn open(found: Found) -> Result<Self, DataError> {
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
        let mut head = Vec::with_capacity(HEAD);
        file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(read)?;
        let kind = kind::of(&head);
        let explained = |error| match kind {
            Some(kind) => DataError::kind(name.clone(), kind, "a safetensors file"),
            None => error,
        };
        let Some((prefix, _)) = head.split_first_chunk() else {
            return Err(explained(DataError::Truncated {
                file: name.clone(),
                found: head.len() as u64,
                expected: PREFIX,
            }));
        };
        let header = u64::from_le_bytes(*prefix);
        if header > MAX_HEADER {
            return Err(explained(DataError::Header {
                file: name.clone(),
                field: "the length of the header",
                found: format!("{header} bytes"),
                expected: format!("at most {MAX_HEADER}, as safetensors files have").into(),
                advice: CORRECT.into(),
            }));
        }
        let start = PREFIX + header;
        if start > length {
            return Err(explained(announced(start)));
        }
        file.seek(SeekFrom::Start(PREFIX)).map_err(read)?;
        let mut text = vec![0; header as usize];
        file.read_exact(&mut text).map_err(read)?;
        let metadata: Metadata = serde_json::from_slice(&text).map_err(|source| {
            explained(DataError::TensorHeader {
                file: name.clone(),
                source,
            })
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
    fn labels(mut self, classes: u32) -> Result<Vec<u8>, DataError> {
        let info = self.info(&["labels"])?;
        let &[count] = info.shape.as_slice() else {
            let advice = match info.shape.as_slice() {
                [_, 1] => "take one axis off with reshape(-1)",
                [_, width] if *width == classes as usize => {
                    "write the numbers of the classes in place of one-hot rows: argmax(1)"
                }
                _ => CORRECT,
            };
            let found = format!("{:?}", info.shape);
            return Err(self.mismatch("the shape of labels", found, "[N]", advice));
        };
        if count > MAX_SAMPLES as usize {
            let most = format!("at most {MAX_SAMPLES}");
            return Err(self.mismatch("the number of labels", count.to_string(), &most, CORRECT));
        }
        let (from, to) = info.data_offsets;
        let bytes = self.bytes(from, to - from)?;
        let Some((size, read)) = whole_number(info.dtype) else {
            let found = format!("{:?}", info.dtype);
            return Err(self.mismatch(
                "the type of labels",
                found,
                "U8, I32, I64 or another one of whole numbers",
                "write them as such: labels.astype(numpy.int64), or labels.long()",
            ));
        };
        let values = bytes.chunks_exact(size).map(read);
        let label = |(index, found): (usize, i128)| {
            u8::try_from(found)
                .ok()
                .filter(|&label| u32::from(label) < classes)
                .ok_or_else(|| DataError::Label {
                    file: self.name.clone(),
                    section: "safetensors",
                    index,
                    found: Box::new(found),
                    classes,
                    has_zero: bytes.chunks_exact(size).any(|value| read(value) == 0),
                })
        };
        values.enumerate().map(label).collect()
    }

    /// The least and the greatest value of the inputs, after a look at all of them; none for grey levels, which are scaled.
    fn span(mut self, shape: &[u32], count: usize) -> Result<Option<(f32, f32)>, DataError> {
        let (info, len) = self.checked(shape, count)?;
        if info.dtype != Dtype::F32 {
            return Ok(None);
        }
        let (mut row, mut span) = (Vec::new(), (f32::INFINITY, f32::NEG_INFINITY));
        for index in 0..count {
            row.clear();
            self.numbers(info.data_offsets.0, index, len, &mut row)?;
            for value in &row {
                span = (span.0.min(*value), span.1.max(*value));
            }
        }
        Ok(Some(span))
    }

    /// Inputs of the samples at `wanted`, in that order; every entry is below `count`.
    fn inputs(mut self, shape: &[u32], count: usize, wanted: &[u32]) -> Result<Inputs, DataError> {
        let (info, len) = self.checked(shape, count)?;
        let start = info.data_offsets.0;
        if info.dtype == Dtype::U8 {
            let mut levels = Vec::with_capacity(wanted.len() * len);
            for &index in wanted {
                levels.extend(self.bytes(start + index as usize * len, len)?);
            }
            return Ok(Inputs::Grey { levels, white: u8::MAX });
        }
        let mut numbers = Vec::with_capacity(wanted.len() * len);
        for &index in wanted {
            self.numbers(start, index as usize, len, &mut numbers)?;
        }
        Ok(Inputs::Numbers(numbers))
    }

    /// The inputs' tensor and the values of one input, when type and shape are right.
    fn checked(&self, shape: &[u32], count: usize) -> Result<(TensorInfo, usize), DataError> {
        let info = self.info(&INPUT_NAMES)?;
        let expected: Vec<usize> = std::iter::once(count)
            .chain(shape.iter().map(|&extent| extent as usize))
            .collect();
        if info.shape != expected {
            let advice = of_shape(&info.shape, &expected);
            let expected = format!("{expected:?}: the number of labels, then data.safetensors.inputShape");
            let found = format!("{:?}", info.shape);
            return Err(self.mismatch("the shape of the inputs", found, &expected, &advice));
        }
        if !matches!(info.dtype, Dtype::U8 | Dtype::F32) {
            let found = format!("{:?}", info.dtype);
            return Err(self.mismatch(
                "the type of the inputs",
                found,
                "U8 or F32",
                "write them as such: inputs.astype(numpy.float32), or inputs.float()",
            ));
        }
        Ok((info, expected[1..].iter().product()))
    }

    /// Appends one input.
    fn numbers(&mut self, start: usize, index: usize, len: usize, out: &mut Vec<f32>) -> Result<(), DataError> {
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
            let mut there: Vec<String> = self
                .metadata
                .offset_keys()
                .iter()
                .take(8)
                .map(|name| shown(name.as_bytes()))
                .collect();
            there.sort_unstable();
            self.mismatch(
                "the list of tensors",
                format!("[{}]", there.join(", ")),
                &format!("one with {}", names.join(" or ")),
                CORRECT,
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

    fn mismatch(&self, field: &'static str, found: String, expected: &str, advice: &str) -> DataError {
        DataError::Header {
            file: self.name.clone(),
            field,
            found,
            expected: expected.into(),
            advice: advice.into(),
        }
    }
}

/// Advice about inputs of another shape.
fn of_shape(found: &[usize], expected: &[usize]) -> String {
    let product = |shape: &[usize]| shape.iter().skip(1).product::<usize>();
    match (found, expected) {
        ([n, height, width, channels], [m, c, h, w]) if (n, channels, height, width) == (m, c, h, w) => {
            "put the channels first: transpose(0, 3, 1, 2), or permute(0, 3, 1, 2)".to_owned()
        }
        ([n, ..], [m, ..]) if n == m && product(found) == product(expected) => {
            format!(
                "write data.safetensors.inputShape: {:?}, or reshape the inputs",
                &found[1..]
            )
        }
        _ => CORRECT.to_owned(),
    }
}

type Whole = fn(&[u8]) -> i128;

/// The bytes of a value of whole numbers and how one is read; none of another type.
fn whole_number(dtype: Dtype) -> Option<(usize, Whole)> {
    fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.first_chunk().copied().unwrap_or([0; N])
    }
    Some(match dtype {
        Dtype::BOOL | Dtype::U8 => (1, |bytes| u8::from_le_bytes(first(bytes)).into()),
        Dtype::I8 => (1, |bytes| i8::from_le_bytes(first(bytes)).into()),
        Dtype::U16 => (2, |bytes| u16::from_le_bytes(first(bytes)).into()),
        Dtype::I16 => (2, |bytes| i16::from_le_bytes(first(bytes)).into()),
        Dtype::U32 => (4, |bytes| u32::from_le_bytes(first(bytes)).into()),
        Dtype::I32 => (4, |bytes| i32::from_le_bytes(first(bytes)).into()),
        Dtype::U64 => (8, |bytes| u64::from_le_bytes(first(bytes)).into()),
        Dtype::I64 => (8, |bytes| i64::from_le_bytes(first(bytes)).into()),
        _ => return None,
    })
}
