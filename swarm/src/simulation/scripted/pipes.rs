//! Traffic on scripted links, and how connections end.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;

use super::{ScriptedEvent, ScriptedLinks};
use crate::{
    Time,
    message::{Message, PieceHeader},
    simulation::world::World,
    swarm::Departure,
};

/// How a link behaves in one direction.
#[derive(Clone, Copy, Debug)]
pub struct LinkProfile {
    /// Bytes a second.
    pub rate: f64,
    /// From the last byte sent to the last byte there.
    pub delay: Duration,
}

/// One direction of a link.
pub(super) struct Pipe {
    pub(super) profile: LinkProfile,
    /// When the transport has sent all that it has taken.
    free_at: Time,
    /// When the last control message arrives: they stay in order.
    control_at: Time,
    pub(super) corrupt_next: bool,
    /// Pieces are taken and never sent.
    pub(super) mute: bool,
}

impl Pipe {
    pub(super) fn new(profile: LinkProfile) -> Self {
        Self {
            profile,
            free_at: Time::ZERO,
            control_at: Time::ZERO,
            corrupt_next: false,
            mute: false,
        }
    }

    /// A connection begins.
    pub(super) fn begin(&mut self, now: Time) {
        self.free_at = now;
        self.control_at = now;
    }
}

/// One link; `connection` names the connection that exists, so that what belongs to an older one is dropped.
#[derive(Default)]
pub(super) struct Edge {
    pub(super) connection: Option<u64>,
    pub(super) severed: bool,
    /// None in the topology: whoever tries to make it there.
    dialled: Option<BTreeSet<u32>>,
}

impl Edge {
    /// Whether somebody tries to make a connection.
    pub(super) fn is_wanted(&self) -> bool {
        self.dialled.as_ref().is_none_or(|by| !by.is_empty())
    }

    /// There is one; beside the topology nobody makes the next one without being told.
    pub(super) fn reached(&mut self) {
        self.dialled.iter_mut().for_each(BTreeSet::clear);
    }
}

pub(super) fn ordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

impl World<ScriptedLinks> {
    /// Peers to which one has links, connected or not.
    pub(super) fn linked_to(&self, at: u32) -> Vec<u32> {
        let other = |&(a, b): &(u32, u32)| if a == at { Some(b) } else { (b == at).then_some(a) };
        self.links.edges.keys().filter_map(other).collect()
    }

    /// A peer tries to reach one that is no neighbour of its.
    pub(super) fn dial(&mut self, at: u32, peer: u32) {
        let links = &mut self.links;
        let new = || Edge {
            dialled: Some(BTreeSet::new()),
            ..Edge::default()
        };
        let edge = links.edges.entry(ordered(at, peer)).or_insert_with(new);
        edge.dialled.iter_mut().for_each(|by| by.extend([at]));
        for direction in [(at, peer), (peer, at)] {
            links.pipes.entry(direction).or_insert_with(|| Pipe::new(links.profile));
        }
        let (a, b) = ordered(at, peer);
        self.add(self.now + self.links.profile.delay, ScriptedEvent::Connect { a, b });
    }

    /// It does so no more.
    pub(super) fn hang_up(&mut self, at: u32, peer: u32) {
        if let Some(edge) = self.links.edges.get_mut(&ordered(at, peer)) {
            edge.dialled.iter_mut().for_each(|by| by.retain(|it| *it != at));
        }
        self.break_edge(at, peer, Departure::Broken("it is not needed any more".to_owned()));
    }

    pub(super) fn send(&mut self, from: u32, to: u32, message: Message) {
        let Some(connection) = self.connection(from, to) else {
            return;
        };
        let Some(pipe) = self.links.pipes.get_mut(&(from, to)) else {
            return;
        };
        let busy = Duration::from_secs_f64(message.encode().len() as f64 / pipe.profile.rate);
        // Control goes before pieces, yet its bytes take their time from them.
        pipe.free_at = pipe.free_at.max(self.now) + busy;
        pipe.control_at = pipe.control_at.max(self.now + busy + pipe.profile.delay);
        let arrival = pipe.control_at;
        self.add(
            arrival,
            ScriptedEvent::Message {
                from,
                to,
                connection,
                message,
            },
        );
    }

    pub(super) fn upload(&mut self, from: u32, to: u32, header: PieceHeader, data: Bytes) {
        let Some(connection) = self.connection(from, to) else {
            return;
        };
        let Some(pipe) = self.links.pipes.get_mut(&(from, to)) else {
            return;
        };
        if pipe.mute {
            return;
        }
        let size = PieceHeader::LEN + data.len();
        pipe.free_at = pipe.free_at.max(self.now) + Duration::from_secs_f64(size as f64 / pipe.profile.rate);
        let data = if std::mem::take(&mut pipe.corrupt_next) {
            damaged(&data)
        } else {
            data
        };
        let (sent, arrival) = (pipe.free_at, pipe.free_at + pipe.profile.delay);
        self.add(
            sent,
            ScriptedEvent::UploadEnded {
                at: from,
                to,
                connection,
                request: header.request,
            },
        );
        self.add(
            arrival,
            ScriptedEvent::Piece {
                from,
                to,
                connection,
                header,
                data,
            },
        );
    }

    /// Ends a connection: `a` has ended it, `b` hears of it after the link's delay.
    pub(super) fn break_edge(&mut self, a: u32, b: u32, departure: Departure) {
        let Some(connection) = self.connection(a, b) else {
            return;
        };
        let Some(pipe) = self.links.pipes.get(&(a, b)) else {
            return;
        };
        let heard = pipe.control_at.max(self.now + pipe.profile.delay);
        // The connection stays for what `a` sent before the end, as when it is closed with care.
        self.add(
            heard,
            ScriptedEvent::Disconnected {
                at: b,
                from: a,
                connection,
                departure: departure.clone(),
            },
        );
        if let Departure::Broken(why) = departure {
            if let Some(edge) = self.links.edges.get_mut(&ordered(a, b)) {
                edge.connection = None;
            }
            let here = ScriptedEvent::Disconnected {
                at: a,
                from: b,
                connection,
                departure: Departure::Broken(why),
            };
            self.add(self.now, here);
            self.add(heard + self.links.reconnect, ScriptedEvent::Connect { a, b });
        }
    }
}

fn damaged(data: &Bytes) -> Bytes {
    let mut copy = data.to_vec();
    if let Some(first) = copy.first_mut() {
        *first ^= 1;
    }
    copy.into()
}
