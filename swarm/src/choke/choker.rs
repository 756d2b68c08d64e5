//! When it is chosen anew who is served, with work-conserving slots.
//!
//! A neighbour in a slot keeps it in any case until it could be served once: slots that move faster than requests travel would
//! serve nobody.

use std::time::Duration;

use super::{Candidate, Choice, ChokePolicy};
use crate::Time;

/// Shortest time between two choices.
const SHORTEST: Duration = Duration::from_millis(10);
/// Rounds are divided into at least so many choices.
const CHOICES_A_ROUND: u32 = 20;
/// The optimistic slot stays for so many choices.
const OPTIMISTIC_CHOICES: u32 = 3;

/// Times of the choices.
#[derive(Debug)]
pub(crate) struct Choker {
    policy: Box<dyn ChokePolicy>,
    slots: usize,
    longest: Duration,
    longest_optimistic: Duration,
    interval: Duration,
    pub(crate) next: Time,
}

impl Choker {
    pub(crate) fn new(
        policy: Box<dyn ChokePolicy>,
        slots: u32,
        longest: Duration,
        longest_optimistic: Duration,
        now: Time,
    ) -> Self {
        let mut choker = Self {
            policy,
            slots: slots as usize,
            longest,
            longest_optimistic,
            interval: longest,
            next: now,
        };
        // Nothing is known of a round's length yet.
        choker.set_round_length(longest);
        choker
    }

    /// Choices are made at least twenty times in a round as long as the last one.
    pub(crate) fn set_round_length(&mut self, length: Duration) {
        self.interval = (length / CHOICES_A_ROUND).clamp(SHORTEST.min(self.longest), self.longest);
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Chooses among the interested neighbours; returns those that shall have a slot.
    pub(crate) fn choose(&mut self, now: Time, candidates: &[Candidate]) -> Vec<usize> {
        self.next = now + self.interval;
        let mut ranked = candidates.to_vec();
        ranked.sort_by(|a, b| self.policy.compare(a, b));
        let settling = ranked.iter().filter(|candidate| candidate.settling);
        let mut chosen = settling.map(|candidate| candidate.neighbour).collect();
        let choice = Choice {
            now,
            slots: self.slots,
            optimistic: (self.interval * OPTIMISTIC_CHOICES).min(self.longest_optimistic),
            ranked: &ranked,
        };
        self.policy.choose(&choice, &mut chosen);
        chosen.truncate(self.slots);
        chosen
    }

    /// The waiting neighbour that gets a slot that has become free.
    pub(crate) fn fill(&self, candidates: &[Candidate]) -> Option<usize> {
        let waiting = candidates.iter().filter(|candidate| !candidate.unchoked);
        let first = waiting.min_by(|a, b| self.policy.compare(a, b));
        first.map(|candidate| candidate.neighbour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::{ChokePolicyKind, tests::choker};

    #[test]
    fn intervals_follow_the_round() {
        let mut choker = choker(ChokePolicyKind::default(), 4);
        assert_eq!(choker.interval(), Duration::from_millis(500));
        choker.set_round_length(Duration::from_secs(1000));
        assert_eq!(choker.interval(), Duration::from_secs(10));
        choker.set_round_length(Duration::from_millis(1));
        assert_eq!(choker.interval(), Duration::from_millis(10));
    }
}
