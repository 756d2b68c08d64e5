//! Pieces in units of many packets, for simulations of many peers.

use std::time::Duration;

use super::{
    AccessEvent, AccessLinks,
    flow::{Arrived, Batch, Control, piece_bytes},
};
use crate::{message::PieceHeader, simulation::world::World};

/// Units of a connection on their way beside those that fill the link.
const AHEAD: u32 = 2;
/// Messages that follow one within this time travel with it.
const TOGETHER: Duration = Duration::from_millis(1);

impl World<AccessLinks> {
    pub(super) fn upload_in_units(&mut self, flow: u32, header: PieceHeader, unit: u32) {
        let at = flow as usize;
        let from = self.links.flows[at].from as usize;
        if self.links.flows[at].units.window == 0 {
            let filling = self.links.up[from].bytes_in(self.links.netem[from].delay()) / f64::from(unit);
            self.links.flows[at].units.window = AHEAD + filling.min(1e6).ceil() as u32;
        }
        self.links.flows[at].units.waiting.push_back(header);
        self.send_units(flow, unit);
    }

    pub(super) fn send_units(&mut self, flow: u32, unit: u32) {
        let from = self.links.flows[flow as usize].from as usize;
        if self.links.flows[flow as usize].is_gone || self.peers[from].asleep.is_some() {
            return;
        }
        loop {
            let units = &mut self.links.flows[flow as usize].units;
            if units.in_flight >= units.window {
                return;
            }
            let Some(header) = units.waiting.front().copied() else {
                return;
            };
            let left = piece_bytes(header.length) - units.sent;
            let bytes = left.min(unit);
            let is_last = bytes == left;
            units.in_flight += 1;
            units.sent += bytes;
            if is_last {
                units.sent = 0;
                units.waiting.pop_front();
                units.travelling.push_back(header);
            }
            let wire = self.links.transport.wire(bytes, self.links.netem[from].loss());
            let passed = self.links.up[from].wait(self.now, wire);
            let arrives = AccessEvent::UnitArrives { flow, bytes, is_last };
            let at = self.links.netem[from].cross_whole(passed);
            self.add(at, arrives);
        }
    }

    pub(super) fn unit_arrives(&mut self, flow: u32, bytes: u32, is_last: bool) {
        let to = self.links.flows[flow as usize].to as usize;
        let wire = self.links.transport.wire(bytes, 0.0);
        let at = self.links.down[to].wait(self.now, wire);
        let delivered = AccessEvent::UnitDelivered { flow, bytes, is_last };
        self.add(at, delivered);
    }

    pub(super) fn unit_delivered(&mut self, flow: u32, bytes: u32, is_last: bool) {
        let now = self.now;
        let (from, to) = (self.links.flows[flow as usize].from, self.links.flows[flow as usize].to);
        let together = self.links.flows[flow as usize].window.acknowledged_together();
        let acknowledgements = self.links.transport.acknowledgements(bytes, together);
        self.links.up[to as usize].express(now, acknowledgements);
        self.links.down[from as usize].express(now, acknowledgements);
        let sender = &mut self.links.flows[flow as usize];
        sender.acknowledge(bytes);
        sender.units.in_flight -= 1;
        let piece = match is_last {
            true => sender.units.travelling.pop_front(),
            false => None,
        };
        if let Some(unit) = self.links.transport.unit {
            self.send_units(flow, unit);
        }
        self.take_uploads(flow);
        let mut arrived = Arrived::default();
        arrived.pieces.extend(piece);
        self.hand_over(flow, arrived);
    }

    /// A message, with others that were said just now.
    pub(super) fn say_in_units(&mut self, flow: u32, control: Control, bytes: u32) {
        let now = self.now;
        let at = flow as usize;
        let (from, to) = (self.links.flows[at].from as usize, self.links.flows[at].to as usize);
        if let Some(batch) = self.links.flows[at].units.batches.back_mut()
            && now <= batch.closes
        {
            batch.messages.push(control);
            self.links.up[from].wait(now, bytes);
            self.links.down[to].wait(now, bytes);
            return;
        }
        let bytes = bytes + self.links.transport.overhead;
        let passed = self.links.up[from].express(now, bytes);
        let arrives = self.links.netem[from].cross_whole(passed);
        let delivered = self.links.down[to].express(arrives, bytes);
        let mut messages = self.links.spare.pop().unwrap_or_default();
        messages.push(control);
        let units = &mut self.links.flows[at].units;
        units.control_at = units.control_at.max(delivered);
        units.batches.push_back(Batch {
            closes: now + TOGETHER,
            messages,
        });
        let control_at = units.control_at;
        self.add(control_at, AccessEvent::ControlDelivered { flow });
    }

    pub(super) fn control_delivered(&mut self, flow: u32) {
        let Some(batch) = self.links.flows[flow as usize].units.batches.pop_front() else {
            return;
        };
        let arrived = Arrived {
            control: batch.messages,
            ..Arrived::default()
        };
        self.hand_over(flow, arrived);
    }
}
