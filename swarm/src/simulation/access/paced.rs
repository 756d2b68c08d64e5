//! A peer that shares its uplink among its connections by rule: what takes precedence goes first, and no faster than the uplink carries.

use super::{AccessEvent, AccessLinks, window::Uplink};
use crate::{Time, sending::MEASURED, simulation::world::World};

/// The uplink of such a peer.
#[derive(Debug)]
pub(super) struct PacedUplink {
    pub(super) uplink: Uplink,
    /// An event will look at it again.
    is_due: bool,
    /// When it was looked at what it carries.
    measured_at: Time,
}

impl PacedUplink {
    pub(super) fn new(uplink: Uplink) -> Self {
        Self {
            uplink,
            is_due: false,
            measured_at: Time::ZERO,
        }
    }
}

impl World<AccessLinks> {
    /// The uplink may have room again.
    pub(super) fn goes_on(&mut self, peer: u32) {
        if let Some(until) = self.peers[peer as usize].asleep {
            return self.add(until, AccessEvent::Paced { peer });
        }
        if let Some(uplink) = &mut self.links.paced[peer as usize] {
            uplink.is_due = false;
        }
        self.pump_peer(peer);
        self.measure(peer);
    }

    /// The peer sees what its uplink carries, where nobody declares that.
    fn measure(&mut self, peer: u32) {
        let Some(paced) = &mut self.links.paced[peer as usize] else {
            return;
        };
        if self.now < paced.measured_at + MEASURED {
            return;
        }
        paced.measured_at = self.now;
        let rate = paced.uplink.lock().measured();
        let swarm = &mut self.peers[peer as usize].swarm;
        if rate.and_then(|rate| swarm.measured_uplink(self.now, rate)).is_some() {
            self.act(peer);
        }
    }

    /// Sends what goes first of all that a peer's connections have, as fast as its uplink carries it.
    pub(super) fn pump_peer(&mut self, peer: u32) {
        while let Some((flow, is_piece)) = self.goes_first(peer) {
            let Some(uplink) = &mut self.links.paced[peer as usize] else {
                return;
            };
            let pause = {
                let mut link = uplink.uplink.lock();
                if link.must_look(self.now) {
                    link.observe(self.now, self.links.up[peer as usize].queue(self.now));
                }
                link.wait(self.now).filter(|_| is_piece)
            };
            if let Some(pause) = pause {
                if !std::mem::replace(&mut uplink.is_due, true) {
                    self.add(self.now + pause, AccessEvent::Paced { peer });
                }
                return;
            }
            if !self.send_packet(flow, false) {
                return;
            }
        }
    }

    /// The connection whose turn it is, and whether it sends a piece.
    fn goes_first(&self, peer: u32) -> Option<(u32, bool)> {
        let payload = self.links.transport.payload;
        let swarm = &self.peers[peer as usize].swarm;
        let ready = self.peers[peer as usize].own.flows.iter().filter_map(|&(to, flow)| {
            let connection = &self.links.flows[flow as usize];
            let is_urgent = connection.ready(payload)?;
            let piece = connection.next_piece().filter(|_| !is_urgent);
            Some((is_urgent, piece.map(|header| swarm.precedence(to, header.chunk)), flow))
        });
        let (is_urgent, _, flow) = ready.max()?;
        Some((flow, !is_urgent))
    }
}
