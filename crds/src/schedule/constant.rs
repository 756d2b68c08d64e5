//! No schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::family::{Settings, Sketch};

/// The same learning rate in every round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Constant;

impl Settings for Constant {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self)
    }
}

impl Decay for Constant {
    fn factor(&self, _round: u32, _rounds: u32) -> f64 {
        1.0
    }
}
