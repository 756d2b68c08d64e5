//! UCI optical digits, shipped with the project (see `data/README.md`).

use fltorrent_crds::{plan::DataPlan, shards::Groups};

use super::{DataError, Inputs, Labels, Reader, Split, idx, source::Source};

/// The grey level that means 1.0.
const WHITE: u8 = 16;

const LABELS: &[u8] = include_bytes!("../../data/digits-labels-idx1-ubyte.gz");
const IMAGES: &[u8] = include_bytes!("../../data/digits-images-idx3-ubyte.gz");
/// Samples in all.
const COUNT: usize = 1797;
/// Of each five images in a row, the one that belongs to the test split.
const TEST_REMAINDER: u32 = 4;

pub(super) struct Images<'a> {
    pub(super) plan: &'a DataPlan,
}

impl Reader for Images<'_> {
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let all = idx::labels(Source::embedded("built-in digit labels", LABELS), self.plan.classes)?;
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (index, label) in (0u32..).zip(all) {
            if index % 5 == TEST_REMAINDER {
                test.push(label)
            } else {
                train.push(label)
            }
        }
        let labels = Labels {
            train,
            test,
            content: None,
        };
        Ok((labels, None))
    }

    fn load(&self, _labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let wanted: Vec<u32> = indices
            .iter()
            .map(|&index| match split {
                Split::Train => index / 4 * 5 + index % 4,
                Split::Test => index * 5 + TEST_REMAINDER,
            })
            .collect();
        let images = Source::embedded("built-in digit images", IMAGES);
        let levels = idx::images(images, &self.plan.input_shape, COUNT, &wanted)?;
        Ok((Inputs::Grey { levels, white: WHITE }, None))
    }
}
