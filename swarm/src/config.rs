//! The configuration of one peer's swarm; all of it follows from the plan and the bindings.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    choke::ChokePolicyKind,
    chunk::ChunkLayout,
    early_stop::EarlyStop,
    message::{Hello, Limits},
    metainfo::OriginCounts,
    repair::Repair,
    rules::{Deadline, OnPeerLoss, RoundRules},
    selection::ChunkSelection,
    suppliers::Forest,
};

/// How a peer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// With all the others, in the first round.
    #[default]
    Together,
    /// The others may be in any round: it catches up with them first.
    CatchUp(EarlierUpdates),
}

/// The updates that earlier processes of a peer may have signed. It signs none of those rounds, since nobody signs two updates of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierUpdates {
    /// There was no earlier process, or it signed nothing.
    Nothing,
    /// None after this round.
    UpTo(u32),
    /// Nobody knows.
    Unknown,
}

/// Rounds that a peer may have been ahead of others: whoever takes part is in the round that they are in, or has closed it and
/// signed an update of the next one.
const AHEAD: u32 = 2;

impl EarlierUpdates {
    /// The first round of which a peer may sign an update that takes part from round `from` on.
    pub(crate) fn gives_from(self, from: u32) -> u32 {
        match self {
            Self::Nothing => from,
            Self::UpTo(round) => from.max(round.saturating_add(1)),
            Self::Unknown => from.saturating_add(AHEAD),
        }
    }
}

/// What earlier processes of a peer have kept. It is asked for by hash, so that nobody has to trust it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Rounds of which there are chunks.
    pub rounds: BTreeSet<u32>,
    /// Whether there is a model of some round.
    pub has_model: bool,
}

/// The configuration of one peer's swarm.
#[derive(Clone, Debug)]
pub struct Config {
    /// This peer's hello: its index, the run, the plan's and the data's hash, and where it starts.
    pub hello: Hello,
    /// Peers of the plan.
    pub peers: u32,
    /// Indices of this peer's neighbours.
    pub neighbours: Vec<u32>,
    /// How updates are cut.
    pub layout: ChunkLayout,
    /// Rounds of the run, ≥ 1 and more than the first one's number.
    pub rounds: u32,
    /// The counts that each origin has to sign; none where there is no data, as in a simulation.
    pub counts: Option<Arc<[OriginCounts]>>,
    /// The rules of early stop.
    pub early_stop: Option<EarlyStop>,
    /// Neighbours served at once, the optimistic one included, ≥ 1.
    pub upload_slots: u32,
    /// Upper bound of the time between two choices of whom to serve.
    pub unchoke_interval: Duration,
    /// Upper bound of the time between two rotations of the optimistic slot.
    pub optimistic_interval: Duration,
    /// The choice of the neighbours that it serves.
    pub choke_policy: ChokePolicyKind,
    /// The order in which missing chunks are asked for.
    pub selection: ChunkSelection,
    /// Who is wired to whom: the neighbours of every peer; empty where it does not matter, since a loss ends the run.
    pub topology: Arc<[Vec<u32>]>,
    /// Peers that join later, ascending: all begin without them.
    pub late: Arc<[u32]>,
    /// The trees that say who supplies whom, for a selection that has suppliers; none: whoever has a chunk is asked for it.
    pub forest: Option<Arc<Forest>>,
    /// How the neighbours of lost peers are wired.
    pub repair: Repair,
    /// Seed of what all peers choose alike.
    pub common_seed: u64,
    /// What becomes of the run when a neighbour is lost.
    pub on_peer_loss: OnPeerLoss,
    /// Peers that have to take part for a round to close, ≥ 1.
    pub min_peers: u32,
    /// How long fewer may take part before the run fails.
    pub pause_limit: Duration,
    /// When a round may close that is not complete.
    pub round_rules: RoundRules,
    /// How long this peer's training may make no progress before it says that nobody shall wait for its update.
    pub progress_lease: Deadline,
    /// How long a neighbour that was met may be away before it counts as lost, where a loss ends the run.
    pub lost_after: Duration,
    /// How long a neighbour that was never met is waited for: it may be started later.
    pub join_within: Duration,
    /// How it begins.
    pub beginning: Beginning,
    /// What its earlier processes have kept.
    pub kept: Kept,
    /// Whether it has the model that the first round begins with. Who has not takes over that of the first round, once it has ended.
    pub has_first_model: bool,
    /// Seed of the peer's own choices.
    pub seed: u64,
}

impl Config {
    /// This peer's index.
    pub fn me(&self) -> u32 {
        self.hello.peer
    }

    /// The round that this peer starts with: 0, or the one after its checkpoint's.
    pub fn first_round(&self) -> u32 {
        self.hello.first_round
    }

    /// The bounds of messages.
    pub fn limits(&self) -> Limits {
        Limits {
            peers: self.peers,
            chunks: self.layout.chunks(),
        }
    }
}
