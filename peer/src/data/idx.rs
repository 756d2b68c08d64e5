//! The IDX format of MNIST: a magic number (two zero bytes, the element type, the number of dimensions), one big-endian
//! u32 a dimension, and the elements (<http://yann.lecun.com/exdb/mnist/>).

use fltorrent_crds::{data::IdxPlan, plan::DataPlan, shards::Groups};

use super::{DataError, Inputs, Labels, Reader, Split, error::CORRECT, file, kind, source::Source};

const UNSIGNED_BYTE: u8 = 8;
/// Types of elements that the format has beside it.
const OTHER_TYPES: [(u8, &str); 5] = [
    (0x09, "signed bytes"),
    (0x0b, "i16"),
    (0x0c, "i32"),
    (0x0d, "f32"),
    (0x0e, "f64"),
];
/// Bounds the memory that labels may take.
pub(super) const MAX_SAMPLES: u32 = 1 << 24;
/// Bounds the memory that one image may take.
const MAX_IMAGE_LEN: usize = 1 << 24;

/// Pixels of an image of this shape.
pub(super) fn image_len(shape: &[u32]) -> Result<usize, DataError> {
    shape
        .iter()
        .try_fold(1usize, |len, &extent| len.checked_mul(usize::try_from(extent).ok()?))
        .filter(|len| (1..=MAX_IMAGE_LEN).contains(len))
        .ok_or_else(|| DataError::Shape {
            shape: shape.to_vec(),
            max: MAX_IMAGE_LEN,
        })
}

/// The four files of a data set.
pub(super) struct Folder<'a> {
    pub(super) folder: &'a IdxPlan,
    pub(super) plan: &'a DataPlan,
}

impl Reader for Folder<'_> {
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let [_, train, _, test] = self.folder.named();
        let read = |(name, hash)| labels(file::open_in(&self.folder.path, name, hash)?, self.plan.classes);
        let labels = Labels {
            train: read(train)?,
            test: read(test)?,
            content: None,
        };
        Ok((labels, None))
    }

    fn load(&self, labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let [train, _, test, _] = self.folder.named();
        let (name, hash) = split.of(train, test);
        let source = file::open_in(&self.folder.path, name, hash)?;
        let levels = images(source, &self.plan.input_shape, labels.of(split).len(), indices)?;
        Ok((Inputs::Grey { levels, white: u8::MAX }, None))
    }
}

/// Reads a file of labels.
pub(super) fn labels(mut source: Source, classes: u32) -> Result<Vec<u8>, DataError> {
    let count = header(&mut source, &[])?;
    let mut labels = vec![0; count];
    source.fill(&mut labels)?;
    if let Some(index) = labels.iter().position(|&label| u32::from(label) >= classes) {
        return Err(DataError::Label {
            file: source.name(),
            index,
            section: "idx",
            found: Box::new(labels[index].into()),
            classes,
            has_zero: labels.contains(&0),
        });
    }
    source.finish()?;
    Ok(labels)
}

/// Reads the images at `wanted`, in the order of `wanted`, from a file of `count` images of this shape.
///
/// Every entry of `wanted` is below `count`.
pub(super) fn images(mut source: Source, shape: &[u32], count: usize, wanted: &[u32]) -> Result<Vec<u8>, DataError> {
    let len = image_len(shape)?;
    let found = header(&mut source, shape)?;
    if found != count {
        return Err(DataError::Header {
            file: source.name(),
            field: "the number of images",
            found: found.to_string(),
            expected: format!("{count}, the number of labels").into(),
            advice: CORRECT.into(),
        });
    }
    let mut slots: Vec<usize> = (0..wanted.len()).collect();
    slots.sort_unstable_by_key(|&slot| wanted[slot]);
    let mut slots = slots.into_iter().peekable();
    let mut pixels = vec![0; wanted.len() * len];
    let mut image = vec![0; len];
    for index in 0..count {
        source.fill(&mut image)?;
        while let Some(slot) = slots.next_if(|&slot| wanted[slot] as usize == index) {
            pixels[slot * len..][..len].copy_from_slice(&image);
        }
    }
    source.finish()?;
    Ok(pixels)
}

/// Reads and checks the header of a file of unsigned bytes whose elements have this shape; gives their number.
fn header(source: &mut Source, shape: &[u32]) -> Result<usize, DataError> {
    let dimensions = 1 + shape.len();
    let header_len = 4 * (1 + dimensions as u64);
    source.expect_header(header_len);
    let mut magic = [0; 4];
    source.fill(&mut magic)?;
    let expected = [0, 0, UNSIGNED_BYTE, u8::try_from(dimensions).unwrap_or(u8::MAX)];
    if magic != expected {
        if let Some(kind) = kind::of(source.whole_head()) {
            return Err(DataError::kind(source.name(), kind, "an IDX file"));
        }
        if let [0, 0, kind, _] = magic
            && let Some((_, name)) = OTHER_TYPES.iter().find(|(number, _)| *number == kind)
        {
            return Err(DataError::Header {
                file: source.name(),
                field: "the type of the elements",
                found: (*name).to_owned(),
                expected: "unsigned bytes, as grey levels and classes".into(),
                advice: "write the file with unsigned bytes, or give the data as safetensors".into(),
            });
        }
        return Err(mismatch(
            source,
            "the magic number",
            format!("{magic:02x?}"),
            format!("{expected:02x?}"),
        ));
    }
    let count = u32_field(source)?;
    if count > MAX_SAMPLES {
        return Err(mismatch(
            source,
            "the number of samples",
            count.to_string(),
            format!("at most {MAX_SAMPLES}"),
        ));
    }
    let mut found = Vec::with_capacity(shape.len());
    for _ in shape {
        found.push(u32_field(source)?);
    }
    if found != shape {
        return Err(mismatch(
            source,
            "the image shape",
            format!("{found:?}"),
            format!("data.idx.inputShape = {shape:?}"),
        ));
    }
    let element: u64 = shape.iter().map(|&extent| u64::from(extent)).product();
    source.expect_len(header_len + u64::from(count) * element)?;
    Ok(count as usize)
}

fn u32_field(source: &mut Source) -> Result<u32, DataError> {
    let mut bytes = [0; 4];
    source.fill(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn mismatch(source: &Source, field: &'static str, found: String, expected: String) -> DataError {
    DataError::Header {
        file: source.name(),
        field,
        found,
        expected: expected.into(),
        advice: CORRECT.into(),
    }
}
