//! The data sets that a peer trains and evaluates on.
//!
//! A peer reads all labels (one byte a sample), derives its shard from them, and then loads only that shard's images, so
//! its memory follows its share of the data.

mod digits;
mod error;
pub mod fetch;
mod file;
mod gunzip;
mod idx;
pub(crate) mod kind;
mod own;
mod samples;
pub(crate) mod sha256;
mod source;
mod table;
mod tables;
mod tensors;
mod text;
mod warnings;

use std::fmt::Write as _;

use fltorrent_crds::{
    Plan,
    data::DataSource,
    plan::DataPlan,
    shards::{self, Groups},
    visible_line,
};

pub use error::{DataError, OwnError};
pub use own::OwnData;
pub(crate) use own::{DATA_SETS, DataSets, Registered, data_sets};
pub use samples::{Inputs, Samples};
use tables::Tables;
pub(crate) use warnings::of_part;
pub use warnings::{few_tests, warnings};

/// One of the two parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The training split, divided among the peers.
    Train,
    /// The test split.
    Test,
}

impl Split {
    fn of<T>(self, train: T, test: T) -> T {
        match self {
            Self::Train => train,
            Self::Test => test,
        }
    }
}

/// The labels of both splits, in the data set's order.
///
/// The windows of a text have no class: each has 0 here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// One label `< classes` a training sample.
    pub train: Vec<u8>,
    /// One label `< classes` a test sample.
    pub test: Vec<u8>,
    /// BLAKE3 of what peers compare beside the labels: of a text its bytes, of a table the column that the partition names, of a
    /// program's own data set what it says.
    pub content: Option<[u8; 32]>,
}

impl Labels {
    /// The labels of one split.
    #[must_use]
    pub fn of(&self, split: Split) -> &[u8] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// What reads a data set.
trait Reader {
    /// The labels of both splits, and of the training samples what the partition's column says, where it has one.
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError>;

    /// The inputs at `indices` of a split, in that order; each index is below the number of labels. Where a sample has several labels,
    /// they come with them.
    fn load(&self, labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError>;

    /// Checks all samples of a split as far as their format allows, and gives the spans of inputs that are numbers.
    fn spans(&self, labels: &Labels, split: Split) -> Result<Vec<Span>, DataError> {
        self.load(labels, split, &[]).map(|_| Vec::new())
    }

    /// The field that inputs which are too large are about, and what to do.
    fn scale_advice(&self) -> (&'static str, &'static str) {
        ("data", "scale them to about -1 to 1 before they are written")
    }
}

fn reader(plan: &DataPlan) -> Box<dyn Reader + '_> {
    match &plan.source {
        DataSource::Digits(_) => Box::new(digits::Images { plan }),
        DataSource::Idx(folder) => Box::new(idx::Folder { folder, plan }),
        DataSource::Csv(files) => Box::new(Tables::of(files, plan)),
        DataSource::Safetensors(files) => Box::new(tensors::Files { files, plan }),
        DataSource::Text(text) => Box::new(text::File { text, plan }),
        DataSource::Custom(own) => Box::new(own::Own { own, plan }),
    }
}

/// Reads the labels of both splits; files by URL are fetched first.
///
/// # Errors
/// A file that is missing, unreadable, damaged, or not what the plan says; each error names the file.
pub fn labels(plan: &DataPlan) -> Result<Labels, DataError> {
    Ok(reader(plan).labels()?.0)
}

/// The labels of both splits, and whose the training samples are.
#[derive(Clone, Debug)]
pub struct Divided {
    /// As [`labels`] gives them.
    pub labels: Labels,
    /// The training samples of every peer, see [`shards::derive`].
    pub shards: Vec<Vec<u32>>,
}

/// Reads the labels of both splits, and divides the training samples as the plan says.
///
/// # Errors
/// As [`labels`], and samples that cannot be divided so.
pub fn divide(plan: &Plan) -> Result<Divided, DataError> {
    let Plan { data, seed, peers, .. } = plan;
    let (labels, groups) = reader(data).labels()?;
    let (peers, groups) = (peers.len(), groups.as_ref());
    let shards = shards::derive(&data.partition, *seed, peers, &labels.train, groups, data.classes)?;
    Ok(Divided { labels, shards })
}

/// Loads the samples at `indices` of a split, in the order of `indices`; memory is that of these samples: one byte a
/// value of images and texts, four of numbers.
///
/// # Errors
/// As [`labels`], and an index that is not below the number of labels.
pub fn load(plan: &DataPlan, labels: &Labels, split: Split, indices: &[u32]) -> Result<Samples, DataError> {
    load_from(reader(plan).as_ref(), plan, labels, split, indices)
}

/// Loads the samples at `train` and at `test` of their splits, each as [`load`] does, but what scales both is found once.
///
/// # Errors
/// As [`load`].
pub fn load_parts(
    plan: &DataPlan,
    labels: &Labels,
    train: &[u32],
    test: &[u32],
) -> Result<(Samples, Samples), DataError> {
    let reader = reader(plan);
    let load = |split, indices| load_from(reader.as_ref(), plan, labels, split, indices);
    Ok((load(Split::Train, train)?, load(Split::Test, test)?))
}

fn load_from(
    reader: &dyn Reader,
    plan: &DataPlan,
    labels: &Labels,
    split: Split,
    indices: &[u32],
) -> Result<Samples, DataError> {
    let all = labels.of(split);
    let chosen = indices
        .iter()
        .map(|&index| {
            let label = usize::try_from(index).ok().and_then(|index| all.get(index));
            label.copied().ok_or(DataError::Index {
                index,
                split,
                len: all.len(),
            })
        })
        .collect::<Result<Vec<u8>, DataError>>()?;
    let len = input_len(plan)?;
    Ok(match reader.load(labels, split, indices)? {
        (inputs, Some(targets)) => Samples::new(inputs, targets, len, len, plan.classes),
        (inputs, None) => Samples::new(inputs, chosen, 1, len, plan.classes),
    })
}

/// The values of a part of the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Their place, for example "column `age`".
    pub name: String,
    /// The least one.
    pub least: f32,
    /// The greatest one.
    pub greatest: f32,
}

