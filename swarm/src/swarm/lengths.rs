//! How long something may take, as it follows from how long it has taken before.

use std::{collections::VecDeque, time::Duration};

/// Times after which a bound follows from them.
const KNOWN: usize = 3;
/// Times that are remembered.
const REMEMBERED: usize = 64;
/// The bound lies so many median absolute deviations past the median, and so many medians at least: giving up without need costs
/// what somebody has trained.
const DEVIATIONS: u32 = 8;
const MEDIANS: u32 = 3;
/// No bound is shorter.
const SHORTEST: Duration = Duration::from_secs(30);

/// The last times that something took.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    last: VecDeque<Duration>,
    longest: Option<Duration>,
}

impl Lengths {
    /// It has taken so long once more.
    pub(super) fn learn(&mut self, length: Duration) {
        self.last.push_back(length);
        if self.last.len() > REMEMBERED {
            self.last.pop_front();
        }
        if self.last.len() >= KNOWN {
            let median = median(self.last.iter().copied());
            let deviation = self::median(self.last.iter().map(|length| length.abs_diff(median)));
            let late = median + deviation * DEVIATIONS;
            self.longest = Some(late.max(median * MEDIANS).max(SHORTEST));
        }
    }

    /// How long it may take; none while it has not happened often enough.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.longest
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(seconds: &[u64]) -> Option<u64> {
        let mut lengths = Lengths::default();
        for &seconds in seconds {
            lengths.learn(Duration::from_secs(seconds));
        }
        lengths.longest().map(|longest| longest.as_secs())
    }

    #[test]
    fn a_bound_follows_from_three_times_and_is_far_beyond_them() {
        assert_eq!(longest(&[60, 60]), None);
        assert_eq!(longest(&[60, 60, 60]), Some(180));
        assert_eq!(longest(&[1, 1, 1]), Some(30));
        // The median is 60 s, and half of them are 20 s away from it.
        assert_eq!(longest(&[40, 40, 60, 80, 80]), Some(220));
    }

    #[test]
    fn one_that_took_very_long_does_not_move_it() {
        assert_eq!(longest(&[60, 60, 60, 60, 100_000]), Some(180));
    }
}
