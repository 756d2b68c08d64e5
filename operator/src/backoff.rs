//! How long to wait after something failed again and again.

use std::time::Duration;

/// Waits that double, within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// After a reconcile that failed.
    pub const RECONCILE: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(120),
    };
    /// While the operator cannot begin since the API server does not answer.
    pub const API: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(15),
    };
    /// Before what somebody keeps changing is applied once more.
    pub const REPAIR: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(300),
    };
    /// Before a failed experiment's peers are started again.
    pub const RESTART: Self = Self {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(120),
    };

    /// The wait after so many failures in a row, the first of which is failure 0.
    pub fn after(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = [0, 1, 2, 3, 6, 7, 31, u32::MAX]
            .map(|failures| Backoff::RECONCILE.after(failures).as_secs());
        assert_eq!(waits, [1, 2, 4, 8, 64, 120, 120, 120]);
    }
}