/// Checks all samples as far as their format allows, and gives the spans of inputs that are numbers, as the model sees them in
/// the training split.
///
/// # Errors
/// As [`load`].
pub fn check(plan: &DataPlan, labels: &Labels) -> Result<Vec<Span>, DataError> {
    let reader = reader(plan);
    let spans = reader.spans(labels, Split::Train)?;
    reader.spans(labels, Split::Test)?;
    Ok(spans)
}

/// Text of a file for an error: bounded, in one line, without control characters, and with bytes that are no UTF-8 as `\xe9`.
fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 32;
    let mut shown = String::new();
    let mut left = LONGEST;
    for chunk in bytes.utf8_chunks() {
        let text: String = chunk.valid().chars().take(left).collect();
        left -= text.chars().count();
        shown.push_str(&visible_line(&text));
        for byte in chunk.invalid().iter().take(left) {
            let _ = write!(shown, "\\x{byte:02x}");
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    let is_cut = String::from_utf8_lossy(bytes).chars().nth(LONGEST).is_some();
    if is_cut {
        shown.push('…');
    }
    shown
}

fn input_len(plan: &DataPlan) -> Result<usize, DataError> {
    idx::image_len(&plan.input_shape)
}

/// The hash that two peers compare before they exchange: BLAKE3 over the image shape, the number of classes and the labels of
/// both splits, each list preceded by its length (u64, little-endian), and [`Labels::content`] where there is one.
///
/// Images are left out: they would have to be read whole by every peer before it may greet its neighbours.
#[must_use]
pub fn label_hash(plan: &DataPlan, labels: &Labels) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(plan.input_shape.len() as u64).to_le_bytes());
    for extent in &plan.input_shape {
        hasher.update(&extent.to_le_bytes());
    }
    hasher.update(&plan.classes.to_le_bytes());
    for list in [&labels.train, &labels.test] {
        hasher.update(&(list.len() as u64).to_le_bytes());
        hasher.update(list);
    }
    if let Some(content) = &labels.content {
        hasher.update(content);
    }
    *hasher.finalize().as_bytes()
}
