//! Events of the transport, handed to the swarm.

use fltorrent_swarm::{ChunkId, Departure, PieceHeader};

use super::{Driver, RunError};
use crate::{
    news::News,
    store::StoreError,
    transport::{CLOSE_REPLACED, CLOSE_SPARE, Event, Link, LinkEvent},
};

/// What a peer hears whose connection is closed since no loss asks for it any more.
const SPARE: &str = "no peer is lost that it stands for";

impl Driver {
    pub(super) fn take(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Connected(link) => self.connected(link),
            Event::Unreachable { peer, reason } => {
                self.observer.tell(News::Away {
                    neighbour: peer,
                    why: reason.clone(),
                });
                self.parts.swarm.handle_unreachable(peer, reason);
            }
            Event::Stranger {
                from,
                reason,
                is_ending,
            } => self.observer.tell(News::Stranger {
                from,
                why: reason,
                is_ending,
            }),
            Event::Link {
                peer,
                generation,
                event,
            } => {
                let is_current = self
                    .links
                    .get(&peer)
                    .is_some_and(|link| link.generation() == generation);
                if is_current {
                    self.happened(peer, event)?;
                    self.weigh(peer);
                }
            }
        }
        Ok(())
    }

    /// What a neighbour still asks for says how urgent its pieces are.
    fn weigh(&self, peer: u32) {
        if let Some(link) = self.links.get(&peer) {
            link.set_left(self.parts.swarm.left_for(peer));
        }
    }

    fn connected(&mut self, link: Link) {
        let (now, peer) = (self.now(), link.peer());
        if !self.parts.transport.takes(&link) {
            return link.close(CLOSE_SPARE, SPARE);
        }
        tracing::info!(neighbour = peer, "connected");
        if let Some(old) = self.links.insert(peer, link) {
            self.observer.link_gone(old.figures());
            old.close(CLOSE_REPLACED, "there is a newer connection");
            let departure = Departure::Broken("it has made a newer connection".to_owned());
            self.parts.swarm.handle_disconnected(now, peer, departure);
        }
        self.parts.swarm.handle_connected(now, peer);
    }

    /// Closes the connection to a peer that is no neighbour in the topology.
    pub(super) fn hang_up(&mut self, peer: u32) {
        self.parts.transport.hang_up(peer);
        if let Some(link) = self.links.remove(&peer) {
            self.observer.link_gone(link.figures());
            link.close(CLOSE_SPARE, SPARE);
        }
    }

    fn happened(&mut self, peer: u32, event: LinkEvent) -> Result<(), RunError> {
        let now = self.now();
        let swarm = &mut self.parts.swarm;
        match event {
            LinkEvent::Message(message) => {
                let known = swarm.is_open(peer);
                swarm.handle_message(now, peer, message);
                if !known && swarm.is_open(peer) {
                    self.observer.tell(News::Met { neighbour: peer });
                }
            }
            LinkEvent::Drained => swarm.handle_drained(now, peer),
            LinkEvent::Garbage(error) => swarm.handle_garbage(now, peer, error),
            LinkEvent::PieceHeader { header, expected } => {
                // A stream whose connection has gone no longer waits for the answer.
                expected.send(swarm.handle_piece_header(peer, &header)).ok();
            }
            LinkEvent::Piece {
                header,
                data,
                cpu_elsewhere,
            } => {
                self.observer.worked_elsewhere(cpu_elsewhere);
                let checked = data.as_ref().map(drop).map_err(|&fault| fault);
                let kept = swarm.handle_piece(now, peer, &header, checked);
                if let (Some(chunk), Ok(data)) = (kept, data) {
                    self.observer.stored(now, chunk.origin);
                    self.hold(chunk.round);
                    self.parts.store.put(chunk, data)?;
                }
            }
            LinkEvent::PieceFailed { request } => swarm.handle_piece_failed(now, peer, request),
            LinkEvent::UploadEnded { request, sent } => {
                let bytes = u64::from(sent.unwrap_or(0));
                self.observer.uploaded(peer, bytes);
                swarm.handle_upload_ended(now, peer, request, sent.is_some());
            }
            LinkEvent::Closed(departure) => {
                tracing::info!(neighbour = peer, %departure, "disconnected");
                if let Some(link) = self.links.remove(&peer) {
                    self.observer.link_gone(link.figures());
                }
                if let Departure::Broken(why) = &departure {
                    let (neighbour, why) = (peer, why.clone());
                    self.observer.tell(News::Away { neighbour, why });
                }
                swarm.handle_disconnected(now, peer, departure);
            }
        }
        Ok(())
    }

    pub(super) fn upload(&mut self, to: u32, request: u32, chunk: ChunkId) -> Result<(), RunError> {
        let Some(link) = self.links.get(&to) else {
            return Ok(());
        };
        let data = match self.parts.store.get(chunk) {
            Ok(data) => data,
            // It was released meanwhile.
            Err(StoreError::Missing { .. }) => {
                let now = self.now();
                self.parts.swarm.handle_upload_ended(now, to, request, false);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        link.upload(
            PieceHeader {
                request,
                chunk,
                length: data.len() as u32,
            },
            data,
            self.parts.swarm.precedence(to, chunk),
        );
        Ok(())
    }
}
