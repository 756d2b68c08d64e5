//! One direction of a connection: what waits to be sent, what is on its way, and what was acknowledged.

mod stream;

use std::collections::VecDeque;

use self::stream::Stream;
use super::window::{RoundTrip, Window};
use crate::{
    Time,
    chunk::ChunkId,
    message::{Message, PieceHeader},
    sending::held_for_sending,
    swarm::Departure,
};

/// A message of the control stream.
#[derive(Debug)]
pub(super) enum Control {
    /// A message of the state machine.
    Message(Box<Message>),
    /// An origin's metainfo of a round: in a flood there are more of them on their way than of anything else.
    Metainfo { round: u32, origin: u32 },
    /// [`Message::Have`].
    Have { round: u32, positions: Vec<u32> },
    /// [`Message::Request`].
    Request { request: u32, chokes: u32, chunk: ChunkId },
    /// The sender closes the connection.
    Closed(Departure),
}

/// A part of a packet: bytes of one control message, or of one piece.
#[derive(Clone, Copy, Debug)]
struct Part {
    is_control: bool,
    item: u64,
    bytes: u32,
}

/// A packet that was sent and neither acknowledged nor given up.
#[derive(Debug)]
struct Sent {
    at: Time,
    payload: u32,
    parts: Vec<Part>,
    arrived: bool,
    /// It was acknowledged or counts as lost.
    is_over: bool,
}

/// The content of a packet.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) control: Vec<Control>,
    pub(super) pieces: Vec<PieceHeader>,
}

/// Messages that travel together.
#[derive(Debug)]
pub(super) struct Batch {
    /// Others may join until then.
    pub(super) closes: Time,
    pub(super) messages: Vec<Control>,
}

/// The traffic in units.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// Pieces that were not sent in full: what is left of the first one counts in `sent`.
    pub(super) waiting: VecDeque<PieceHeader>,
    pub(super) sent: u32,
    /// Pieces whose last unit was sent.
    pub(super) travelling: VecDeque<PieceHeader>,
    /// Units on their way, and how many may be.
    pub(super) in_flight: u32,
    pub(super) window: u32,
    pub(super) batches: VecDeque<Batch>,
    /// When the last batch comes: they stay in order.
    pub(super) control_at: Time,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) is_open: bool,
    /// The connection is over: nothing of it happens any more.
    pub(super) is_gone: bool,

    // Sender.
    control: Stream<Control>,
    pieces: Stream<PieceHeader>,
    again: VecDeque<Part>,
    sent: VecDeque<Sent>,
    /// Number of the oldest packet in `sent`.
    oldest: u64,
    in_flight: u32,
    pub(super) window: Window,
    pub(super) rtt: RoundTrip,
    /// The window was larger than what there was to send.
    is_idle: bool,
    /// Bytes of pieces ever handed to the transport, and of those that are acknowledged.
    offered: u64,
    acknowledged: u64,
    /// Uploads that the transport has not taken yet, with `offered` as it was with them.
    untaken: VecDeque<(u32, u64)>,
    /// Bytes of pieces that the transport holds, on their way or not.
    holds: u64,
    pub(super) probe_at: Option<Time>,
    pub(super) last_sent: Time,
    pub(super) lost: u64,

    /// The traffic in units.
    pub(super) units: Units,

    // Receiver.
    /// Packets that came and are not acknowledged.
    pub(super) unacknowledged: u32,
    /// One more than the last packet that came.
    pub(super) received: u64,
    pub(super) ack_timer: bool,
}

/// Packets that may overtake one before it counts as lost.
const OVERTAKEN: u64 = 3;

/// Bytes of a piece's stream.
pub(super) fn piece_bytes(length: u32) -> u32 {
    PieceHeader::LEN as u32 + length
}

/// Belongs to no message.
const NO_ITEM: u64 = u64::MAX;

impl Flow {
    pub(super) fn new(from: u32, to: u32, window: Window) -> Self {
        Self {
            from,
            to,
            is_open: false,
            is_gone: false,
            control: Stream::new(),
            pieces: Stream::new(),
            again: VecDeque::new(),
            sent: VecDeque::new(),
            oldest: 0,
            in_flight: 0,
            window,
            rtt: RoundTrip::new(),
            is_idle: true,
            offered: 0,
            acknowledged: 0,
            untaken: VecDeque::new(),
            holds: 0,
            probe_at: None,
            last_sent: Time::ZERO,
            lost: 0,
            units: Units::default(),
            unacknowledged: 0,
            received: 0,
            ack_timer: false,
        }
    }

    /// A message joins the control stream.
    pub(super) fn say(&mut self, control: Control, bytes: u32) {
        self.control.push(control, bytes);
    }

    /// A piece joins the others.
    pub(super) fn upload(&mut self, header: PieceHeader) {
        self.pieces.push(header, piece_bytes(header.length));
    }

    /// A piece is offered to the transport, which takes it when it has room.
    pub(super) fn offer(&mut self, request: u32, length: u32, unit: Option<u32>, is_paced: bool) {
        let window = match unit {
            Some(unit) => u64::from(self.units.window) * u64::from(unit),
            None => self.window.bytes(),
        };
        self.holds = match is_paced {
            // Whatever waits for its turn can still be given to another neighbour.
            true => window,
            false => held_for_sending(window),
        };
        self.offered += u64::from(piece_bytes(length));
        self.untaken.push_back((request, self.offered));
    }

    /// Bytes of pieces need not be kept any more.
    pub(super) fn acknowledge(&mut self, bytes: u32) {
        self.acknowledged += u64::from(bytes);
    }

