//! How long to wait before trying again.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The longest wait after a first failure; each one after that may be twice as long.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Waits that double from [`FIRST_BACKOFF`] up to a bound. Of each, between half and all is kept, so that peers that failed together do
/// not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    longest: Duration,
    failures: u32,
    jitter: ChaCha8Rng,
}

impl Backoff {
    /// Nothing has failed yet. Equal seeds wait equally.
    pub fn new(longest: Duration, jitter_seed: u64) -> Self {
        Self {
            longest,
            failures: 0,
            jitter: ChaCha8Rng::seed_from_u64(jitter_seed),
        }
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// It went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed once more; the wait until the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let longest = FIRST_BACKOFF
            .saturating_mul(1 << self.failures.min(16))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        longest.mul_f64(0.5 + 0.5 * f64::from(self.jitter.next_u32()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ_between_peers() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(10), seed);
            std::iter::repeat_with(move || backoff.next_wait())
                .take(100)
                .collect::<Vec<_>>()
        };
        let mut longest = FIRST_BACKOFF;
        for wait in waits(3) {
            assert!(
                longest / 2 <= wait && wait <= longest,
                "{wait:?} of {longest:?}"
            );
            longest = (longest * 2).min(Duration::from_secs(10));
        }
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(10), 0);
        for _ in 0..9 {
            backoff.next_wait();
        }
        assert_eq!(backoff.failures(), 9);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST_BACKOFF);
    }
}
