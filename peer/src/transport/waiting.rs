//! Control messages that wait for a neighbour: who reads slowly is told from who does not read, by bytes and time.
//!
//! Numerous messages are handed over as they are taken ([`fltorrent_swarm::Action::Fence`]), so that little waits for a
//! neighbour that reads, however slow its link is and however many peers there are.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Bytes that may wait for as long as they like.
const PATIENT: u64 = 64 * 1024;
/// How long more than that may wait while nothing is taken.
const STALLED: Duration = Duration::from_secs(30);
/// Bytes that may wait beside two of the longest messages.
const MOST: u64 = 4 * 1024 * 1024;

/// The bytes that wait, and since when none of them were taken. Time comes as an argument.
#[derive(Debug)]
struct Queue {
    most: u64,
    bytes: u64,
    untouched_since: Instant,
}

impl Queue {
    /// False when the neighbour does not read.
    fn add(&mut self, now: Instant, bytes: u64) -> bool {
        if self.bytes == 0 {
            self.untouched_since = now;
        }
        self.bytes += bytes;
        let untouched = now.saturating_duration_since(self.untouched_since);
        self.bytes <= PATIENT || self.bytes <= self.most && untouched < STALLED
    }

    fn take(&mut self, now: Instant, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.untouched_since = now;
    }
}

/// The queue of one control stream, shared by its two ends.
#[derive(Clone, Debug)]
pub(super) struct Waiting(Arc<Mutex<Queue>>);

impl Waiting {
    /// `longest` is the longest message in bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            most: MOST + 2 * longest as u64,
            bytes: 0,
            untouched_since: Instant::now(),
        })))
    }

    /// So many bytes are queued; false when the neighbour does not read.
    pub(super) fn add(&self, bytes: u64) -> bool {
        self.queue().add(Instant::now(), bytes)
    }

    /// QUIC has taken so many bytes.
    pub(super) fn take(&self, bytes: u64) {
        self.queue().take(Instant::now(), bytes);
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.queue().bytes
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_is_no_reader_that_stands_still() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let queue = || Queue {
            most: 1_000_000,
            bytes: 0,
            untouched_since: start,
        };
        // However many messages there are: their bytes count.
        let mut many = queue();
        for _ in 0..30_000 {
            assert!(many.add(after(1), 33));
        }
        assert!(!many.add(after(1), 20_000), "more than may ever wait");
        // A byte now and then is enough, for as long as it takes.
        let mut slow = queue();
        assert!(slow.add(after(0), 500_000));
        for minute in 1..100 {
            slow.take(after(25 * minute), 10);
            assert!(slow.add(after(25 * minute + 24), 10));
        }
        assert!(!slow.add(after(25 * 99 + 30), 10), "it stands still");
        // Little may wait on an idle link, and time begins when something waits.
        let mut idle = queue();
        assert!(idle.add(after(0), PATIENT));
        assert!(idle.add(after(1000), 0));
        idle.take(after(1000), PATIENT);
        assert!(idle.add(after(5000), PATIENT + 1));
    }
}
