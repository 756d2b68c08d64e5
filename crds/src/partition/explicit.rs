//! Explicit: a division that somebody else has made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Facts, Pool, ShardError, field};
use crate::{
    errors::MAX_ERRORS,
    family::{Settings, Sketch},
    findings::Findings,
};

const PATH: &str = "data.partition.explicit.shards";

/// Sample indices written down for every peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explicit {
    /// For each peer in index order a list of ranges `[start, end)` of training samples, for example
    /// `[[[0, 100]], [[100, 150], [200, 250]]]`.
    #[schemars(
        length(min = 1, max = 10_000),
        inner(length(min = 1, max = 1000), inner(inner(range(max = 4_294_967_295_u32))))
    )]
    pub shards: Vec<Vec<[u32; 2]>>,
}

impl Settings for Explicit {
    /// Equal parts in order, where it is known how many samples there are.
    fn example(sketch: &Sketch) -> Option<Self> {
        let part = (sketch.samples? / sketch.peers.max(1)).max(1);
        Some(Self {
            shards: (0..sketch.peers)
                .map(|peer| vec![[peer * part, (peer + 1) * part]])
                .collect(),
        })
    }
}

impl Division for Explicit {
    fn check(&self, facts: &Facts<'_>, findings: &mut Findings) {
        check(&self.shards, facts, findings);
    }

    fn listed(&self) -> Option<u64> {
        let length = |[start, end]: &[u32; 2]| u64::from(end.saturating_sub(*start));
        let shard = |ranges: &Vec<[u32; 2]>| ranges.iter().map(length).sum();
        self.shards.iter().map(shard).max()
    }

    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        if self.shards.len() != pool.peers {
            return Err(field(
                "explicit.shards",
                format!("{} shards for {} peers", self.shards.len(), pool.peers),
                "give every peer one",
            ));
        }
        let samples = pool.count();
        self.shards
            .iter()
            .enumerate()
            .map(|(peer, ranges)| indices(peer, ranges, samples))
            .collect()
    }
}

/// The samples of one peer, ascending.
fn indices(peer: usize, ranges: &[[u32; 2]], samples: u32) -> Result<Vec<u32>, ShardError> {
    let wrong = |start, end| {
        field(
            &format!("explicit.shards[{peer}]"),
            format!(
                "[{start}, {end}) is not a range of the {samples} training samples, or meets another range of the same peer"
            ),
            "name samples that there are, each once",
        )
    };
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    let mut reached = 0;
    let mut indices = Vec::new();
    for [start, end] in ranges {
        // The bound on `end` comes before memory is taken.
        if start < reached || start >= end || end > samples {
            return Err(wrong(start, end));
        }
        reached = end;
        indices.extend(start..end);
    }
    match indices.is_empty() {
        true => Err(wrong(0, 0)),
        false => Ok(indices),
    }
}

/// What of the ranges can be checked before the data is read.
fn check(shards: &[Vec<[u32; 2]>], facts: &Facts<'_>, findings: &mut Findings) {
    let Facts { peers, samples, .. } = *facts;
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
                return;
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
        return;
    }
    taken.sort_unstable();
    warn_about_sharing(&taken, samples, findings);
}

/// Samples that several peers have or that nobody has are allowed, but probably not meant.
fn warn_about_sharing(taken: &[(u32, u32, usize)], samples: Option<u64>, findings: &mut Findings) {
    let mut reached = 0;
    let mut holder = 0;
    let mut covered: u64 = 0;
    let mut shared = false;
    for &(start, end, peer) in taken {
        if start < reached && !shared {
            shared = true;
            findings.warn(
                PATH,
                format!("sample {start} belongs to peers {holder} and {peer}, and maybe more samples do"),
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
            format!("{} of {samples} training samples belong to no peer", samples - covered),
        );
    }
}
