//! Which samples belong to which peer: the same on every machine, from the recipe and the data's labels.

mod histogram;

pub use crate::partition::{Groups, ShardError};
use crate::{
    partition::{Partition, Pool},
    seeds,
};
pub use histogram::histogram;

/// The training samples of every peer: `shards[peer]` is ascending and not empty.
///
/// `labels[i]` is the label of training sample `i`; `groups` has what the column [`Partition::column`] holds for it, with as many entries,
/// and is none where the division has no column. Every sample belongs to exactly one peer, but under an explicit division. The result
/// is the same on every machine: nothing but integers, IEEE basic operations and pure-Rust `libm` goes into it.
///
/// # Errors
/// When a label is not below `classes`, or the samples do not suffice for the recipe.
pub fn derive(
    partition: &Partition,
    seed: u64,
    peers: usize,
    labels: &[u8],
    groups: Option<&Groups>,
    classes: u32,
) -> Result<Vec<Vec<u32>>, ShardError> {
    let samples = labels.len();
    u32::try_from(samples).map_err(|_| ShardError::TooManySamples { found: samples })?;
    if peers == 0 {
        return Err(ShardError::NoPeers);
    }
    if peers > samples {
        return Err(ShardError::TooFewSamples { samples, peers });
    }
    if let Some((index, &label)) = labels
        .iter()
        .enumerate()
        .find(|(_, label)| u32::from(**label) >= classes)
    {
        return Err(ShardError::Label { index, label, classes });
    }
    let pool = Pool {
        seed,
        peers,
        labels,
        groups,
    };
    partition.as_dyn().shards(&pool)
}

/// Every peer's part of the test samples `0..test_count`, ascending; the parts cover them exactly once, and their sizes
/// differ by one at most. A peer's part is empty when there are fewer samples than peers.
pub fn test_part(seed: u64, peers: usize, test_count: u32) -> Vec<Vec<u32>> {
    seeds::deal(seed, "shards.test", peers, test_count)
}
