//! What happens when, in a fixed order.

use std::{cmp::Ordering, collections::BinaryHeap};

use bytes::Bytes;

use crate::{
    Time,
    message::{Message, PieceHeader},
    swarm::Departure,
};

/// Something that happens at one node.
#[derive(Debug)]
pub(super) enum What {
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
    Trained {
        at: u32,
        round: u32,
    },
    Timer {
        at: u32,
    },
}

#[derive(Debug)]
struct Event {
    time: Time,
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
        other
            .time
            .cmp(&self.time)
            .then(other.order.cmp(&self.order))
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
            time,
            order: self.added,
            what,
        });
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|event| event.time)
    }

    pub(super) fn pop(&mut self) -> Option<(Time, What)> {
        self.heap.pop().map(|event| (event.time, event.what))
    }
}
