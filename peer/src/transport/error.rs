//! Why there is no link to a neighbour.

use std::time::Duration;

use fltorrent_coordinator::identity::IdentityError;
use quinn::{ConnectError, ConnectionError};
use thiserror::Error;

use super::explain::explain;

/// How long the one that dialled may take to open the control stream.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no link to a neighbour.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum LinkError {
    #[error("it cannot be dialled")]
    Connect(#[from] ConnectError),
    #[error("the host {host} cannot be resolved; check it in the nodes file, and DNS or /etc/hosts here")]
    Resolve { host: String, source: std::io::Error },
    #[error(
        "its addresses are IPv6 and the one at which this peer listens is IPv4, or the other way round; let this peer listen at :: or give both the same kind"
    )]
    OtherFamily,
    #[error("it refuses: check that it runs there, and its address and port in the nodes file")]
    Refused { source: std::io::Error },
    #[error(
        "no route to it: check its address in the nodes file, its machine, and that routes and firewalls, here too, let UDP port {port} through"
    )]
    NoWay { port: u16, source: std::io::Error },
    #[error("no answer: check that the machine is up and has this address, and that firewalls let UDP port {port} in")]
    NoAnswer { port: u16 },
    #[error("{}", explain(.0))]
    Connection(ConnectionError),
    #[error("no control stream within {OPEN_TIMEOUT:?}")]
    NoControlStream,
    #[error("it showed no certificate")]
    NoCertificate,
    #[error("its certificate names nobody")]
    Identity(#[from] IdentityError),
    #[error("its certificate is not a peer's")]
    NotAPeer,
    #[error("it belongs to attempt {found} of the run, this peer to attempt {expected}")]
    Attempt { found: u32, expected: u32 },
    #[error("peer {peer} is not a neighbour of peer {me}")]
    NotANeighbour { peer: u32, me: u32 },
    #[error("peer {peer} has to wait to be dialled")]
    WrongDirection { peer: u32 },
}

impl From<ConnectionError> for LinkError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}
