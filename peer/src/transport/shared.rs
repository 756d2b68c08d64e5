//! The common state of all connections' tasks, and how they report to the driver.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fltorrent_coordinator::identity::{Role, identity_of};
use fltorrent_crds::plan::RetryPlan;
use fltorrent_swarm::message::Limits;
use quinn::{ClientConfig, Connection};
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::{Event, Generation, LinkEvent, door::Door, error::LinkError, uplink::Uplink};
use crate::buffers::Buffers;

/// How long a handshake may take, whoever has begun it.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);

/// The common state of all connections' tasks.
pub(super) struct Shared {
    pub(super) me: u32,
    pub(super) attempt: u32,
    /// The last connection of each neighbour that has dialled this peer.
    pub(super) accepted: Mutex<BTreeMap<u32, Connection>>,
    pub(super) neighbours: Vec<u32>,
    /// Peers that join later.
    pub(super) late: Vec<u32>,
    /// Whether others than neighbours may connect: who is wired to whom changes with losses.
    pub(super) is_open: bool,
    /// When neighbours that cannot be reached are tried again.
    pub(super) retries: RetryPlan,
    pub(super) limits: Limits,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) buffers: Buffers,
    pub(super) door: Door,
    /// Where connections share the uplink by rule.
    pub(super) uplink: Option<Arc<Uplink>>,
    /// The configuration of new connections.
    pub(super) client: Mutex<ClientConfig>,
}

impl Shared {
    pub(super) fn client(&self) -> ClientConfig {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a process begins when others run already: it takes the place of another one, or joins later.
    pub(super) fn comes_later(&self, peer: u32, incarnation: u32) -> bool {
        incarnation > 0 || self.late.contains(&peer)
    }

    pub(super) fn note_accepted(&self, peer: u32, connection: Connection) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.retain(|_, connection| connection.close_reason().is_none());
        accepted.insert(peer, connection);
    }

    /// The open connection of a neighbour that has dialled this peer.
    pub(super) fn accepted_from(&self, peer: u32) -> Option<Connection> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = accepted.get(&peer)?;
        connection.close_reason().is_none().then(|| connection.clone())
    }

    /// Tells of a refusal, as long as there are not too many.
    pub(super) async fn refused(&self, from: SocketAddr, reason: String) {
        self.came_to_nothing(from, reason, false).await;
    }

    /// Tells of somebody who did not get in: was refused, or is ending.
    pub(super) async fn came_to_nothing(&self, from: SocketAddr, reason: String, is_ending: bool) {
        let Some(untold) = self.door.may_tell() else {
            return;
        };
        // IPv4 addresses look like themselves, whatever kind of socket they came through.
        let address = from.ip().to_canonical();
        tracing::warn!(from = %address, port = from.port(), reason, is_ending, untold, "a connection did not come about");
        let from = address;
        // A driver that has gone needs no news.
        self.events
            .send(Event::Stranger {
                from,
                reason,
                is_ending,
            })
            .await
            .ok();
    }

    /// The neighbour on the other side, and the number of its process, by the certificate that TLS has verified.
    pub(super) fn identify(&self, connection: &Connection) -> Result<(u32, u32), LinkError> {
        let chain = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .ok_or(LinkError::NoCertificate)?;
        let identity = identity_of(chain.first().ok_or(LinkError::NoCertificate)?)?;
        let Role::Peer {
            index,
            attempt,
            incarnation,
        } = identity.role
        else {
            return Err(LinkError::NotAPeer);
        };
        if attempt != self.attempt {
            return Err(LinkError::Attempt {
                found: attempt,
                expected: self.attempt,
            });
        }
        if !self.is_open && !self.neighbours.contains(&index) {
            return Err(LinkError::NotANeighbour {
                peer: index,
                me: self.me,
            });
        }
        Ok((index, incarnation))
    }
}

/// Sends what happens on one connection to the driver.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) peer: u32,
    pub(super) generation: Generation,
    pub(super) events: mpsc::Sender<Event>,
}

impl Reporter {
    /// False when the driver is gone.
    pub(super) async fn report(&self, event: LinkEvent) -> bool {
        let (peer, generation) = (self.peer, self.generation);
        self.events
            .send(Event::Link {
                peer,
                generation,
                event,
            })
            .await
            .is_ok()
    }
}
