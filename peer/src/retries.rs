//! When a peer tries again what failed: as the plan says, and where it leaves that open, as suits what is tried.

use fltorrent_coordinator::backoff::{Backoff, JitteredBackoff, Retries};
use fltorrent_crds::plan::RetryPlan;

/// The waits of a plan, with those that it leaves open from `auto`. Equal seeds wait equally.
pub(crate) fn waits(plan: &RetryPlan, auto: Backoff, seed: u64) -> JitteredBackoff {
    let base = plan.base_delay.unwrap_or(auto.first);
    let longest = plan.max_delay.unwrap_or_else(|| auto.longest.max(base));
    let retries = Retries {
        waits: Backoff {
            first: base.min(longest),
            longest,
        },
        doubling: plan.max_retries,
        jitter: plan.jitter,
    };
    JitteredBackoff::of(retries, seed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_plan_gives_counts_and_the_rest_keeps_to_it() {
        let auto = Backoff {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(2),
        };
        let longest = |plan: RetryPlan| {
            let mut waits = waits(&plan, auto, 3);
            let waits: Vec<Duration> = (0..9).map(|_| waits.next_wait()).collect();
            (waits[0], waits[8])
        };
        let none = RetryPlan::default();
        let (first, last) = longest(none);
        assert!(first <= auto.first && last <= auto.longest && last >= auto.longest / 2);
        let jitter = Some(Duration::ZERO);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (base_delay, max_delay, max_retries, first, last) in [
            (seconds(5), None, None, 5, 5),
            (seconds(1), seconds(30), Some(3), 1, 30),
            (seconds(1), seconds(300), Some(0), 300, 300),
        ] {
            let plan = RetryPlan {
                max_retries,
                base_delay,
                max_delay,
                jitter,
            };
            assert_eq!(longest(plan), (Duration::from_secs(first), Duration::from_secs(last)));
        }
        let short = Some(Duration::from_millis(10));
        let plan = RetryPlan {
            max_delay: short,
            jitter,
            ..none
        };
        assert_eq!(
            Some(longest(plan).0),
            short,
            "the first wait is no longer than the longest"
        );
    }
}
