//! The allocator's pages: which go back to the system, and when.
//!
//! A training step frees as much as it takes, several times a second. Pages that go back in between are cleared when they are
//! taken again, which cost a third of all CPU time with a model of 23 MB. So a peer keeps its pages within a phase of a round,
//! and gives back what is free where one phase ends, since the next one needs other sizes.

use libmimalloc_sys::{mi_collect, mi_option_set};

/// The allocator of the program. Page faults of big tensors cost the CPU backend up to 2.5×; mimalloc keeps its pages.
pub use mimalloc::MiMalloc as Allocator;

/// mimalloc's `mi_option_purge_delay`, which its bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// Milliseconds, far longer than a phase: an hour.
const NEVER: std::ffi::c_long = 3_600_000;

/// From now on free pages stay with the process until [`give_back`], and a page is no larger than what is used of it.
pub fn keep() {
    // A system that cannot disable huge pages does not have them.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
    // SAFETY: an atomic store into mimalloc's table of options, at an index within it; allowed at any time and without
    // mimalloc being the program's allocator.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) }
}

/// Gives the system what is free: large allocations of all threads, small ones of this thread.
pub fn give_back() {
    // SAFETY: it touches only what is not allocated, and takes mimalloc's own locks where threads share it.
    unsafe { mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_delay() {
        // SAFETY: as in `keep`.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 10, "mimalloc's default");
        keep();
        assert_eq!(delay(), NEVER);
        give_back();
    }
}
