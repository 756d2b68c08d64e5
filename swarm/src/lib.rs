//! The exchange of FLTorrent as state machines without I/O.
//!
//! Nothing in this crate reads a clock, opens a socket or draws randomness of its own: time comes in as an argument,
//! randomness as a seed. The same code runs in the real peer, in tests in virtual time, and in the simulator.
//!
//! The centre is [`Swarm`], one peer's view of the exchange. Its methods fall into three kinds:
//! - inputs: `handle_*`, [`Swarm::begin_round`] and [`Swarm::publish`], each with `now`;
//! - outputs: [`Swarm::poll_action`], to be called until it returns `None` after every input, and
//!   [`Swarm::poll_timeout`], the time at which [`Swarm::handle_timeout`] wants to be called;
//! - getters with `&self`.
//!
//! Time must never run backwards between two calls.

pub mod bitfield;
mod choices;
mod choke;
pub mod chunk;
pub mod churn;
mod config;
mod cuts;
mod early_stop;
mod equivocation;
#[cfg(feature = "test-utils")]
pub mod fuzzing;

mod limits;
pub mod message;
pub mod metainfo;
mod neighbour;
mod rate;
mod repair;
mod requests;
mod round;
mod rules;
mod selection;
pub mod sending;
mod signed;
pub mod simulation;
mod statement;
mod suppliers;
mod swarm;
#[cfg(feature = "test-utils")]
pub mod test_utils;
mod view;
mod vote;
mod wire;

pub use bitfield::Bitfield;
pub use choke::ChokePolicyKind;
pub use chunk::{ChunkId, ChunkLayout};
pub use config::{Beginning, Config, EarlierUpdates, Kept};
pub use early_stop::{Convergence, EarlyStop, StopRecord, StopRules};
pub use equivocation::{Equivocation, EquivocationError};
pub use message::{Hello, HelloMismatch, Message, PieceHeader};
pub use metainfo::{
    EvaluationCounts, KnownMetainfo, Metainfo, Miscount, OriginCounts, PieceFault, Signed, Signer, Verifier,
    check_piece,
};
pub use repair::Repair;
pub use round::RoundPhase;
pub use rules::{Deadline, OnPeerLoss, RoundRules};
pub use selection::ChunkSelection;
pub use suppliers::{Forest, Graph, Trees, UplinkRate};
pub use swarm::{
    Action, Adoption, Bottleneck, Departure, EndCause, Failure, Notice, Owed, Precedence, Recall, RoundEnd, Stats,
    Swarm, Violation, Wait,
};

/// Time since any fixed moment, the same for all calls to one state machine.
pub type Time = std::time::Duration;
