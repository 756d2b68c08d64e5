//! How often somebody may ask: a token bucket for each address. Time comes as an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Addresses that are remembered at most.
const MAX_REMEMBERED: usize = 4096;

/// So many at once, and one more after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once, at least one.
    pub burst: u32,
    /// The interval.
    pub every: Duration,
}

/// Who has asked how often.
#[derive(Debug)]
pub(super) struct Limiter<K> {
    rate: Rate,
    /// When each one's bucket will be full again.
    full_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: HashMap::new(),
        }
    }

    /// Counts a question at `now`.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub(super) fn ask(&mut self, who: K, now: Instant) -> Result<(), Duration> {
        if self.full_at.len() >= MAX_REMEMBERED && !self.full_at.contains_key(&who) {
            // Who has a full bucket is as one that never asked.
            self.full_at.retain(|_, full| *full > now);
            if self.full_at.len() >= MAX_REMEMBERED {
                return Err(self.rate.every);
            }
        }
        let full = self.full_at.entry(who).or_insert(now);
        let next = (*full).max(now) + self.rate.every;
        let longest = self.rate.every * self.rate.burst.max(1);
        let wait = (next - now).saturating_sub(longest);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        *full = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        every: Duration::from_secs(2),
    };

    #[test]
    fn a_burst_passes_and_then_one_an_interval_for_each() {
        let start = Instant::now();
        let after = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut limiter = Limiter::new(RATE);
        for _ in 0..3 {
            assert_eq!(limiter.ask("a", start), Ok(()));
        }
        assert_eq!(limiter.ask("a", start), Err(Duration::from_secs(2)));
        assert_eq!(
            limiter.ask("a", after(0.5)),
            Err(Duration::from_millis(1500))
        );
        // Being refused costs nothing, and others are not held up.
        assert_eq!(limiter.ask("a", after(2.0)), Ok(()));
        assert_eq!(limiter.ask("b", after(2.0)), Ok(()));
        assert!(limiter.ask("a", after(2.1)).is_err());
        // After a long rest it is a burst again, not more.
        for _ in 0..3 {
            assert_eq!(limiter.ask("a", after(1000.0)), Ok(()));
        }
        assert!(limiter.ask("a", after(1000.0)).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut limiter = Limiter::new(RATE);
        for who in 0..MAX_REMEMBERED {
            assert_eq!(limiter.ask(who, start), Ok(()));
        }
        assert_eq!(limiter.ask(MAX_REMEMBERED, start), Err(RATE.every));
        assert_eq!(limiter.ask(0, start), Ok(()));
        assert_eq!(limiter.full_at.len(), MAX_REMEMBERED);
        let later = start + Duration::from_secs(3);
        assert_eq!(limiter.ask(MAX_REMEMBERED, later), Ok(()));
        assert_eq!(limiter.full_at.len(), 2);
    }
}
