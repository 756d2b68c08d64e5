//! A rate with a queue before it.

use std::time::Duration;

use fltorrent_crds::plan::RatePlan;

/// Bits times nanoseconds in a byte's second.
const SCALE: u128 = 8_000_000_000;

/// Sends one packet after the other at a rate; what comes while others wait goes into a queue that drops what does not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    plan: RatePlan,
    /// When the last packet that was taken is through, nanoseconds since the start.
    free: u128,
    /// The rest of rounding to nanoseconds, in parts of a nanosecond: rest ÷ rate.
    rest: u128,
}

impl Rate {
    pub(super) fn new(plan: RatePlan) -> Self {
        Self { plan, free: 0, rest: 0 }
    }

    /// Takes a packet: it is through at the time given back, or dropped when there is none.
    pub(super) fn take(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        let now = now.as_nanos();
        let rate = u128::from(self.plan.rate.max(1));
        if self.free < now {
            (self.free, self.rest) = (now, 0);
        }
        let waiting = (self.free - now) * rate / SCALE;
        if waiting + u128::from(bytes) > u128::from(self.plan.queue) {
            return None;
        }
        let work = u128::from(bytes) * SCALE + self.rest;
        self.free += work / rate;
        self.rest = work % rate;
        u64::try_from(self.free).ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u64, queue: u64) -> Rate {
        Rate::new(RatePlan { rate, queue })
    }

    #[test]
    fn the_rate_is_exact_over_a_span() {
        // A rate and a size whose quotient is no whole number of nanoseconds.
        for bits in [1_000, 56_000, 9_999_991, 1_000_000_007, 40_000_000_000] {
            let mut link = rate(bits, 100_000);
            let (mut now, mut sent, mut last) = (Duration::ZERO, 0_u64, Duration::ZERO);
            while sent < 20_000_000 {
                match link.take(now, 1479) {
                    Some(through) => {
                        sent += 1479;
                        last = through;
                    }
                    // Full: half of it runs off.
                    None => now = (now + last) / 2,
                }
            }
            let expected = u128::from(sent) * SCALE / u128::from(bits);
            assert!(last.as_nanos().abs_diff(expected) <= 1, "{bits}: {last:?}");
        }
    }

    #[test]
    fn a_queue_holds_what_it_was_given_and_no_byte_more() {
        let mut link = rate(8_000, 3_000);
        let times: Vec<_> = (0..4).map(|_| link.take(Duration::ZERO, 1000)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(times, [seconds(1), seconds(2), seconds(3), None]);
        // A second later a packet is through, and there is room for one.
        let now = Duration::from_secs(1);
        assert_eq!(link.take(now, 1001), None);
        assert_eq!(link.take(now, 1000), seconds(4));
        assert_eq!(link.take(now, 1), None);
    }

    #[test]
    fn an_idle_link_saves_nothing_up() {
        let mut link = rate(8_000, 3_000);
        link.take(Duration::ZERO, 1000);
        let later = Duration::from_secs(100);
        assert_eq!(link.take(later, 1000), Some(Duration::from_secs(101)));
    }
}
