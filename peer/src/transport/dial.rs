//! Reaching the neighbours with lower indices, and reaching them again after a break. A process that takes the place of another one
//! reaches all of them once: they may hold the connection of the process that is gone.
//!
//! Peers are started in the order of their indices, on a laptop, on a cluster and mostly by hand: whoever is dialled is there
//! already.

use std::{convert::Infallible, io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use fltorrent_coordinator::{
    backoff::{Backoff, JitteredBackoff},
    identity::{Identity, RunId},
};
use fltorrent_crds::PeerAddress;
use quinn::{Connection, Endpoint};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use super::{
    Event, LinkError, connection, probe,
    shared::{HANDSHAKE, Shared},
};
use crate::retries;

/// Waits between two tries, unless the plan gives others.
const WAITS: Backoff = Backoff {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(2),
};
/// How long after the start a name is looked up first. A cluster's DNS knows a pod some tenths of a second after the pod
/// runs, and who asks before that is told for the next five seconds, as is everybody else, that there is no such name.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// A connection that lasted shorter was refused right after it was made, so that the next one is not tried at once.
const LASTING: Duration = Duration::from_secs(5);

/// The neighbour to dial.
pub(super) struct Target {
    pub(super) peer: u32,
    pub(super) address: PeerAddress,
    pub(super) run: RunId,
}

/// Dials until there is a connection, waits until it is gone, and starts again.
pub(super) async fn keep_dialling(endpoint: Endpoint, target: Target, shared: Arc<Shared>) {
    let mut waits = waits(&shared, target.peer);
    sleep(first_wait(&target.address)).await;
    for attempt in 0.. {
        // It may have dialled this peer first: it is a new process.
        if let Some(connection) = shared.accepted_from(target.peer) {
            connection.closed().await;
        }
        let connected = connect(&endpoint, &target, attempt, &shared).await;
        match open(connected, &target, &shared).await {
            Ok(connection) => {
                // From now on this neighbour dials, which knows where this process is.
                if target.peer > shared.me {
                    return;
                }
                let since = Instant::now();
                connection.closed().await;
                if since.elapsed() > LASTING {
                    waits.reset();
                }
            }
            Err(error) => {
                let reason = crate::chain(&error);
                tracing::debug!(neighbour = target.peer, address = %target.address, reason, "not reached");
                let event = Event::Unreachable {
                    peer: target.peer,
                    reason,
                };
                if shared.events.send(event).await.is_err() {
                    return;
                }
            }
        }
        sleep(waits.next_wait()).await;
    }
}

/// Dials until there is a connection, or nobody wants one any more, which ends `wanted`.
pub(super) async fn reach(
    endpoint: Endpoint,
    target: Target,
    shared: Arc<Shared>,
    mut wanted: oneshot::Receiver<Infallible>,
) {
    let mut waits = waits(&shared, target.peer);
    for attempt in 0.. {
        let connected = tokio::select! {
            connected = connect(&endpoint, &target, attempt, &shared) => connected,
            _ = &mut wanted => return,
        };
        // From here on the driver says what becomes of it.
        match open(connected, &target, &shared).await {
            Ok(_) => return,
            Err(error) => {
                let reason = crate::chain(&error);
                tracing::debug!(peer = target.peer, address = %target.address, reason, "not reached");
            }
        }
        tokio::select! {
            () = sleep(waits.next_wait()) => {}
            _ = &mut wanted => return,
        }
    }
}

/// The waits between tries of a peer. Neighbours that broke off together do not all come back at the same moment.
fn waits(shared: &Shared, peer: u32) -> JitteredBackoff {
    let seed = u64::from(shared.me) << 32 | u64::from(peer);
    retries::waits(&shared.retries, WAITS, seed)
}

fn first_wait(address: &PeerAddress) -> Duration {
    match address.ip() {
        Some(_) => Duration::ZERO,
        None => FIRST_LOOK,
    }
}

async fn connect(
    endpoint: &Endpoint,
    target: &Target,
    attempt: usize,
    shared: &Shared,
) -> Result<Connection, LinkError> {
    let address = resolve(endpoint, &target.address, attempt).await?;
    // The name leaves out the attempt; `identify` checks it.
    let name = Identity::peer(target.run, target.peer, 0, 0).server_name();
    let connecting = endpoint.connect_with(shared.client(), address, &name)?;
    let connection = tokio::select! {
        // QUIC itself sends its first packet less and less often, and a neighbour that starts late would be found late.
        connected = timeout(HANDSHAKE, connecting) => {
            connected.map_err(|_| LinkError::NoAnswer { port: address.port() })??
        }
        source = probe::refusal(address) => return Err(match source.kind() {
            ErrorKind::ConnectionRefused => LinkError::Refused { source },
            _ => LinkError::NoWay { port: address.port(), source },
        }),
    };
    shared.identify(&connection)?;
    Ok(connection)
}

/// Hands a connection to the driver.
async fn open(
    connected: Result<Connection, LinkError>,
    target: &Target,
    shared: &Shared,
) -> Result<Connection, LinkError> {
    let connection = connected?;
    connection::open(connection.clone(), target.peer, shared).await?;
    Ok(connection)
}

/// One of the host's addresses that this socket can reach, another one at each attempt. Names are looked up each time,
/// since they may change or appear while a neighbour is waited for.
async fn resolve(endpoint: &Endpoint, address: &PeerAddress, attempt: usize) -> Result<SocketAddr, LinkError> {
    let found: Vec<SocketAddr> = match address.ip() {
        Some(address) => vec![address],
        None => tokio::net::lookup_host((address.host(), address.port()))
            .await
            .map_err(|source| LinkError::Resolve {
                host: address.host().to_owned(),
                source,
            })?
            .collect(),
    };
    // Only a socket at the address `::` sends to both kinds.
    let own = endpoint.local_addr().ok();
    let reaches = |address: &SocketAddr| match own {
        Some(SocketAddr::V4(_)) => address.is_ipv4(),
        Some(SocketAddr::V6(own)) => own.ip().is_unspecified() || address.is_ipv6(),
        None => true,
    };
    let usable: Vec<SocketAddr> = found.into_iter().filter(reaches).collect();
    usable
        .get(attempt % usable.len().max(1))
        .copied()
        .ok_or(LinkError::OtherFamily)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_given_time_to_appear() {
        let wait = |text: &str| first_wait(&text.parse().unwrap());
        assert_eq!(wait("10.0.0.1:7400"), Duration::ZERO);
        assert_eq!(wait("[fd77::1]:7400"), Duration::ZERO);
        assert_eq!(wait("peer-3.quickstart:7400"), FIRST_LOOK);
    }
}
