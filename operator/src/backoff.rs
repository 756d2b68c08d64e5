//! How long to wait after something failed again and again.

use std::time::Duration;

use fltorrent_coordinator::backoff::Backoff;

/// After a reconcile that failed.
pub const RECONCILE: Backoff = from_to(1, 120);
/// While the operator cannot begin since the API server does not answer.
pub const API: Backoff = from_to(1, 15);
/// Before what somebody keeps changing is applied once more.
pub const REPAIR: Backoff = from_to(1, 300);
/// Before a failed experiment's peers are started again.
pub const RESTART: Backoff = from_to(2, 120);

const fn from_to(first: u64, longest: u64) -> Backoff {
    Backoff {
        first: Duration::from_secs(first),
        longest: Duration::from_secs(longest),
    }
}
