//! Interested neighbours by turns, as libtorrent's seeds do (`seed_choking_algorithm::round_robin`): whoever has waited longest is
//! next, and whoever got its slot first gives it up. What neighbours send in return does not count.

use std::cmp::Ordering;

use super::{Candidate, Choice, ChokePolicy};

pub(super) const SENTENCE: &str = "all by turns, whatever they send";

pub(super) fn rule() -> Box<dyn ChokePolicy> {
    Box::new(RoundRobin)
}

#[derive(Debug)]
struct RoundRobin;

impl ChokePolicy for RoundRobin {
    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let waiting = a.unchoked.cmp(&b.unchoked);
        // Slots are given in the order of waiting, so that the last one to wait got its slot last.
        let turn = match a.unchoked {
            false => a.waiting_since.cmp(&b.waiting_since),
            true => b.waiting_since.cmp(&a.waiting_since),
        };
        waiting.then(turn).then(a.neighbour.cmp(&b.neighbour))
    }

    fn choose(&mut self, choice: &Choice<'_>, chosen: &mut Vec<usize>) {
        choice.take_first(choice.slots, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Time,
        choke::{
            ChokePolicyKind,
            tests::{candidate, choker},
        },
    };

    /// The neighbours that are served at each of so many choices, though they send at very different rates.
    fn served(neighbours: usize, slots: u32, choices: u64, settling: bool) -> Vec<Vec<usize>> {
        let mut choker = choker(ChokePolicyKind::RoundRobin, slots);
        let mut all: Vec<Candidate> = (0..neighbours)
            .map(|neighbour| Candidate {
                waiting_since: Time::ZERO,
                ..candidate(neighbour, false, 1000.0 * neighbour as f64, 5)
            })
            .collect();
        let mut chosen = Vec::new();
        for step in 1..=choices {
            let now = Time::from_secs(step);
            let mut served = choker.choose(now, &all);
            served.sort_unstable();
            for candidate in &mut all {
                let unchoked = served.contains(&candidate.neighbour);
                if candidate.unchoked && !unchoked {
                    candidate.waiting_since = now;
                }
                candidate.settling = settling && unchoked && !candidate.unchoked;
                candidate.unchoked = unchoked;
            }
            chosen.push(served);
        }
        chosen
    }

    #[test]
    fn all_have_their_turn_in_order_whatever_they_send() {
        assert_eq!(served(5, 2, 5, false), [[0, 1], [2, 3], [0, 4], [1, 2], [0, 3]]);
    }

    #[test]
    fn nobody_waits_longer_than_all_others_take() {
        for (neighbours, slots) in [(2_usize, 1), (7, 3), (10, 4), (9, 8)] {
            let turns = neighbours.div_ceil(slots);
            let choices = served(neighbours, slots as u32, 100, false);
            for window in choices.windows(turns) {
                let served = |neighbour| window.iter().any(|chosen| chosen.contains(&neighbour));
                assert!((0..neighbours).all(served), "{neighbours}, {slots}: {window:?}");
            }
        }
    }

    #[test]
    fn a_new_slot_stays_until_it_could_be_used() {
        assert_eq!(served(4, 2, 5, true), [[0, 1], [0, 1], [2, 3], [2, 3], [0, 1]]);
    }

    #[test]
    fn slots_stay_where_nobody_waits_and_a_free_one_goes_to_the_longest_wait() {
        assert_eq!(served(2, 3, 2, false), [[0, 1], [0, 1]]);
        let waits = |neighbour, since| Candidate {
            waiting_since: Time::from_secs(since),
            ..candidate(neighbour, false, 0.0, 5)
        };
        let choker = choker(ChokePolicyKind::RoundRobin, 1);
        assert_eq!(choker.fill(&[waits(0, 7), waits(1, 3), waits(2, 5)]), Some(1));
    }
}
