//! How the training samples are divided: what can be checked before the data is read.

use super::{Partition, build::Findings};
use crate::errors::MAX_ERRORS;
use crate::experiment::{MAX_PEERS, PartitionSpec, PartitionType};

/// The recipe; none when it cannot be one for so many peers. `samples` is none when only the files say it.
pub(super) fn resolve(
    spec: &PartitionSpec,
    classes: u32,
    peers: u64,
    samples: Option<u64>,
    findings: &mut Findings,
) -> Option<Partition> {
    match spec.kind {
        PartitionType::Iid => Some(Partition::Iid),
        PartitionType::Contiguous => Some(Partition::Contiguous),
        PartitionType::Dirichlet => {
            let dirichlet = spec.dirichlet?;
            least(
                "dirichlet.minSamples",
                dirichlet.min_samples,
                peers,
                samples,
                findings,
            );
            Some(Partition::Dirichlet {
                alpha: dirichlet.alpha,
                min_samples: dirichlet.min_samples,
            })
        }
        PartitionType::Quantity => {
            let quantity = spec.quantity?;
            least(
                "quantity.minSamples",
                quantity.min_samples,
                peers,
                samples,
                findings,
            );
            Some(Partition::Quantity {
                alpha: quantity.alpha,
                min_samples: quantity.min_samples,
            })
        }
        PartitionType::Shards => {
            let per_peer = spec.shards?.per_peer;
            least("shards.perPeer", per_peer, peers, samples, findings);
            Some(Partition::Shards { per_peer })
        }
        PartitionType::Classes => {
            let per_peer = spec.classes?.per_peer;
            every_class(per_peer, classes, peers, findings);
            Some(Partition::Classes { per_peer })
        }
        PartitionType::Explicit => {
            explicit(&spec.explicit.as_ref()?.shards, peers, samples, findings)
        }
    }
}

/// Whether a division needs no classes, which the windows of a text do not have.
pub(super) fn suits_text(spec: &PartitionSpec, findings: &mut Findings) -> bool {
    let name = match spec.kind {
        PartitionType::Iid
        | PartitionType::Contiguous
        | PartitionType::Quantity
        | PartitionType::Explicit => return true,
        PartitionType::Dirichlet => "dirichlet",
        PartitionType::Classes => "classes",
        PartitionType::Shards => "shards",
    };
    findings.error(
        "data.partition.type",
        format!("{name} divides by class, and the windows of a text have none"),
        "for a text there is iid, contiguous, quantity, explicit",
    );
    false
}

/// There must be `least` samples for every peer.
fn least(field: &str, least: u32, peers: u64, samples: Option<u64>, findings: &mut Findings) {
    let wanted = u64::from(least) * peers;
    if let Some(samples) = samples.filter(|samples| wanted > *samples && peers <= *samples) {
        findings.error(
            &format!("data.partition.{field}"),
            format!("{least} samples for each of {peers} peers are {wanted}"),
            format!(
                "the data has {samples} training samples; at most {} will do",
                samples / peers.max(1)
            ),
        );
    }
}

/// A class that nobody holds would be lost, and a peer cannot hold more classes than there are.
fn every_class(per_peer: u32, classes: u32, peers: u64, findings: &mut Findings) {
    const PATH: &str = "data.partition.classes.perPeer";
    if per_peer > classes {
        findings.error(
            PATH,
            format!("{per_peer} classes of {classes}"),
            format!("the data has {classes} classes; at most so many will do"),
        );
    } else if (1..=u64::from(MAX_PEERS)).contains(&peers)
        && u64::from(per_peer) * peers < u64::from(classes)
    {
        findings.error(
            PATH,
            format!("{peers} peers with {per_peer} classes each leave classes without a holder"),
            format!(
                "the data has {classes} classes; at least {} will do",
                u64::from(classes).div_ceil(peers)
            ),
        );
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
            if findings.errors.len() >= MAX_ERRORS {
                return None;
            }
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
