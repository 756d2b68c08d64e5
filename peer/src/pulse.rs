//! Signs of progress, from the training thread to the driver, which wants to know only whether there are any.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A count of signs of progress; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// A step is done.
    pub fn beat(&self) {
        // Nothing else is read by way of it.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Steps that are done.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
