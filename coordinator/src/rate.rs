//! How often somebody may ask: a token bucket for each of them. Time comes as an argument.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Those that are remembered at most.
const MAX_REMEMBERED: usize = 4096;

/// So many at once, and one more after each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, at least one.
    pub burst: u32,
    /// The interval.
    pub every: Duration,
}

/// Token buckets by key.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    rate: Rate,
    /// The time at which each bucket is full again.
    full_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: HashMap::new(),
        }
    }

    /// Counts a question at `now`.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub(crate) fn ask(&mut self, who: K, now: Instant) -> Result<(), Duration> {
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

/// Log lines about what strangers do: ten at once, then one in ten seconds, which says how many were left out.
#[derive(Debug)]
pub(crate) struct Quiet {
    limiter: Limiter<()>,
    left_out: u64,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        Self {
            limiter: Limiter::new(Rate {
                burst: 10,
                every: Duration::from_secs(10),
            }),
            left_out: 0,
        }
    }

    /// Whether a line may be written at `now`: how many were left out since the last one; none when this one is left out too.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<u64> {
        if self.limiter.ask((), now).is_ok() {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

/// The unit that limits by address count: an IPv4 address, or an IPv6 /64, of which whoever has one address has all.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
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
        assert_eq!(limiter.ask("a", after(0.5)), Err(Duration::from_millis(1500)));
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
    #[test]
    fn lines_are_left_out_and_counted() {
        let start = Instant::now();
        let mut quiet = Quiet::new();
        for _ in 0..10 {
            assert_eq!(quiet.ask(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(quiet.ask(start), None);
        }
        let later = start + Duration::from_secs(10);
        assert_eq!(quiet.ask(later), Some(1000));
        assert_eq!(quiet.ask(later), None);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|text| source(text.parse().unwrap()));
            assert_eq!(one == other, same, "{one} {other}");
        }
    }
}
