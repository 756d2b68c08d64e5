//! UCI optical digits, shipped with the project: 1,797 images of 8×8, 10 classes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataSet, Resolved, SourceSettings};
use crate::{
    catalogue::Catalogue,
    family::{Settings, Sketch},
    findings::Findings,
};

/// Training images of the digits: those whose index is not 4 modulo 5.
pub const DIGITS_TRAIN: u32 = 1_438;
/// Test images of the digits: those whose index is 4 modulo 5.
pub const DIGITS_TEST: u32 = 359;

/// Handwritten digits that ship with FLTorrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digits;

impl Settings for Digits {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl SourceSettings for Digits {
    fn resolve(&self, _catalogue: &dyn Catalogue, _findings: &mut Findings) -> Option<Resolved> {
        Some(Resolved {
            source: Self.into(),
            input_shape: vec![8, 8],
            classes: 10,
        })
    }
}

impl DataSet for Digits {
    fn brief(&self) -> String {
        "digits".to_owned()
    }

    fn train_samples(&self) -> Option<u32> {
        Some(DIGITS_TRAIN)
    }
}
