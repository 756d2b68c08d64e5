//! The driver's orders to the training thread: a newer one takes the place of one that was not begun.
//!
//! A thread that trains long may find several rounds closed when it is done. Each update is a whole model, so that the last of them
//! is all that it needs.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fltorrent_swarm::{Adoption, Bitfield, StopRecord};

use crate::{pulse::Pulse, store::RoundHold};

/// How long a step of a wait takes.
const STEP: Duration = Duration::from_millis(100);

/// What the thread has to do next.
#[derive(Debug)]
pub enum Order {
    /// A round is closed: fold it.
    Fold(Completed),
    /// A peer that was to catch up is in the first round like the others.
    Begin {
        /// The first round for which it trains.
        gives_from: u32,
    },
    /// Others went on without this peer: go on from their model, which is in the store.
    Adopt {
        /// Which one.
        adoption: Adoption,
        /// Keeps its chunks.
        hold: RoundHold,
    },
}

/// A closed round: what is folded of it is held.
#[derive(Debug)]
pub struct Completed {
    /// The round.
    pub round: u32,
    /// Signed sample counts in origin order; none: nothing of the origin's update is folded.
    pub samples: Vec<Option<u64>>,
    /// Chunks that are folded, as positions `origin * chunks + index`; none: all of those origins'.
    pub set: Option<Bitfield>,
    /// What was folded, as the next update's metainfo names it.
    pub folded: [u8; 32],
    /// Whether this was the last round.
    pub is_last: bool,
    /// Whether it is the last one by a rule of early stop.
    pub converged: bool,
    /// The record of early stop's rules.
    pub stop: StopRecord,
    /// This peer trains for no round before this one.
    pub gives_from: u32,
    /// Keeps the round's chunks.
    pub hold: RoundHold,
}

#[derive(Debug, Default)]
struct Slot {
    order: Option<Order>,
    is_closed: bool,
    /// How long the process has stood still, with what is to come of the last time.
    stood_still: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
    pulse: Pulse,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // Every change is complete before anything can panic.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver's end.
#[derive(Debug)]
pub struct Orders(Arc<Shared>);

/// The thread's end.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

/// Both ends.
#[must_use]
pub fn orders() -> (Orders, Inbox) {
    let shared = Arc::<Shared>::default();
    (Orders(Arc::clone(&shared)), Inbox(shared))
}

impl Orders {
    /// Takes the place of an order that was not begun.
    pub fn give(&self, order: Order) {
        let older = self.0.slot().order.replace(order);
        // Its chunks go outside the lock.
        drop(older);
        self.0.changed.notify_all();
    }

    /// Steps that the thread has done.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.pulse.beats()
    }

    /// The process stands still for so long from now on: the thread makes up for it where it cannot be interrupted.
    pub fn stand_still(&self, lasts: Duration) {
        let mut slot = self.0.slot();
        slot.stood_still = slot.stood_still.saturating_add(lasts);
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.0.slot().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Inbox {
    /// Waits for an order; none when the driver has gone.
    #[must_use]
    pub fn next(&self) -> Option<Order> {
        let idle = |slot: &mut Slot| slot.order.is_none() && !slot.is_closed;
        let mut slot = self.0.changed.wait_while(self.0.slot(), idle);
        slot.as_mut().map_or(None, |slot| slot.order.take())
    }

    /// What the thread tells the driver its steps by.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// How long the process has stood still, with what is to come of the last time.
    #[must_use]
    pub fn stood_still(&self) -> Duration {
        self.0.slot().stood_still
    }

    /// Waits so long, or for ever, whatever the orders are; none when the driver has gone.
    #[must_use]
    pub fn hang(&self, lasts: Option<Duration>) -> Option<()> {
        let held = |slot: &mut Slot| !slot.is_closed;
        let lasts = lasts.unwrap_or(Duration::MAX);
        let waited = self.0.changed.wait_timeout_while(self.0.slot(), lasts, held);
        let (slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (!slot.is_closed).then_some(())
    }

    /// Waits until there is an order, or the driver has gone, but not longer than this. To the driver it looks like steps that are done.
    pub fn wait(&self, longest: Duration) {
        let idle = |slot: &mut Slot| slot.order.is_none() && !slot.is_closed;
        let (mut slot, mut left) = (self.0.slot(), longest);
        while idle(&mut slot) && left > Duration::ZERO {
            let step = left.min(STEP);
            let waited = self.0.changed.wait_timeout_while(slot, step, idle);
            (slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
            left -= step;
            self.pulse().beat();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{buffers::Buffers, store::ChunkStore};

    fn adopt(store: &ChunkStore, round: u32) -> Order {
        let adoption = Adoption {
            round,
            model: [0; 32],
            folded: [0; 32],
            gives_from: round + 1,
        };
        let hold = store.hold(round);
        Order::Adopt { adoption, hold }
    }

    #[test]
    fn whoever_hangs_takes_no_order_and_hears_of_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = ChunkStore::new(folder.path().to_owned(), 100, &Buffers::new(100), 0);
        let (orders, inbox) = orders();
        orders.give(adopt(&store, 1));
        assert_eq!(inbox.hang(Some(Duration::from_millis(1))), Some(()));
        orders.stand_still(Duration::from_secs(2));
        orders.stand_still(Duration::MAX);
        assert_eq!(inbox.stood_still(), Duration::MAX);
        drop(orders);
        assert_eq!(inbox.hang(None), None);
    }

    #[test]
    fn the_newest_order_counts_and_the_end_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ChunkStore::new(folder.path().to_owned(), 100, &Buffers::new(100), 0);
        let (orders, inbox) = orders();
        orders.give(adopt(&store, 1));
        orders.give(adopt(&store, 2));
        inbox.wait(Duration::MAX);
        drop(orders);
        let round = match inbox.next() {
            Some(Order::Adopt { adoption, .. }) => Some(adoption.round),
            _ => None,
        };
        assert_eq!(round, Some(2));
        assert!(inbox.next().is_none());
    }
}
