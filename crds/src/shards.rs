//! Which samples belong to which peer: the same on every machine, from the recipe and the data's labels.

mod dirichlet;

use crate::{plan::Partition, seeds};

/// Draws of a Dirichlet division before it is given up.
const DRAWS: u32 = 100;

/// Why the samples cannot be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// There are no peers.
    #[error("there is no peer to give samples to")]
    NoPeers,
    /// More samples than an index can name.
    #[error(
        "the data has {found} training samples; at most {} can be divided",
        u32::MAX
    )]
    TooManySamples {
        /// Training samples.
        found: usize,
    },
    /// Some peer would have nothing to train on.
    #[error("the data has {samples} training samples for {peers} peers; every peer needs one")]
    TooFewSamples {
        /// Training samples.
        samples: usize,
        /// Peers.
        peers: usize,
    },
    /// A label that the manifest does not allow.
    #[error(
        "training sample {index} has label {label}; labels are below {classes}, as the manifest's data says"
    )]
    Label {
        /// The sample.
        index: usize,
        /// Its label.
        label: u8,
        /// The manifest's number of classes.
        classes: u32,
    },
    /// `minSamples` asks for more than there is.
    #[error(
        "data.partition.dirichlet.minSamples: {min_samples} samples for each of {peers} peers are more than the \
         {samples} training samples; at most {} will do", samples / (*peers).max(1)
    )]
    MinSamples {
        /// The manifest's `minSamples`.
        min_samples: u32,
        /// Peers.
        peers: usize,
        /// Training samples.
        samples: usize,
    },
    /// No draw gave every peer enough.
    #[error(
        "data.partition.dirichlet: in {DRAWS} draws some peer always had fewer than {min_samples} samples, at best \
         {best}; take minSamples {best} or less, a larger alpha, fewer peers or another seed"
    )]
    Unlucky {
        /// The manifest's `minSamples`.
        min_samples: u32,
        /// Samples of the poorest peer in the best draw.
        best: u32,
    },
    /// The manifest lists another number of shards.
    #[error(
        "data.partition.explicit.shards: {shards} shards for {peers} peers; give every peer one"
    )]
    ShardCount {
        /// Shards of the manifest.
        shards: usize,
        /// Peers.
        peers: usize,
    },
    /// A range that the data does not have.
    #[error(
        "data.partition.explicit.shards[{peer}]: [{start}, {end}) is not a range of the {samples} training samples, \
         or meets another range of the same peer"
    )]
    Range {
        /// The shard.
        peer: usize,
        /// First sample of the range.
        start: u32,
        /// First sample after the range.
        end: u32,
        /// Training samples.
        samples: usize,
    },
}

/// The training samples of every peer: `shards[peer]` is ascending and not empty.
///
/// `labels[i]` is the label of training sample `i`. Under iid and Dirichlet every sample belongs to exactly one peer. The
/// result is the same on every machine: nothing but integers, IEEE basic operations and pure-Rust `libm` goes into it.
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
            dirichlet::divide(*alpha, *min_samples, seed, peers, labels)
        }
        Partition::Explicit { shards } => explicit(shards, peers, samples),
    }
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
