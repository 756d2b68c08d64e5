//! Classes: the label skew of which a reader sees at once how bad it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Facts, Pool, ShardError, field, sorted};
use crate::{
    family::{Settings, Sketch},
    findings::Findings,
    limits::MAX_PEERS,
    seeds,
};

/// Every peer has samples of a few classes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Classes {
    /// Classes of every peer; all peers together must hold every class.
    #[schemars(range(min = 1, max = 256))]
    pub per_peer: u32,
}

impl Settings for Classes {
    /// Two classes each, or as many as so few peers need for ten.
    fn example(sketch: &Sketch) -> Option<Self> {
        Some(Self {
            per_peer: 10_u32.div_ceil(sketch.peers.max(1)).max(2),
        })
    }

    fn brief(&self) -> Option<String> {
        Some(self.per_peer.to_string())
    }
}

impl Division for Classes {
    /// A class that nobody holds would be lost, and a peer cannot hold more classes than there are.
    fn check(&self, facts: &Facts<'_>, findings: &mut Findings) {
        let (per_peer, Facts { classes, peers, .. }) = (self.per_peer, *facts);
        const PATH: &str = "data.partition.classes.perPeer";
        if per_peer > classes {
            findings.error(
                PATH,
                format!("{per_peer} classes of {classes}"),
                format!("the data has {classes} classes; at most so many will do"),
            );
        } else if (1..=u64::from(MAX_PEERS)).contains(&peers) && u64::from(per_peer) * peers < u64::from(classes) {
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

    fn needs_classes(&self) -> bool {
        true
    }

    /// Peers choose in index order, each the classes with the fewest holders so far and among equals by chance: no peer has
    /// a class twice, and the numbers of holders differ by one at most. Source of the setting ("#C = k"): Q. Li et al.,
    /// "Federated Learning on Non-IID Data Silos: An Experimental Study", ICDE 2022, where the choice may leave a class
    /// without a holder; here none is.
    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        let (per_peer, peers) = (self.per_peer, pool.peers);
        let samples = pool.classes();
        let (found, wanted) = (samples.len(), per_peer as usize);
        if wanted == 0 || wanted > found || wanted.saturating_mul(peers) < found {
            return Err(field(
                "classes.perPeer",
                format!("{per_peer} classes for each of {peers} peers"),
                format!(
                    "the training samples show {found} classes, of which a peer can hold {found} at most and every one needs a holder"
                ),
            ));
        }
        let mut rng = seeds::rng(pool.seed, "shards.classes", 0, 0);
        let mut holders: Vec<Vec<usize>> = vec![Vec::new(); found];
        let mut order: Vec<usize> = (0..found).collect();
        for peer in 0..peers {
            seeds::shuffle(&mut rng, &mut order);
            order.sort_by_key(|&class| holders[class].len());
            for &class in &order[..wanted] {
                holders[class].push(peer);
            }
        }
        let mut shards = vec![Vec::new(); peers];
        for (mut class, holders) in samples.into_iter().zip(holders) {
            seeds::shuffle(&mut rng, &mut class);
            for (sample, &holder) in class.into_iter().zip(holders.iter().cycle()) {
                shards[holder].push(sample);
            }
        }
        if let Some(peer) = shards.iter().position(Vec::is_empty) {
            return Err(field(
                "classes",
                format!("peer {peer} would have no sample, since its classes have fewer samples than holders"),
                "take a larger perPeer or fewer peers",
            ));
        }
        Ok(sorted(shards))
    }
}
