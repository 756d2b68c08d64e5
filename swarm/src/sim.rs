//! Swarms in virtual time: the same state machines over reliable, ordered links with a rate and a delay.
//!
//! The network is deterministic: the same configuration and script give the same run, event by event.

mod event;
mod network;
mod node;
mod script;

pub use network::{LinkProfile, Network, NetworkConfig};
pub use node::{KeyedVerifier, Outcome, origin_data, origin_metainfo, sign};
