//! UCI optical digits, shipped with the project (see `data/README.md`).

use super::{DataError, Labels, Split, idx, source::Source};

/// The grey level that means 1.0.
pub(super) const WHITE: u8 = 16;

const LABELS: &[u8] = include_bytes!("../../data/digits-labels-idx1-ubyte.gz");
const IMAGES: &[u8] = include_bytes!("../../data/digits-images-idx3-ubyte.gz");
/// Samples in all.
const COUNT: usize = 1797;
/// Of each five images in a row, the one that belongs to the test split.
const TEST_REMAINDER: u32 = 4;

pub(super) fn labels(classes: u32) -> Result<Labels, DataError> {
    let all = idx::labels(Source::embedded("built-in digit labels", LABELS), classes)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (index, label) in (0u32..).zip(all) {
        if index % 5 == TEST_REMAINDER {
            test.push(label)
        } else {
            train.push(label)
        }
    }
    Ok(Labels {
        train,
        test,
        content: None,
    })
}

pub(super) fn images(shape: &[u32], split: Split, indices: &[u32]) -> Result<Vec<u8>, DataError> {
    let wanted: Vec<u32> = indices
        .iter()
        .map(|&index| match split {
            Split::Train => index / 4 * 5 + index % 4,
            Split::Test => index * 5 + TEST_REMAINDER,
        })
        .collect();
    idx::images(Source::embedded("built-in digit images", IMAGES), shape, COUNT, &wanted)
}
