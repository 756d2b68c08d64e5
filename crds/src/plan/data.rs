//! The data's recipe.

use super::{DataPlan, DataSource, Partition, SampleKind, build::Findings, partition};
use crate::experiment::{Data, DataType, MAX_PEERS};

/// Training images of the digits: those whose index is not 4 modulo 5.
pub const DIGITS_TRAIN: u32 = 1_438;
/// Test images of the digits: those whose index is 4 modulo 5.
pub const DIGITS_TEST: u32 = 359;
/// Samples of one peer below which a warning is given.
const TINY_SHARD: u64 = 10;

impl DataPlan {
    /// What one sample is, which decides what models fit.
    pub fn sample_kind(&self) -> SampleKind {
        match self.source {
            DataSource::Digits | DataSource::Idx { .. } => SampleKind::Labelled,
        }
    }

    /// Training samples of the data set where the project knows them; none for files, whose headers say it.
    pub fn train_samples(&self) -> Option<u32> {
        known_samples(&self.source)
    }
}

fn known_samples(source: &DataSource) -> Option<u32> {
    match source {
        DataSource::Digits => Some(DIGITS_TRAIN),
        DataSource::Idx { .. } => None,
    }
}

/// The recipe; none when the partition cannot be one for so many peers.
pub(super) fn resolve(data: &Data, peers: u64, findings: &mut Findings) -> Option<DataPlan> {
    let (source, input_shape, classes) = match (data.kind, &data.idx) {
        (DataType::Digits, _) => (DataSource::Digits, vec![8, 8], 10),
        (DataType::Idx, idx) => {
            let idx = idx.as_ref()?;
            let source = DataSource::Idx {
                path: idx.path.clone(),
            };
            (source, idx.input_shape.to_vec(), idx.classes)
        }
    };
    let samples = known_samples(&source).map(u64::from);
    if let Some(samples) =
        samples.filter(|samples| peers > *samples && peers <= u64::from(MAX_PEERS))
    {
        findings.error(
            "groups",
            format!("{peers} peers for {samples} training samples"),
            "every peer needs one; take fewer peers or other data",
        );
    }
    let partition = partition::resolve(&data.partition, classes, peers, samples, findings)?;
    if let (Some(samples), false) = (samples, matches!(partition, Partition::Explicit { .. })) {
        let mean = samples / peers.max(1);
        if (1..TINY_SHARD).contains(&mean) {
            findings.warn(
                "data",
                format!(
                    "a peer has {mean} training samples on average, too few to learn much from"
                ),
            );
        }
    }
    Some(DataPlan {
        source,
        input_shape,
        classes,
        partition,
    })
}
