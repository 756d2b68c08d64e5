//! Shards: the split of the paper that named federated learning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Facts, Pool, ShardError, slices, sorted};
use crate::{
    family::{Settings, Sketch},
    findings::Findings,
    seeds,
};

/// Sorted by label and cut into equal pieces, some for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shards {
    /// Pieces of every peer.
    #[schemars(range(min = 1, max = 1000))]
    pub per_peer: u32,
}

impl Settings for Shards {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self { per_peer: 2 })
    }

    fn brief(&self) -> Option<String> {
        Some(self.per_peer.to_string())
    }
}

impl Division for Shards {
    fn check(&self, facts: &Facts<'_>, findings: &mut Findings) {
        facts.least("shards.perPeer", self.per_peer, findings);
    }

    fn needs_classes(&self) -> bool {
        true
    }

    /// Sorted by label (in the data's order within a label), cut into `peers * per_peer` pieces whose lengths differ by one
    /// at most, and `per_peer` of them dealt to each peer by chance.
    ///
    /// Source: H. B. McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS
    /// 2017, section 3: 200 pieces, two for each of 100 clients.
    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        let per_peer = self.per_peer.max(1);
        pool.least("shards.perPeer", per_peer)?;
        // At least one sample a piece, so no more pieces than samples, which a u32 counts.
        let per_peer = per_peer as usize;
        let mut by_label: Vec<u32> = (0..pool.count()).collect();
        by_label.sort_by_key(|&sample| pool.labels[sample as usize]);
        let mut pieces = slices(pool.peers * per_peer, pool.count());
        seeds::shuffle(&mut seeds::rng(pool.seed, "shards.pieces", 0, 0), &mut pieces);
        let shard = |dealt: &[Vec<u32>]| {
            let places = dealt.iter().flatten();
            places.map(|&place| by_label[place as usize]).collect()
        };
        Ok(sorted(pieces.chunks(per_peer).map(shard).collect()))
    }
}
