//! Pieces in units of many packets, for simulations of many peers.

use std::time::Duration;

use super::{Control, PieceHeader, Simulation, What};
use crate::simulation::flow::{Arrived, Batch, piece_bytes};

/// Units of a connection on their way beside those that fill the link.
const AHEAD: u32 = 2;
/// Messages that follow one within this time travel with it.
const TOGETHER: Duration = Duration::from_millis(1);

impl Simulation {
    pub(super) fn upload_in_units(&mut self, flow: u32, header: PieceHeader, unit: u32) {
        let at = flow as usize;
        let from = self.flows[at].from as usize;
        if self.flows[at].units.window == 0 {
            let filling = self.up[from].bytes_in(self.air[from].delay()) / f64::from(unit);
            self.flows[at].units.window = AHEAD + filling.min(1e6).ceil() as u32;
        }
        self.flows[at].units.waiting.push_back(header);
        self.send_units(flow, unit);
    }

    fn send_units(&mut self, flow: u32, unit: u32) {
        let from = self.flows[flow as usize].from as usize;
        loop {
            let units = &mut self.flows[flow as usize].units;
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
            let wire = self.transport.wire(bytes, self.air[from].loss());
            let passed = self.up[from].wait(self.now, wire);
            let arrives = What::UnitArrives {
                flow,
                bytes,
                is_last,
            };
            let at = self.air[from].cross_whole(passed);
            self.agenda.add(at, arrives);
        }
    }

    pub(super) fn unit_arrives(&mut self, flow: u32, bytes: u32, is_last: bool) {
        let to = self.flows[flow as usize].to as usize;
        let wire = self.transport.wire(bytes, 0.0);
        let at = self.down[to].wait(self.now, wire);
        let delivered = What::UnitDelivered {
            flow,
            bytes,
            is_last,
        };
        self.agenda.add(at, delivered);
    }

    pub(super) fn unit_delivered(&mut self, flow: u32, bytes: u32, is_last: bool) {
        let now = self.now;
        let (from, to) = (self.flows[flow as usize].from, self.flows[flow as usize].to);
        let together = self.flows[flow as usize].window.acknowledged_together();
        let acknowledgements = self.transport.acknowledgements(bytes, together);
        self.up[to as usize].express(now, acknowledgements);
        self.down[from as usize].express(now, acknowledgements);
        let sender = &mut self.flows[flow as usize];
        sender.acknowledge(bytes);
        sender.units.in_flight -= 1;
        let piece = match is_last {
            true => sender.units.travelling.pop_front(),
            false => None,
        };
        if let Some(unit) = self.transport.unit {
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
        let (from, to) = (self.flows[at].from as usize, self.flows[at].to as usize);
        if let Some(batch) = self.flows[at].units.batches.back_mut()
            && now <= batch.closes
        {
            batch.messages.push(control);
            self.up[from].wait(now, bytes);
            self.down[to].wait(now, bytes);
            return;
        }
        let bytes = bytes + self.transport.overhead;
        let passed = self.up[from].express(now, bytes);
        let arrives = self.air[from].cross_whole(passed);
        let told = self.down[to].express(arrives, bytes);
        let mut messages = self.spare.pop().unwrap_or_default();
        messages.push(control);
        let units = &mut self.flows[at].units;
        units.told_at = units.told_at.max(told);
        units.batches.push_back(Batch {
            closes: now + TOGETHER,
            messages,
        });
        self.agenda.add(units.told_at, What::Told { flow });
    }

    pub(super) fn told(&mut self, flow: u32) {
        let Some(batch) = self.flows[flow as usize].units.batches.pop_front() else {
            return;
        };
        let arrived = Arrived {
            control: batch.messages,
            ..Arrived::default()
        };
        self.hand_over(flow, arrived);
    }
}
