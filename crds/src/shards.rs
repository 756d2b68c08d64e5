//! Which samples belong to which peer: the same on every machine, from the recipe and the data's labels.

mod by_label;
mod dirichlet;
mod error;
mod histogram;

use crate::{plan::Partition, seeds};

pub use error::ShardError;
pub use histogram::histogram;

/// The training samples of every peer: `shards[peer]` is ascending and not empty.
///
/// `labels[i]` is the label of training sample `i`. Every sample belongs to exactly one peer, but under an explicit
/// division. The result is the same on every machine: nothing but integers, IEEE basic operations and pure-Rust `libm` goes into it.
///
/// # Errors
/// When a label is not below `classes`, or the samples do not suffice for the recipe.
pub fn derive(
    partition: &Partition,
    seed: u64,
    peers: usize,
    labels: &[u8],
    classes: u32,
) -> Result<Vec<Vec<u32>>, ShardError> {
    let samples = labels.len();
    let count =
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
        return Err(ShardError::Label {
            index,
            label,
            classes,
        });
    }
    match partition {
        Partition::Iid => Ok(deal(seed, "shards.iid", peers, count)),
        Partition::Dirichlet { alpha, min_samples } => {
            dirichlet::by_class(*alpha, *min_samples, seed, peers, labels)
        }
        Partition::Quantity { alpha, min_samples } => {
            dirichlet::by_quantity(*alpha, *min_samples, seed, peers, count)
        }
        Partition::Classes { per_peer } => by_label::classes(*per_peer, seed, peers, labels),
        Partition::Shards { per_peer } => by_label::pieces(*per_peer, seed, peers, labels),
        Partition::Contiguous => Ok(slices(peers, count)),
        Partition::Explicit { shards } => explicit(shards, peers, samples),
    }
}

/// Checks that there are `least` samples for every peer, of whom there is at least one.
fn least(field: &'static str, least: u32, peers: usize, samples: usize) -> Result<(), ShardError> {
    if least as usize <= samples / peers {
        return Ok(());
    }
    Err(ShardError::Least {
        field,
        least,
        peers,
        samples,
    })
}

/// Every peer's part of the test samples `0..test_count`, ascending; the parts cover them exactly once, and their sizes
/// differ by one at most. A peer's part is empty when there are fewer samples than peers.
pub fn test_part(seed: u64, peers: usize, test_count: u32) -> Vec<Vec<u32>> {
    deal(seed, "shards.test", peers, test_count)
}

/// Shuffles `0..count` and deals it out one by one.
fn deal(seed: u64, purpose: &str, peers: usize, count: u32) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..count).collect();
    seeds::shuffle(&mut seeds::rng(seed, purpose, 0, 0), &mut order);
    let mut parts = vec![Vec::new(); peers];
    if peers == 0 {
        return parts;
    }
    for (i, sample) in order.into_iter().enumerate() {
        parts[i % peers].push(sample);
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    parts
}

/// Cuts `0..count` into slices in order, whose lengths differ by one at most.
fn slices(parts: usize, count: u32) -> Vec<Vec<u32>> {
    // Within u64: both factors come from a u32 and from a number of parts that does not exceed one.
    let edge = |part: usize| (part as u64 * u64::from(count) / parts as u64) as u32;
    (0..parts)
        .map(|part| (edge(part)..edge(part + 1)).collect())
        .collect()
}

/// The ranges that the manifest lists, checked against the data.
fn explicit(
    shards: &[Vec<(u32, u32)>],
    peers: usize,
    samples: usize,
) -> Result<Vec<Vec<u32>>, ShardError> {
    if shards.len() != peers {
        return Err(ShardError::ShardCount {
            shards: shards.len(),
            peers,
        });
    }
    let shard = |(peer, ranges): (usize, &Vec<(u32, u32)>)| {
        let mut ranges = ranges.clone();
        ranges.sort_unstable();
        let mut reached = 0;
        let mut indices = Vec::new();
        for &(start, end) in &ranges {
            // The bound on `end` comes before memory is taken.
            if start < reached || start >= end || end as usize > samples {
                return Err(ShardError::Range {
                    peer,
                    start,
                    end,
                    samples,
                });
            }
            reached = end;
            indices.extend(start..end);
        }
        if indices.is_empty() {
            return Err(ShardError::Range {
                peer,
                start: 0,
                end: 0,
                samples,
            });
        }
        Ok(indices)
    };
    shards.iter().enumerate().map(shard).collect()
}
