//! The data sets that a peer trains and evaluates on.
//!
//! A peer reads all labels (one byte a sample), derives its shard from them, and then loads only that shard's images, so
//! its memory follows its share of the data.

mod digits;
mod error;
mod idx;
mod samples;
mod source;

use fltorrent_crds::plan::{DataPlan, DataSource};

pub use error::DataError;
pub use samples::{Inputs, Samples};

/// One of the two parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What is divided among the peers.
    Train,
    /// What models are evaluated on.
    Test,
}

/// The labels of both splits, in the data set's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// One label `< classes` a training sample.
    pub train: Vec<u8>,
    /// One label `< classes` a test sample.
    pub test: Vec<u8>,
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

/// Reads the labels of both splits.
///
/// # Errors
/// A file that is missing, unreadable, damaged, or not what the plan says; each error names the file.
pub fn labels(plan: &DataPlan) -> Result<Labels, DataError> {
    match &plan.source {
        DataSource::Digits => digits::labels(plan.classes),
        DataSource::Idx { path } => Ok(Labels {
            train: idx::labels(idx::open(path, "train-labels-idx1-ubyte")?, plan.classes)?,
            test: idx::labels(idx::open(path, "t10k-labels-idx1-ubyte")?, plan.classes)?,
        }),
    }
}

/// Loads the images at `indices` of a split, in the order of `indices`; memory is one byte a pixel of these images.
///
/// The whole file is read, so that damage anywhere in it is found.
///
/// # Errors
/// As [`labels`], and an index that is not below the number of labels.
pub fn load(
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
    let (levels, white) = match &plan.source {
        DataSource::Digits => (
            digits::images(&plan.input_shape, split, indices)?,
            digits::WHITE,
        ),
        DataSource::Idx { path } => {
            let name = match split {
                Split::Train => "train-images-idx3-ubyte",
                Split::Test => "t10k-images-idx3-ubyte",
            };
            (
                idx::images(
                    idx::open(path, name)?,
                    &plan.input_shape,
                    all.len(),
                    indices,
                )?,
                u8::MAX,
            )
        }
    };
    Ok(Samples::new(
        Inputs::Grey { levels, white },
        chosen,
        1,
        idx::image_len(&plan.input_shape)?,
        plan.classes,
    ))
}

/// What two peers compare before they exchange: BLAKE3 over the image shape, the number of classes and the labels of
/// both splits, each list preceded by its length (u64, little-endian).
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
    *hasher.finalize().as_bytes()
}
