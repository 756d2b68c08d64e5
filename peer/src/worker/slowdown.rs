//! Peers that take longer than their machine needs.

use std::time::Duration;

/// The rest of a time that is stretched by a factor.
pub(super) fn rest(taken: Duration, slowdown: f64) -> Duration {
    let rest = taken.as_secs_f64() * (slowdown - 1.0).max(0.0);
    Duration::try_from_secs_f64(rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_takes_so_many_times_as_long() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(second, 1.0), Duration::ZERO);
        assert_eq!(rest(second, 3.0), 2 * second);
        assert_eq!(rest(2 * second, 1.5), second);
    }
}
