//! What a plan leaves open: addresses, ports, keys. Filled by the launcher, a nodes file, or the cluster.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::PeerAddress;

/// A launcher's answer to a peer's [`Announcement`]: everything that the peer needs beside the manifest and its index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bindings {
    /// Identifies this run among all runs of the manifest; 16 random bytes in hex.
    pub run: String,
    /// Counts restarts of the run, from 0.
    pub attempt: u32,
    /// Counts the processes of this peer within the attempt, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub incarnation: u32,
    /// The experiment's authority, PEM.
    pub authority: String,
    /// This peer's certificate signed by the authority, PEM.
    pub certificate: String,
    /// Where each peer of the plan listens (QUIC), in index order.
    pub addresses: Vec<PeerAddress>,
    /// Where `bt_complete` goes; none: nowhere.
    pub coordinator: Option<PeerAddress>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_first(incarnation: &u32) -> bool {
    *incarnation == 0
}

/// What a peer tells its launcher as soon as it listens: one line of JSON on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Announcement {
    /// The peer's index in the plan.
    pub index: u32,
    /// Request for a certificate under the key that this peer made, PEM.
    pub certificate_request: String,
    /// Where it listens for its neighbours (QUIC).
    pub address: SocketAddr,
    /// Where it serves `/metrics`, `/healthz` and `/readyz` (HTTP).
    pub metrics: SocketAddr,
}
