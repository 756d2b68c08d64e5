//! How well a model classifies the samples of each class.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};

/// Classes of any data.
const MOST_CLASSES: u32 = 256;

/// A class, its test samples that are classified correctly, and all of them.
pub type OfClass = (u32, u64, u64);

/// A peer's evaluation of a round, for the classes that have test samples there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classes {
    /// The round, from 0.
    pub round: u32,
    /// By class.
    #[serde(deserialize_with = "possible")]
    pub counts: Vec<OfClass>,
}

/// Counts that can be those of a run: a file is not trusted with memory.
fn possible<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OfClass>, D::Error> {
    let counts = Vec::<OfClass>::deserialize(deserializer)?;
    let is_possible = |&(class, correct, total): &OfClass| class < MOST_CLASSES && correct <= total;
    match counts.iter().find(|counts| !is_possible(counts)) {
        None => Ok(counts),
        Some(found) => Err(de::Error::custom(format_args!(
            "found {found:?}; expected a class below {MOST_CLASSES}, and no more correct samples than samples"
        ))),
    }
}

/// Test accuracy of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassFigures {
    /// The class.
    pub class: u32,
    /// Share of its test samples that are classified correctly.
    pub accuracy: f64,
    /// Test samples of the class.
    pub samples: u64,
}

/// The accuracy of a round by class, over the peers that have counted it.
pub fn by_class<'a>(round: u32, counted: impl IntoIterator<Item = &'a Classes>) -> Vec<ClassFigures> {
    let mut sums: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let of_round = counted.into_iter().filter(|classes| classes.round == round);
    for &(class, correct, total) in of_round.flat_map(|classes| &classes.counts) {
        let sum = sums.entry(class).or_default();
        sum.0 = sum.0.saturating_add(correct);
        sum.1 = sum.1.saturating_add(total);
    }
    let figures = sums.into_iter().map(|(class, (correct, samples))| ClassFigures {
        class,
        accuracy: correct as f64 / samples as f64,
        samples,
    });
    figures.filter(|figures| figures.samples > 0).collect()
}
