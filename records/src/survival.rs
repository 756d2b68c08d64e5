//! What a peer sees of the loss of others: how a round ended, who is absent, and when too few are there.

mod said;

use fltorrent_crds::{
    Interval,
    experiment::{ChurnKind, MAX_PEERS},
};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::bottleneck::Bottleneck;
pub use said::EndsSaid;
pub(crate) use said::Holders;

/// What ended a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// All chunks of all peers were held.
    #[default]
    All,
    /// The peers that take part agreed to go on without the others.
    Quorum,
    /// It had taken too long.
    Deadline,
}

impl Cause {
    /// For serde: most rounds end so.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// How a round ended, as one peer says. Others say the same, but for who took part and was waited for as far as they know, unless they were
/// cut off from each other: see [`EndsSaid`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundEnd {
    /// The round, from 0.
    pub round: u32,
    /// What ended it.
    pub cause: Cause,
    /// Peers of whose update nothing is in the model, ascending.
    #[serde(deserialize_with = "possible")]
    pub missing: Vec<u32>,
    /// Peers that took part then as far as this one knew, itself included.
    pub present: u32,
    /// Whether more than half of all peers have signed that they ended the round before alike; none where there is nothing to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_before: Option<bool>,
    /// Whom this peer waited for last; none where its own update was the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<Bottleneck>,
}

impl RoundEnd {
    /// True if the model lacks something of the round.
    pub fn is_degraded(&self) -> bool {
        !self.cause.is_all() || !self.missing.is_empty()
    }
}

/// Peers that can be those of a run: a file is not trusted with memory.
fn possible<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let peers = Vec::<u32>::deserialize(deserializer)?;
    match peers.is_sorted_by(|a, b| a < b) && peers.last().is_none_or(|last| *last < MAX_PEERS) {
        true => Ok(peers),
        false => Err(de::Error::custom(format_args!(
            "expected ascending peers below {MAX_PEERS}"
        ))),
    }
}

/// A peer takes part no more, or again: another one, or this one, which the others went on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The round that this peer was in, from 0.
    pub round: u32,
    /// That peer.
    pub peer: u32,
    /// False when it is back.
    pub absent: bool,
}

/// The training of a peer that takes part makes no progress, or does again, as that peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hang {
    /// The round that this peer was in, from 0.
    pub round: u32,
    /// That peer.
    pub peer: u32,
    /// False when it trains again.
    pub hangs: bool,
}

/// Something happens to this peer, as the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Churned {
    /// What the manifest calls it; the file's lines have `event` for what they are themselves.
    #[serde(rename = "what")]
    pub event: ChurnKind,
    /// The round that this peer was in, from 0.
    pub round: u32,
    /// How long it lasts, or how long the next process waits.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Interval>,
}

/// A process takes the place of one that died: what comes after this line is its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// The last round that the file tells of, from 0.
    pub round: u32,
    /// Which process of the peer it is: 1 for the second.
    pub incarnation: u32,
}

/// Too few peers take part, or enough again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The round that this peer was in, from 0.
    pub round: u32,
    /// Peers that take part.
    pub present: u32,
    /// Peers that have to.
    pub needed: u32,
    /// False when the run goes on.
    pub paused: bool,
}

/// A peer is wired to others in place of lost ones, or to none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The round that this peer was in, from 0.
    pub round: u32,
    /// Who is lost, ascending.
    #[serde(deserialize_with = "possible")]
    pub lost: Vec<u32>,
    /// The neighbours that it has beside those of the topology, ascending.
    #[serde(deserialize_with = "possible")]
    pub neighbours: Vec<u32>,
}
