//! Items that are sent one after the other, and whose parts may come in another order.

use std::collections::VecDeque;

#[derive(Debug)]
struct Item<T> {
    /// Taken once it was delivered.
    what: Option<T>,
    /// Bytes that have not come.
    missing: u32,
    /// Bytes that were never sent.
    unsent: u32,
}

/// Items in the order of sending.
#[derive(Debug)]
pub(super) struct Stream<T> {
    items: VecDeque<Item<T>>,
    /// Number of the oldest item.
    oldest: u64,
    /// The item that is being sent, counted from the oldest.
    sending: usize,
}

impl<T> Stream<T> {
    pub(super) fn new() -> Self {
        Self {
            items: VecDeque::new(),
            oldest: 0,
            sending: 0,
        }
    }

    pub(super) fn push(&mut self, what: T, bytes: u32) {
        self.items.push_back(Item {
            what: Some(what),
            missing: bytes,
            unsent: bytes,
        });
    }

    pub(super) fn has_data(&self) -> bool {
        self.sending < self.items.len()
    }

    /// The item of which something is sent next.
    pub(super) fn next(&self) -> Option<&T> {
        self.items.get(self.sending)?.what.as_ref()
    }

    /// At most `room` bytes of the next item: its number and how many.
    pub(super) fn send(&mut self, room: u32) -> Option<(u64, u32)> {
        let item = self.items.get_mut(self.sending)?;
        let number = self.oldest + self.sending as u64;
        let bytes = item.unsent.min(room);
        item.unsent -= bytes;
        if item.unsent == 0 {
            self.sending += 1;
        }
        Some((number, bytes))
    }

    /// Bytes of an item have come.
    pub(super) fn arrive(&mut self, number: u64, bytes: u32) {
        let at = number.checked_sub(self.oldest);
        if let Some(item) = at.and_then(|at| self.items.get_mut(at as usize)) {
            item.missing = item.missing.saturating_sub(bytes);
        }
    }

    /// The next item that is whole, where all before it were.
    pub(super) fn pop_in_order(&mut self) -> Option<T> {
        let first = self.items.front()?;
        if first.missing > 0 {
            return None;
        }
        self.forget_first()
    }

    /// Item `number`, when it is whole.
    pub(super) fn pop_whole(&mut self, number: u64) -> Option<T> {
        let at = number.checked_sub(self.oldest)? as usize;
        let item = self.items.get_mut(at)?;
        if item.missing > 0 {
            return None;
        }
        let what = item.what.take();
        while self.items.front().is_some_and(|item| item.what.is_none()) {
            self.forget_first();
        }
        what
    }

    fn forget_first(&mut self) -> Option<T> {
        let first = self.items.pop_front()?;
        self.oldest += 1;
        self.sending -= 1;
        first.what
    }
}
