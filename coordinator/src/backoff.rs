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

/// When a peer tries again what failed.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// The waits.
    pub waits: Backoff,
    /// Failures in a row after which every wait is the longest; none: they double until then.
    pub doubling: Option<u32>,
    /// Longest time that is added to a wait; none: of each, between half and all is kept.
    pub jitter: Option<Duration>,
}

impl From<Backoff> for Retries {
    fn from(waits: Backoff) -> Self {
        Self {
            waits,
            doubling: None,
            jitter: None,
        }
    }
}

/// The waits of a peer, drawn so that peers that failed together do not come back together.
#[derive(Clone, Debug)]
pub struct JitteredBackoff {
    retries: Retries,
    failures: u32,
    draws: ChaCha8Rng,
}

impl JitteredBackoff {
    /// Nothing has failed yet. Equal seeds wait equally.
    pub fn new(longest: Duration, jitter_seed: u64) -> Self {
        let first = FIRST_BACKOFF;
        Self::of(Backoff { first, longest }.into(), jitter_seed)
    }

    /// As [`new`](Self::new), with waits of its own.
    pub fn of(retries: Retries, jitter_seed: u64) -> Self {
        Self {
            retries,
            failures: 0,
            draws: ChaCha8Rng::seed_from_u64(jitter_seed),
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
        let Retries {
            waits,
            doubling,
            jitter,
        } = self.retries;
        let is_past = doubling.is_some_and(|retries| self.failures >= retries);
        let wait = match is_past {
            true => waits.longest,
            false => waits.after(self.failures),
        };
        self.failures = self.failures.saturating_add(1);
        let share = f64::from(self.draws.next_u32()) / f64::from(u32::MAX);
        match jitter {
            Some(jitter) => wait.saturating_add(jitter.mul_f64(share)),
            None => wait.mul_f64(0.5 + 0.5 * share),
        }
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
    fn after_so_many_failures_waits_are_the_longest_and_jitter_is_added_to_each() {
        let jitter = Duration::from_secs(1);
        let retries = Retries {
            waits: Backoff {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(30),
            },
            doubling: Some(3),
            jitter: Some(jitter),
        };
        let [mut one, mut other] = [7, 8].map(|seed| JitteredBackoff::of(retries, seed));
        for seconds in [1, 2, 4, 30, 30, 30].map(Duration::from_secs) {
            let waits = [one.next_wait(), other.next_wait()];
            assert!(
                waits.iter().all(|wait| (seconds..=seconds + jitter).contains(wait)),
                "{waits:?}"
            );
            assert_ne!(waits[0], waits[1]);
        }
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
