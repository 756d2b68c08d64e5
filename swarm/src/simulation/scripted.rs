//! Scripted links: lossless and ordered, each with a rate and a delay of its own, over which real bytes travel; a script breaks,
//! slows, silences and damages them. For tests.

mod liars;
mod network;
mod pipes;
mod script;

pub use liars::VoteLie;
pub use network::{Network, NetworkConfig};
pub use pipes::LinkProfile;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;

use self::pipes::{Edge, Pipe, ordered};
use super::world::{Links, World};
use crate::{
    message::{Message, PieceHeader},
    swarm::{Action, Departure},
    test_utils::{Host, Wish},
};

/// The links between the peers.
pub(super) struct ScriptedLinks {
    pipes: BTreeMap<(u32, u32), Pipe>,
    edges: BTreeMap<(u32, u32), Edge>,
    /// How every link behaves at first.
    profile: LinkProfile,
    /// How long after a break a connection is made again.
    reconnect: Duration,
    /// Connections that were ever made.
    connections: u64,
    /// Pieces that were withdrawn on their way: from, to, connection and request.
    aborted: BTreeSet<(u32, u32, u64, u32)>,
    /// Nodes that do not vote as they should.
    liars: BTreeMap<u32, VoteLie>,
    /// Each peer's invariants are checked whenever it has acted.
    checked: bool,
}

/// An event of scripted links. Those of a connection that is gone are dropped.
#[derive(Debug)]
pub(super) enum ScriptedEvent {
    Message {
        from: u32,
        to: u32,
        connection: u64,
        message: Message,
    },
    Piece {
        from: u32,
        to: u32,
        connection: u64,
        header: PieceHeader,
        data: Bytes,
    },
    UploadEnded {
        at: u32,
        to: u32,
        connection: u64,
        request: u32,
    },
    Disconnected {
        at: u32,
        from: u32,
        connection: u64,
        departure: Departure,
    },
    Connect {
        a: u32,
        b: u32,
    },
}

impl Links for ScriptedLinks {
    type Event = ScriptedEvent;
    type Peer = Host;

    fn happen(world: &mut World<Self>, event: ScriptedEvent) {
        world.link_event(event);
    }

    fn publish(world: &mut World<Self>, at: u32) {
        let now = world.now;
        let peer = &mut world.peers[at as usize];
        if peer.swarm.gives() {
            let signed = peer.own.train(peer.swarm.round());
            peer.swarm.publish(now, signed);
        }
    }

    fn carry_out(world: &mut World<Self>, at: u32, action: Action) {
        let now = world.now;
        let peer = &mut world.peers[at as usize];
        match peer.own.obey(now, &mut peer.swarm, action) {
            Some(Wish::Send { to, message }) => {
                let lie = world.links.liars.get(&at).copied();
                let config = &world.peers[at as usize].own.config;
                let said = match lie {
                    Some(lie) => lie.of(config, message),
                    None => Some(message),
                };
                if let Some(message) = said {
                    world.send(at, to, message);
                }
            }
            Some(Wish::Upload { to, header, data }) => world.upload(at, to, header, data),
            Some(Wish::AbortUpload { to, request }) => {
                if let Some(connection) = world.connection(at, to) {
                    world.links.aborted.insert((at, to, connection, request));
                }
            }
            Some(Wish::Complete { .. }) => world.go_on(at),
            Some(Wish::Adopt) => world.train(at),
            Some(Wish::Disconnect { peer, violation }) => {
                world.break_edge(at, peer, Departure::Broken(violation.to_string()));
            }
            Some(Wish::Dial { peer }) => world.dial(at, peer),
            Some(Wish::Hangup { peer }) => world.hang_up(at, peer),
            Some(Wish::End(departure)) => {
                world.stop(at);
                for neighbour in world.linked_to(at) {
                    world.break_edge(at, neighbour, departure.clone());
                }
            }
            Some(Wish::AbortDownload { .. }) | None => {}
        }
    }

    fn acted(world: &mut World<Self>, at: u32) {
        let peer = &mut world.peers[at as usize];
        if let Some(round) = peer.swarm.signed_round() {
            peer.own.note_signed(round);
        }
        if world.links.checked
            && let Err(what) = world.peers[at as usize].swarm.check()
        {
            panic!("peer {at}, step {}: {what}", world.steps());
        }
    }
}

impl World<ScriptedLinks> {
    fn link_event(&mut self, event: ScriptedEvent) {
        let now = self.now;
        match event {
            ScriptedEvent::Connect { a, b } => self.connect(a, b),
            ScriptedEvent::Message {
                from,
                to,
                connection,
                message,
            } => {
                if self.is_current(from, to, connection) {
                    let swarm = &mut self.peers[to as usize].swarm;
                    swarm.handle_message(now, from, message);
                    self.act(to);
                }
            }
            ScriptedEvent::Piece {
                from,
                to,
                connection,
                header,
                data,
            } => {
                let piece = (from, to, connection, header.request);
                let aborted = self.links.aborted.remove(&piece);
                if self.is_current(from, to, connection) && !aborted {
                    let peer = &mut self.peers[to as usize];
                    if let Some(hash) = peer.swarm.handle_piece_header(from, &header) {
                        peer.own.receive(now, &mut peer.swarm, from, (&header, data), &hash);
                    }
                    self.act(to);
                }
            }
            ScriptedEvent::UploadEnded {
                at,
                to,
                connection,
                request,
            } => {
                if self.is_current(at, to, connection) {
                    let swarm = &mut self.peers[at as usize].swarm;
                    swarm.handle_upload_ended(now, to, request, true);
                    self.act(at);
                }
            }
            ScriptedEvent::Disconnected {
                at,
                from,
                connection,
                departure,
            } => {
                // A newer connection has replaced it already.
                let replaced = self.connection(at, from) > Some(connection);
                if !replaced && self.is_running(at) {
                    let swarm = &mut self.peers[at as usize].swarm;
                    swarm.handle_disconnected(now, from, departure);
                    self.act(at);
                }
            }
        }
    }

    fn connect(&mut self, a: u32, b: u32) {
        let both_run = self.is_running(a) && self.is_running(b);
        let links = &mut self.links;
        let Some(edge) = links.edges.get_mut(&ordered(a, b)) else {
            return;
        };
        if edge.severed || edge.connection.is_some() || !both_run || !edge.is_wanted() {
            return;
        }
        edge.reached();
        links.connections += 1;
        edge.connection = Some(links.connections);
        for direction in [(a, b), (b, a)] {
            if let Some(pipe) = links.pipes.get_mut(&direction) {
                pipe.begin(self.now);
            }
        }
        for (at, peer) in [(a, b), (b, a)] {
            let swarm = &mut self.peers[at as usize].swarm;
            swarm.handle_connected(self.now, peer);
        }
        self.act(a);
        self.act(b);
    }

    fn connection(&self, a: u32, b: u32) -> Option<u64> {
        self.links.edges.get(&ordered(a, b))?.connection
    }

    fn is_current(&self, from: u32, to: u32, connection: u64) -> bool {
        self.is_running(to) && self.connection(from, to) == Some(connection)
    }
}
