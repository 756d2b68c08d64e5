//! What happens when, in a fixed order.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::Time;

/// No packet of its own: an acknowledgement that travels alone.
pub(super) const NO_PACKET: u64 = u64::MAX;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The two ends of a connection know each other; `edge` names it.
    Connected { edge: u32 },
    /// A packet has left the sender's uplink and reaches the receiver's downlink. `acks` is the packet of the other
    /// direction up to which the sender of this one acknowledges.
    Arrives { flow: u32, packet: u64, acks: u64 },
    /// A packet has passed the receiver's downlink.
    Delivered { flow: u32, packet: u64, acks: u64 },
    /// The transport has taken an upload.
    Taken { flow: u32, request: u32 },
    /// Packets that came wait for their acknowledgement long enough.
    AckDue { flow: u32 },
    /// Nothing was acknowledged for suspiciously long.
    Probe { flow: u32 },
    /// A peer has trained.
    Trained { peer: u32 },
    /// A state machine wants to know the time.
    Timer { peer: u32 },
}

#[derive(Debug)]
struct Event {
    nanoseconds: u64,
    order: u64,
    what: What,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// The heap gives the greatest first: the earliest, and of those the one that was added first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.nanoseconds, other.order).cmp(&(self.nanoseconds, self.order))
    }
}

/// Events in the order in which they happen.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Event>,
    added: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, time: Time, what: What) {
        self.added += 1;
        self.heap.push(Event {
            // Five hundred years of virtual time.
            nanoseconds: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            order: self.added,
            what,
        });
    }

    pub(super) fn pop(&mut self) -> Option<(Time, What)> {
        let event = self.heap.pop()?;
        Some((Time::from_nanos(event.nanoseconds), event.what))
    }
}
