//! BEP 3's choker. While this peer still needs chunks, interested neighbours are ranked by the rate received from them; once it
//! is complete, the most deprived comes first (Massoulié and Twigg, MSR-TR-2006-105). One slot is optimistic: it goes to whoever
//! has waited longest. A neighbour in a slot keeps it until another one is clearly better.

use std::cmp::Ordering;

use super::{Candidate, Choice, ChokePolicy};
use crate::Time;

pub(super) const SENTENCE: &str = "those that send the most, once the peer is complete those that lack the most, and \
    in one slot by turns whoever has waited longest";

/// How much better than one in a slot another one must be.
const HYSTERESIS: f64 = 1.25;

pub(super) fn rule() -> Box<dyn ChokePolicy> {
    Box::new(TitForTat::default())
}

#[derive(Debug, Default)]
struct TitForTat {
    /// The holder of the optimistic slot, and until when.
    optimistic: Option<usize>,
    until: Time,
}

impl ChokePolicy for TitForTat {
    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        rank(b)
            .total_cmp(&rank(a))
            .then(b.missing.cmp(&a.missing))
            .then(a.neighbour.cmp(&b.neighbour))
    }

    fn choose(&mut self, choice: &Choice<'_>, chosen: &mut Vec<usize>) {
        let Choice { now, slots, ranked, .. } = *choice;
        let still_there = |neighbour| ranked.iter().any(|candidate| candidate.neighbour == neighbour);
        let rotate = now >= self.until || !self.optimistic.is_some_and(still_there);
        let regular = if slots > 1 { slots - 1 } else { usize::from(!rotate) };
        choice.take_first(regular, chosen);
        if rotate && chosen.len() < slots {
            self.until = now + choice.optimistic;
            self.optimistic = ranked
                .iter()
                .filter(|candidate| !chosen.contains(&candidate.neighbour) && !candidate.unchoked)
                .min_by_key(|candidate| (candidate.waiting_since, candidate.neighbour))
                .map(|candidate| candidate.neighbour);
        }
        chosen.extend(
            self.optimistic
                .filter(|neighbour| still_there(*neighbour) && !chosen.contains(neighbour)),
        );
        choice.take_first(slots, chosen);
    }
}

/// By rate received, or by deprivation when nothing is received any more.
fn rank(candidate: &Candidate) -> f64 {
    if candidate.idle {
        return -1.0;
    }
    let merit = if candidate.rate > 0.0 {
        candidate.rate
    } else {
        f64::from(candidate.missing) * f64::MIN_POSITIVE
    };
    if candidate.unchoked { merit * HYSTERESIS } else { merit }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::choke::{
        ChokePolicyKind, Choker,
        tests::{candidate, choker as choker_of},
    };

    fn choker(slots: u32) -> Choker {
        choker_of(ChokePolicyKind::TitForTat, slots)
    }

    #[test]
    fn the_fastest_and_one_that_waits_get_the_slots() {
        let candidates: Vec<_> = (0..6)
            .map(|neighbour| candidate(neighbour, false, f64::from(neighbour as u32), 5))
            .collect();
        assert_eq!(choker(3).choose(Time::ZERO, &candidates), [5, 4, 0]);
    }

    #[test]
    fn a_slot_is_kept_until_another_is_clearly_better() {
        let mut choker = choker(1);
        let at = |now, a, b, choker: &mut Choker| {
            choker.choose(
                Time::from_millis(now),
                &[candidate(0, true, a, 5), candidate(1, false, b, 5)],
            )
        };
        assert_eq!(at(0, 100.0, 100.0, &mut choker), [1], "the optimistic slot comes first");
        assert_eq!(at(1, 100.0, 120.0, &mut choker), [0]);
        assert_eq!(at(2, 100.0, 130.0, &mut choker), [1]);
    }

    #[test]
    fn the_most_deprived_come_first_when_nothing_is_received() {
        assert_eq!(
            choker(1).fill(&[candidate(0, false, 0.0, 3), candidate(1, false, 0.0, 9)]),
            Some(1)
        );
    }

    #[test]
    fn everybody_who_waits_has_a_turn() {
        let mut choker = choker(2);
        let mut unchoked = [false; 6];
        let mut waiting = [Time::ZERO; 6];
        let mut served = [0; 6];
        for step in 0..60u64 {
            let now = Time::from_secs(step);
            let candidates: Vec<_> = (0..6)
                .map(|neighbour| Candidate {
                    waiting_since: waiting[neighbour],
                    ..candidate(
                        neighbour,
                        unchoked[neighbour],
                        if neighbour == 0 { 9.0 } else { 1.0 },
                        5,
                    )
                })
                .collect();
            let chosen = choker.choose(now, &candidates);
            assert_eq!(chosen.len(), 2);
            for neighbour in 0..6 {
                if unchoked[neighbour] && !chosen.contains(&neighbour) {
                    waiting[neighbour] = now;
                }
                unchoked[neighbour] = chosen.contains(&neighbour);
                served[neighbour] += u32::from(unchoked[neighbour]);
            }
        }
        assert!(served.iter().all(|&times| times > 0), "{served:?}");
    }
}