    /// The next upload that the transport has taken.
    pub(super) fn pop_taken(&mut self) -> Option<u32> {
        let &(request, end) = self.untaken.front()?;
        if end > self.acknowledged + self.holds {
            return None;
        }
        self.untaken.pop_front();
        Some(request)
    }

    /// Bytes of streams in a packet; none of one that is not known any more.
    pub(super) fn payload_of(&self, packet: u64) -> u32 {
        let at = packet.checked_sub(self.oldest);
        at.and_then(|at| self.sent.get(at as usize))
            .map_or(0, |sent| sent.payload)
    }

    fn has_data(&self) -> bool {
        !self.again.is_empty() || self.control.has_data() || self.pieces.has_data()
    }

    /// Whether it has something to send for which its window has room; and if so, whether that is no piece, which does not wait for its turn.
    pub(super) fn ready(&self, room: u32) -> Option<bool> {
        let is_ready = self.has_data() && u64::from(self.in_flight + room) <= self.window.bytes();
        is_ready.then(|| !self.again.is_empty() || self.control.has_data())
    }

    /// The piece of which something is sent next.
    pub(super) fn next_piece(&self) -> Option<&PieceHeader> {
        self.pieces.next()
    }

    /// Whether packets are on their way.
    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Builds a packet of at most `room` bytes; its number and its bytes. `is_probe` ignores the window.
    pub(super) fn build(&mut self, now: Time, room: u32, is_probe: bool) -> Option<(u64, u32)> {
        if !self.has_data() {
            self.is_idle = true;
            return None;
        }
        if !is_probe && u64::from(self.in_flight + room) > self.window.bytes() {
            self.is_idle = false;
            return None;
        }
        let mut parts = Vec::with_capacity(2);
        let mut left = room;
        while left > 0 {
            let Some(part) = self.next_part(left) else {
                break;
            };
            left -= part.bytes;
            parts.push(part);
        }
        let payload = room - left;
        self.in_flight += payload;
        self.window.on_sent(now, payload);
        self.last_sent = now;
        self.sent.push_back(Sent {
            at: now,
            payload,
            parts,
            arrived: false,
            is_over: false,
        });
        Some((self.oldest + self.sent.len() as u64 - 1, payload))
    }

    /// Lost bytes go first, then control, then pieces in order.
    fn next_part(&mut self, room: u32) -> Option<Part> {
        if let Some(part) = self.again.front_mut() {
            let bytes = part.bytes.min(room);
            let taken = Part { bytes, ..*part };
            part.bytes -= bytes;
            if part.bytes == 0 {
                self.again.pop_front();
            }
            return Some(taken);
        }
        let part = |is_control| {
            move |(item, bytes)| Part {
                is_control,
                item,
                bytes,
            }
        };
        let control = self.control.send(room).map(part(true));
        control.or_else(|| self.pieces.send(room).map(part(false)))
    }

    /// A packet has come; one that counts as lost already brings nothing.
    pub(super) fn arrive(&mut self, packet: u64, arrived: &mut Arrived) {
        let Some(sent) = packet
            .checked_sub(self.oldest)
            .and_then(|at| self.sent.get_mut(at as usize))
            .filter(|sent| !sent.is_over)
        else {
            return;
        };
        sent.arrived = true;
        // Control is read in order, each piece as soon as it is whole.
        for part in &sent.parts {
            if part.is_control {
                self.control.arrive(part.item, part.bytes);
            } else {
                self.pieces.arrive(part.item, part.bytes);
                arrived.pieces.extend(self.pieces.pop_whole(part.item));
            }
        }
        arrived
            .control
            .extend(std::iter::from_fn(|| self.control.pop_in_order()));
    }

    /// Everything up to packet `acks` that came is acknowledged; what it overtook is lost.
    pub(super) fn on_ack(&mut self, now: Time, acks: u64) {
        let Some(newest) = acks.checked_sub(self.oldest) else {
            return;
        };
        match self.sent.get(newest as usize) {
            Some(last) if last.arrived && !last.is_over => {
                self.rtt.add(now.saturating_sub(last.at));
            }
            Some(_) => {}
            None => return,
        }
        let rtt = self.rtt.smoothed();
        let too_old = now.checked_sub(self.rtt.reordering());
        for (at, sent) in (0..=newest).zip(&mut self.sent) {
            if sent.is_over {
                continue;
            }
            if sent.arrived {
                self.window.on_ack(now, sent.at, sent.payload, rtt, !self.is_idle);
                let pieces = sent.parts.iter().filter(|part| !part.is_control);
                self.acknowledged += pieces.map(|part| u64::from(part.bytes)).sum::<u64>();
            } else if at + OVERTAKEN <= newest || too_old.is_some_and(|time| sent.at <= time) {
                self.lost += 1;
                self.window.on_loss(now, sent.at, sent.payload);
                self.again.extend(sent.parts.drain(..));
            } else {
                continue;
            }
            sent.is_over = true;
            self.in_flight -= sent.payload;
        }
        self.window.set_in_flight(self.in_flight);
        while self.sent.front().is_some_and(|sent| sent.is_over) {
            self.sent.pop_front();
            self.oldest += 1;
        }
    }

    /// The oldest packet's content is sent once more, to provoke an acknowledgement; a byte of nothing when only its
    /// acknowledgement was lost.
    pub(super) fn probe(&mut self) {
        let Some(oldest) = self.sent.iter_mut().find(|sent| !sent.is_over) else {
            return;
        };
        if oldest.arrived {
            self.again.push_front(Part {
                is_control: true,
                item: NO_ITEM,
                bytes: 1,
            });
            return;
        }
        oldest.is_over = true;
        self.in_flight -= oldest.payload;
        self.lost += 1;
        self.again.extend(oldest.parts.drain(..));
        self.window.set_in_flight(self.in_flight);
    }
}
