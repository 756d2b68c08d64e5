//! Runs in virtual time over access links: how long an exchange will take before anybody has started a machine.
//!
//! [`Simulation`] drives the very state machines of the real peer ([`crate::Swarm`], not one rule is simulated) over a model
//! of its transport, packet by packet:
//! - every peer has one link to the network: a token bucket with a bounded queue in each direction, first in, first out,
//!   shared by all its connections and by their acknowledgements; a one-way delay that may wander, and random loss, both
//!   drawn from the scenario's seed; nothing else is slow;
//! - every connection has a window (Cubic as quinn runs it, within [`crate::sending::WindowBound`]), a control stream that goes before pieces, and pieces strictly in
//!   order; what overflows a queue is lost, found out by later acknowledgements or a time-out, and sent again;
//! - an upload has ended for the state machine when the transport has *taken* it, which holds
//!   [`crate::sending::held_for_sending`] bytes that are not acknowledged, as in the real peer;
//! - every packet pays for its headers ([`TransportModel::overhead`]), acknowledgements ride on packets of the other
//!   direction where there are any;
//! - what happens to peers ([`PeerScenario::churn`]) happens: they leave, die, stand still, are started anew or later, and connections end by
//!   silence and are made anew;
//! - a peer trains for as long as the scenario says; hashing, signing and folding take no time.
//!
//! Pieces have no content here: no bytes are made, copied or hashed. Moving
//! real bytes through scripted faults is what the links in `scripted` are for, which tests use. Every run is deterministic: the
//! same scenario gives the same events in the same order.
//!
//! Not modelled: pacing of packets within a window, reordering, and CPU time.

mod access;
mod agenda;
mod cohorts;
mod figures;
mod run;
mod scenario;
#[cfg(feature = "test-utils")]
mod scripted;
mod world;

pub use cohorts::CohortError;
pub use figures::{PeerFigures, RoundFigures};
pub use run::Simulation;
pub use scenario::{Access, Lane, PeerScenario, Scenario, SimulationError, TransportModel};
#[cfg(feature = "test-utils")]
pub use scripted::{LinkProfile, Network, NetworkConfig, VoteLie};
