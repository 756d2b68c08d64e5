//! Reaching the neighbours with higher indices, and reaching them again after a break.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fltorrent_coordinator::identity::{Identity, RunId};
use quinn::{Connection, Endpoint};

use super::{
    Event,
    connection::{self, LinkError},
    endpoint::{Shared, identify},
};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// Whom to dial.
pub(super) struct Target {
    pub(super) peer: u32,
    pub(super) address: SocketAddr,
    pub(super) run: RunId,
}

/// Dials until there is a connection, waits until it is gone, and starts again.
pub(super) async fn keep_dialling(endpoint: Endpoint, target: Target, shared: Arc<Shared>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        match dial(&endpoint, &target, &shared).await {
            Ok(connection) => {
                backoff = FIRST_BACKOFF;
                connection.closed().await;
            }
            Err(error) => {
                let reason = match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
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
        // Neighbours that broke off together do not all come back at the same moment.
        let spread = Duration::from_millis(u64::from((shared.me * 7 + target.peer * 13) % 32));
        tokio::time::sleep(backoff + spread).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn dial(
    endpoint: &Endpoint,
    target: &Target,
    shared: &Shared,
) -> Result<Connection, LinkError> {
    // The name leaves out the attempt; `identify` checks it.
    let name = Identity::peer(target.run, target.peer, 0).server_name();
    let connection = endpoint.connect(target.address, &name)?.await?;
    identify(&connection, shared)?;
    connection::open(connection.clone(), target.peer, shared).await?;
    Ok(connection)
}
