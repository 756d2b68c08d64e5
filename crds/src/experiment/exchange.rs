//! The exchange of chunks.

use fltorrent_swarm::{ChokePolicyKind, ChunkSelection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Interval, TimeLimit};

/// The exchange of chunks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Exchange {
    /// Neighbours served at once, with titForTat the optimistic one included.
    #[schemars(range(min = 1, max = 10_000))]
    pub upload_slots: u32,
    /// Longest time between two choices of whom to serve, 1ms to 1h.
    pub unchoke_interval: Interval,
    /// Longest time between two changes of the optimistic choice of titForTat, from unchokeInterval to 24h.
    pub optimistic_unchoke_interval: Interval,
    /// Whom of the interested neighbours a peer serves.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(description = ChokePolicyKind::description(), extend("default" = ChokePolicyKind::default()))]
    pub choke_policy: ChokePolicyKind,
    /// Which missing chunk is asked for first.
    #[schemars(description = ChunkSelection::description())]
    pub chunk_selection: ChunkSelection,
    /// Chunks that an update is cut into. Without it: chunks of 32 KiB, but 10 to 40 of them, or more where a chunk would
    /// pass 256 KiB, and never more than the model has parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub num_chunks: Option<u32>,
    /// RAM for chunks; the rest is kept in a file.
    pub memory_budget: ByteSize,
    /// When a round closes that not all peers have completed.
    pub round: Round,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            upload_slots: 32,
            unchoke_interval: Interval::from_secs(10),
            optimistic_unchoke_interval: Interval::from_secs(30),
            choke_policy: ChokePolicyKind::default(),
            chunk_selection: ChunkSelection::default(),
            num_chunks: None,
            memory_budget: ByteSize::from_mebibytes(256),
            round: Round::default(),
        }
    }
}

/// When a round closes that not all peers have completed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Round {
    /// Share of the peers whose whole updates are enough to close a round, once nothing new has come for patience; 1 waits for every
    /// peer that is there.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub quorum: f64,
    /// How long nothing new has to have come, 1ms to 1h, before a round closes without absent peers or with its quorum.
    pub patience: Interval,
    /// How long a round may last before it closes with the chunks that are there, 100ms to 168h: auto goes by the rounds before,
    /// none waits for all that are there, for a vote that is overdue as long as pauseLimit says.
    pub deadline: TimeLimit,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            quorum: 1.0,
            patience: Interval::from_secs(3),
            deadline: TimeLimit::Auto,
        }
    }
}

/// Peers of an image before the field was there refuse it, so that it is told to them where it says something.
fn is_default(policy: &ChokePolicyKind) -> bool {
    *policy == ChokePolicyKind::default()
}
