//! The choice of the neighbours that are served.

mod choker;
mod round_robin;
mod tit_for_tat;

use std::{cmp::Ordering, fmt::Debug, time::Duration};

pub(crate) use choker::Choker;

use crate::{Time, choices::choices};

choices! {
    /// Which interested neighbours are served when there are more of them than upload slots.
    pub enum ChokePolicyKind of Box<dyn ChokePolicy> {
        TitForTat = "titForTat" in tit_for_tat,
        RoundRobin = "roundRobin" in round_robin,
    }
}

/// A rule that says who is served. Slots are the choker's: it gives a free one at once to the first who waits, and leaves one
/// that was just given until it could be used.
pub(crate) trait ChokePolicy: Debug + Send {
    /// The order of service; `Less` is before.
    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering;

    /// Adds to `chosen`, which has those that keep their slot, whom to serve beside them.
    fn choose(&mut self, choice: &Choice<'_>, chosen: &mut Vec<usize>);
}

/// One interested neighbour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) neighbour: usize,
    /// It has a slot now.
    pub(crate) unchoked: bool,
    /// Bytes a second received from it; zero once this peer is complete.
    pub(crate) rate: f64,
    /// Chunks that it misses.
    pub(crate) missing: u32,
    /// It got its slot so recently that its first request may still be on its way.
    pub(crate) settling: bool,
    /// It has had a slot for a whole interval and asked for nothing.
    pub(crate) idle: bool,
    /// When it began to wait for a slot, for the one that it has if it has one.
    pub(crate) waiting_since: Time,
}

/// The candidates.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) now: Time,
    /// Neighbours that may be served at once.
    pub(crate) slots: usize,
    /// How long an optimistic slot stays.
    pub(crate) optimistic: Duration,
    /// All interested neighbours, by [`ChokePolicy::compare`].
    pub(crate) ranked: &'a [Candidate],
}

impl Choice<'_> {
    /// Adds the first ones until so many are chosen.
    pub(crate) fn take_first(&self, count: usize, chosen: &mut Vec<usize>) {
        for candidate in self.ranked {
            if chosen.len() >= count {
                return;
            }
            if !chosen.contains(&candidate.neighbour) {
                chosen.push(candidate.neighbour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn candidate(neighbour: usize, unchoked: bool, rate: f64, missing: u32) -> Candidate {
        Candidate {
            neighbour,
            unchoked,
            rate,
            missing,
            settling: false,
            idle: false,
            waiting_since: Time::from_secs(neighbour as u64),
        }
    }

    pub(super) fn choker(policy: ChokePolicyKind, slots: u32) -> Choker {
        Choker::new(
            policy.rule(),
            slots,
            Duration::from_secs(10),
            Duration::from_secs(30),
            Time::ZERO,
        )
    }
}
