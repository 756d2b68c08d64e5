//! One direction of an access link: a token bucket with a queue, as Linux's `tc-tbf` is.

use std::time::Duration;

use crate::{Time, sending::HostQueue, simulation::Lane};

/// A rate, what may pass at once after a pause, and what may wait.
///
/// First in, first out at a constant rate: when a packet has passed is known as soon as it joins the queue.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Seconds a byte; zero for a link without a limit.
    pace: f64,
    /// Time in which the bucket fills.
    burst: Duration,
    /// Longest time in the queue.
    longest: Duration,
    /// When everything that was let in has passed, were there no bucket.
    free_at: Time,
    pub(super) passed: u64,
    pub(super) dropped: u64,
}

impl Bucket {
    /// Without a lane there is no limit; `burst` in bytes.
    pub(super) fn new(lane: Option<Lane>, burst: f64) -> Self {
        let pace = lane.map_or(0.0, |lane| lane.rate.recip());
        let queue = lane.map_or(0.0, |lane| lane.queue);
        Self {
            pace,
            burst: Duration::from_secs_f64(burst * pace),
            // tc counts what the bucket lets through at once on top of the queue.
            longest: Duration::from_secs_f64((queue + burst) * pace),
            free_at: Time::ZERO,
            passed: 0,
            dropped: 0,
        }
    }

    /// Bytes that pass in a time; none without a limit.
    pub(super) fn bytes_in(&self, time: Duration) -> f64 {
        if self.pace == 0.0 {
            return 0.0;
        }
        time.as_secs_f64() / self.pace
    }

    /// What waits, and what has left.
    pub(super) fn queue(&self, now: Time) -> HostQueue {
        let waits = self.bytes_in(self.free_at.saturating_sub(now)) as u64;
        HostQueue {
            waits,
            left: self.passed.saturating_sub(waits),
        }
    }

    /// When so many bytes have passed that wait however long the queue is.
    pub(super) fn wait(&mut self, now: Time, bytes: u32) -> Time {
        self.passed += u64::from(bytes);
        let busy = Duration::from_secs_f64(f64::from(bytes) * self.pace);
        self.free_at = self.free_at.max(now.saturating_sub(self.burst)) + busy;
        self.free_at.max(now)
    }

    /// When so many bytes have passed that wait no longer than a full queue takes.
    pub(super) fn express(&mut self, now: Time, bytes: u32) -> Time {
        let longest = now + self.longest;
        self.wait(now, bytes).min(longest)
    }

    /// When a packet of so many bytes has passed; none when the queue is full.
    pub(super) fn pass(&mut self, now: Time, bytes: u32) -> Option<Time> {
        self.passed += u64::from(bytes);
        if self.pace == 0.0 {
            return Some(now);
        }
        let busy = Duration::from_secs_f64(f64::from(bytes) * self.pace);
        let free_at = self.free_at.max(now.saturating_sub(self.burst)) + busy;
        if free_at.saturating_sub(now) > self.longest {
            self.passed -= u64::from(bytes);
            self.dropped += 1;
            return None;
        }
        self.free_at = free_at;
        Some(free_at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let mut bucket = Bucket::new(
            Some(Lane {
                rate: 1000.0,
                queue: 1000.0,
            }),
            100.0,
        );
        let now = Time::from_secs(10);
        assert_eq!(bucket.pass(now, 100), Some(now));
        assert_eq!(bucket.pass(now, 100), Some(now + Duration::from_millis(100)));
        assert_eq!(bucket.pass(now, 500), Some(now + Duration::from_millis(600)));
        assert_eq!(bucket.pass(now, 501), None, "the queue is full");
        assert_eq!((bucket.passed, bucket.dropped), (700, 1));
        assert!(bucket.pass(now, 100).is_some());
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut bucket = Bucket::new(None, 0.0);
        assert_eq!(bucket.pass(Time::ZERO, u32::MAX), Some(Time::ZERO));
    }
}
