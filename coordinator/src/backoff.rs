//! How long to wait before trying again.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Waits that double, within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row, the first of which is failure 0.
    #[must_use]
    pub fn after(self, failures: u32) -> Duration {
        let factor = 1 << failures.min(20);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// The longest wait of a peer after a first failure.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// The waits of a peer. Of each, between half and all is kept, so that peers that failed together do not come back together.
#[derive(Clone, Debug)]
pub struct JitteredBackoff {
    waits: Backoff,
    failures: u32,
    jitter: ChaCha8Rng,
}

impl JitteredBackoff {
    /// Nothing has failed yet. Equal seeds wait equally.
    pub fn new(longest: Duration, jitter_seed: u64) -> Self {
        let first = FIRST_BACKOFF;
        Self {
            waits: Backoff { first, longest },
            failures: 0,
            jitter: ChaCha8Rng::seed_from_u64(jitter_seed),
        }
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Records a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Records a failure; returns the wait until the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let longest = self.waits.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        longest.mul_f64(0.5 + 0.5 * f64::from(self.jitter.next_u32()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(120),
        };
        let seconds = [0, 1, 2, 3, 6, 7, 31, u32::MAX].map(|failures| waits.after(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 8, 64, 120, 120, 120]);
    }

    #[test]
    fn jittered_waits_double_up_to_a_bound_and_differ_between_peers() {
        let waits = |seed| {
            let mut backoff = JitteredBackoff::new(Duration::from_secs(10), seed);
            std::iter::repeat_with(move || backoff.next_wait())
                .take(100)
                .collect::<Vec<_>>()
        };
        let mut longest = FIRST_BACKOFF;
        for wait in waits(3) {
            assert!(longest / 2 <= wait && wait <= longest, "{wait:?} of {longest:?}");
            longest = (longest * 2).min(Duration::from_secs(10));
        }
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = JitteredBackoff::new(Duration::from_secs(10), 0);
        for _ in 0..9 {
            backoff.next_wait();
        }
        assert_eq!(backoff.failures(), 9);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST_BACKOFF);
    }
}
