//! The data's recipe.

use super::{DataPlan, DataSource, Partition, SampleKind, build::Findings};
use crate::experiment::{Data, DataType, MAX_PEERS, PartitionSpec, PartitionType};

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
    let partition = partition(&data.partition, peers, samples, findings)?;
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

fn partition(
    spec: &PartitionSpec,
    peers: u64,
    samples: Option<u64>,
    findings: &mut Findings,
) -> Option<Partition> {
    match spec.kind {
        PartitionType::Iid => Some(Partition::Iid),
        PartitionType::Dirichlet => {
            let dirichlet = spec.dirichlet?;
            let wanted = u64::from(dirichlet.min_samples) * peers;
            if let Some(samples) = samples.filter(|samples| wanted > *samples && peers <= *samples)
            {
                findings.error(
                    "data.partition.dirichlet.minSamples",
                    format!(
                        "{} samples for each of {peers} peers are {wanted}",
                        dirichlet.min_samples
                    ),
                    format!(
                        "the data has {samples} training samples; at most {} will do",
                        samples / peers.max(1)
                    ),
                );
            }
            Some(Partition::Dirichlet {
                alpha: dirichlet.alpha,
                min_samples: dirichlet.min_samples,
            })
        }
        PartitionType::Explicit => {
            explicit(&spec.explicit.as_ref()?.shards, peers, samples, findings)
        }
    }
}

fn explicit(
    shards: &[Vec<[u32; 2]>],
    peers: u64,
    samples: Option<u64>,
    findings: &mut Findings,
) -> Option<Partition> {
    const PATH: &str = "data.partition.explicit.shards";
    let before = findings.errors.len();
    if shards.len() as u64 != peers {
        findings.error(
            PATH,
            format!("{} shards for {peers} peers", shards.len()),
            "give every peer one, in the order of the peers",
        );
    }
    let mut taken: Vec<(u32, u32, usize)> = Vec::new();
    for (peer, ranges) in shards.iter().enumerate() {
        let mut own: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (i, &[start, end]) in ranges.iter().enumerate() {
            let path = format!("{PATH}[{peer}][{i}]");
            if start >= end {
                findings.error(
                    &path,
                    format!("[{start}, {end}) is empty"),
                    "the end comes after the last sample",
                );
            } else if let Some(samples) = samples.filter(|samples| u64::from(end) > *samples) {
                findings.error(
                    &path,
                    format!("[{start}, {end}) goes past the data"),
                    format!("training samples are 0–{}", samples.saturating_sub(1)),
                );
            }
            own.push((start, end));
        }
        own.sort_unstable();
        if let Some(pair) = own.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            findings.error(
                &format!("{PATH}[{peer}]"),
                format!("sample {} is there twice", pair[1].0),
                "name every sample of a peer once",
            );
        }
        taken.extend(own.into_iter().map(|(start, end)| (start, end, peer)));
    }
    if findings.errors.len() > before {
        return None;
    }
    taken.sort_unstable();
    warn_about_sharing(&taken, samples, findings);
    let ranges = |ranges: &Vec<[u32; 2]>| ranges.iter().map(|&[start, end]| (start, end)).collect();
    Some(Partition::Explicit {
        shards: shards.iter().map(ranges).collect(),
    })
}

/// Samples that several peers have or that nobody has are allowed, but probably not meant.
fn warn_about_sharing(taken: &[(u32, u32, usize)], samples: Option<u64>, findings: &mut Findings) {
    const PATH: &str = "data.partition.explicit.shards";
    let mut reached = 0;
    let mut holder = 0;
    let mut covered: u64 = 0;
    let mut shared = false;
    for &(start, end, peer) in taken {
        if start < reached && !shared {
            shared = true;
            findings.warn(
                PATH,
                format!(
                    "sample {start} belongs to peers {holder} and {peer}, and maybe more samples do"
                ),
            );
        }
        covered += u64::from(end.saturating_sub(start.max(reached)));
        if end > reached {
            (reached, holder) = (end, peer);
        }
    }
    if let Some(samples) = samples.filter(|samples| covered < *samples) {
        findings.warn(
            PATH,
            format!(
                "{} of {samples} training samples belong to no peer",
                samples - covered
            ),
        );
    }
}
