//! Packets: sent as windows allow, acknowledged, and what they bring.

use super::{
    AccessLinks,
    event::{AccessEvent, NO_PACKET},
    flow::{Arrived, Control, Flow},
    window::ACK_DELAY,
};
use crate::{message::Message, simulation::world::World, swarm::Departure};

/// Lists that are kept to be used again.
const MOST_SPARE: usize = 4096;

impl World<AccessLinks> {
    pub(super) fn bytes_of(&self, flow: u32, packet: u64) -> u32 {
        if packet == NO_PACKET {
            return self.links.transport.acknowledgement;
        }
        self.links.flows[flow as usize].payload_of(packet) + self.links.transport.overhead
    }

    /// Sends what a connection has and its window allows.
    pub(super) fn pump(&mut self, flow: u32) {
        let from = self.links.flows[flow as usize].from;
        if self.links.paced[from as usize].is_some() {
            return self.pump_peer(from);
        }
        while self.send_packet(flow, false) {}
    }

    pub(super) fn send_packet(&mut self, flow: u32, is_probe: bool) -> bool {
        let now = self.now;
        let at = flow as usize;
        if self.links.flows[at].is_gone {
            return false;
        }
        let Some((packet, payload)) = self.links.flows[at].build(now, self.links.transport.payload, is_probe) else {
            return false;
        };
        let back = &mut self.links.flows[at ^ 1];
        back.unacknowledged = 0;
        let acks = back.received;
        self.transmit(flow, packet, payload + self.links.transport.overhead, acks);
        if self.links.flows[at].probe_at.is_none() {
            let due = now + self.links.flows[at].rtt.patience();
            self.links.flows[at].probe_at = Some(due);
            self.add(due, AccessEvent::Probe { flow });
        }
        true
    }

    /// Everything that came on `flow` is acknowledged, on a packet with data where there is one to send.
    pub(super) fn acknowledge(&mut self, flow: u32) {
        let back = flow ^ 1;
        if !self.send_packet(back, false) {
            let came = &mut self.links.flows[flow as usize];
            came.unacknowledged = 0;
            let acks = came.received;
            self.transmit(back, NO_PACKET, self.links.transport.acknowledgement, acks);
        }
    }

    fn transmit(&mut self, flow: u32, packet: u64, bytes: u32, acks: u64) {
        let from = self.links.flows[flow as usize].from as usize;
        if let Some(paced) = &self.links.paced[from] {
            paced.uplink.lock().on_datagram(self.now, bytes.into());
        }
        let Some(passed) = self.links.up[from].pass(self.now, bytes) else {
            return;
        };
        if let Some(at) = self.links.netem[from].cross(passed) {
            self.add(at, AccessEvent::Arrives { flow, packet, acks });
        }
    }

    pub(super) fn probe(&mut self, flow: u32) {
        let now = self.now;
        let at = &mut self.links.flows[flow as usize];
        at.probe_at = None;
        if !at.has_in_flight() {
            return;
        }
        let due = at.last_sent + at.rtt.patience();
        if due > now {
            at.probe_at = Some(due);
            self.add(due, AccessEvent::Probe { flow });
            return;
        }
        at.probe();
        self.send_packet(flow, true);
    }

    pub(super) fn take_uploads(&mut self, flow: u32) {
        while let Some(request) = self.links.flows[flow as usize].pop_taken() {
            self.add(self.now, AccessEvent::Taken { flow, request });
        }
    }

    pub(super) fn delivered(&mut self, flow: u32, packet: u64, acks: u64) {
        let now = self.now;
        let back = flow ^ 1;
        if let Some(newest) = acks.checked_sub(1) {
            self.links.flows[back as usize].on_ack(now, newest);
            self.take_uploads(back);
        }
        let mut arrived = Arrived::default();
        if packet != NO_PACKET {
            let came = &mut self.links.flows[flow as usize];
            let is_gap = packet > came.received;
            came.received = came.received.max(packet + 1);
            came.arrive(packet, &mut arrived);
            came.unacknowledged += 1;
            if is_gap || came.unacknowledged >= came.window.acknowledged_together() {
                self.acknowledge(flow);
            } else if !came.ack_timer {
                came.ack_timer = true;
                self.add(now + ACK_DELAY, AccessEvent::AckDue { flow });
            }
        }
        self.pump(back);
        self.hand_over(flow, arrived);
    }

    /// Arrived messages go to the state machine.
    pub(super) fn hand_over(&mut self, flow: u32, mut arrived: Arrived) {
        let Flow { from, to, .. } = self.links.flows[flow as usize];
        if !self.is_running(to) || (arrived.control.is_empty() && arrived.pieces.is_empty()) {
            return;
        }
        let now = self.now;
        let is_quiet = |control: &Control| match control {
            Control::Metainfo { .. } | Control::Have { .. } | Control::Request { .. } => true,
            Control::Message(_) | Control::Closed(_) => false,
        };
        let is_quiet = arrived.pieces.is_empty() && arrived.control.iter().all(is_quiet);
        let mut closed = false;
        let swarm = &mut self.peers[to as usize].swarm;
        for control in arrived.control.drain(..) {
            match control {
                Control::Message(message) => swarm.handle_message(now, from, *message),
                Control::Metainfo { round, origin } => {
                    let round = self.links.signed.get(&round);
                    if let Some(Some(signed)) = round.and_then(|all| all.get(origin as usize)) {
                        swarm.handle_message(now, from, Message::Metainfo(signed.clone()));
                    }
                }
                Control::Have { round, positions } => {
                    swarm.handle_message(now, from, Message::Have { round, positions });
                }
                Control::Request { request, chokes, chunk } => {
                    let message = Message::Request { request, chokes, chunk };
                    swarm.handle_message(now, from, message);
                }
                Control::Closed(departure) => {
                    closed = departure != Departure::Finished;
                    swarm.handle_disconnected(now, from, departure);
                }
            }
        }
        if self.links.transport.unit.is_some() && self.links.spare.len() < MOST_SPARE {
            self.links.spare.push(arrived.control);
        }
        for header in arrived.pieces {
            // Pieces have no content: each is right.
            if swarm.handle_piece_header(from, &header).is_some() {
                swarm.handle_piece(now, from, &header, Ok(()));
            }
        }
        if closed {
            self.close(flow);
        }
        match is_quiet {
            true => self.act_quietly(to),
            false => self.act(to),
        }
    }
}
