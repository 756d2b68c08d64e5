//! The data's recipe.

use super::DataPlan;
use crate::{
    catalogue::{Catalogue, Task},
    data::{Resolved, SampleKind},
    experiment::{Data, MAX_PEERS},
    findings::Findings,
    partition::{self, Facts},
};

/// Samples of one peer below which a warning is given.
const TINY_SHARD: u64 = 10;

impl DataPlan {
    /// Classes that samples are counted by: 1 for a text, whose windows have no class of their own.
    pub fn sample_classes(&self) -> u32 {
        match self.source.sample_kind() {
            SampleKind::Labelled => self.classes,
            SampleKind::Text => 1,
        }
    }

    /// What a network learns from it.
    pub(super) fn task(&self) -> Task {
        Task {
            input_shape: self.input_shape.clone(),
            classes: self.classes,
            targets: match self.source.sample_kind() {
                SampleKind::Labelled => 1,
                SampleKind::Text => self.input_shape.iter().product(),
            },
        }
    }
}

/// The recipe; none when the data or the partition cannot be one.
pub(super) fn resolve(data: &Data, peers: u64, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<DataPlan> {
    let resolved = data.source.as_dyn().resolve(catalogue, findings)?;
    let Resolved {
        source,
        input_shape,
        classes,
    } = resolved;
    let samples = source.train_samples().map(u64::from);
    if let Some(samples) = samples.filter(|samples| peers > *samples && peers <= u64::from(MAX_PEERS)) {
        findings.error(
            "groups",
            format!("{peers} peers for {samples} training samples"),
            "every peer needs one; take fewer peers or other data",
        );
    }
    let facts = Facts {
        classes,
        peers,
        samples,
        columns: source.columns(),
    };
    if !partition::check(&data.partition, &facts, source.sample_kind(), findings) {
        return None;
    }
    if let (Some(samples), None) = (samples, data.partition.as_dyn().listed()) {
        let mean = samples / peers.max(1);
        if (1..TINY_SHARD).contains(&mean) {
            findings.warn(
                "data",
                format!("a peer has {mean} training samples on average, too few to learn much from"),
            );
        }
    }
    Some(DataPlan {
        source,
        input_shape,
        classes,
        partition: data.partition.clone(),
    })
}
