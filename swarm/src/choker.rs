//! Who is served: BEP 3's choker with work-conserving slots.
//!
//! While this peer still needs chunks, interested neighbours are ranked by the rate received from them; once it is
//! complete, the most deprived comes first (Massoulié and Twigg, MSR-TR-2006-105). One slot is optimistic: it goes to
//! whoever has waited longest. A neighbour in a slot keeps it until another one is clearly better, and in any case until
//! it could be served once: slots that move faster than requests travel would serve nobody.

use std::time::Duration;

use crate::Time;

/// How much better than one in a slot another one must be.
const HYSTERESIS: f64 = 1.25;
/// Shortest time between two choices.
const SHORTEST: Duration = Duration::from_millis(10);
/// Rounds are divided into at least so many choices.
const CHOICES_A_ROUND: u32 = 20;
/// The optimistic slot stays for so many choices.
const OPTIMISTIC_CHOICES: u32 = 3;

/// One interested neighbour, as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) link: usize,
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
    pub(crate) waiting_since: Time,
}

/// Times of the choices.
#[derive(Debug)]
pub(crate) struct Choker {
    slots: usize,
    longest: Duration,
    longest_optimistic: Duration,
    interval: Duration,
    pub(crate) next: Time,
    next_optimistic: Time,
    optimistic: Option<usize>,
}

impl Choker {
    pub(crate) fn new(
        slots: u32,
        longest: Duration,
        longest_optimistic: Duration,
        now: Time,
    ) -> Self {
        let mut choker = Self {
            slots: slots as usize,
            longest,
            longest_optimistic,
            interval: longest,
            next: now,
            next_optimistic: now,
            optimistic: None,
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

    /// Chooses among the interested neighbours; returns the links that shall have a slot.
    pub(crate) fn choose(&mut self, now: Time, candidates: &[Candidate]) -> Vec<usize> {
        self.next = now + self.interval;
        let mut ranked = candidates.to_vec();
        ranked.sort_by(|a, b| {
            rank(b)
                .total_cmp(&rank(a))
                .then(b.missing.cmp(&a.missing))
                .then(a.link.cmp(&b.link))
        });
        let still_there = |link| candidates.iter().any(|candidate| candidate.link == link);
        let rotate = now >= self.next_optimistic || !self.optimistic.is_some_and(still_there);
        let regular = if self.slots > 1 {
            self.slots - 1
        } else {
            usize::from(!rotate)
        };
        let mut chosen: Vec<usize> = ranked
            .iter()
            .filter(|candidate| candidate.settling)
            .map(|candidate| candidate.link)
            .collect();
        let unsettled = |chosen: &[usize]| {
            ranked
                .iter()
                .map(|c| c.link)
                .find(|link| !chosen.contains(link))
        };
        while chosen.len() < regular {
            let Some(link) = unsettled(&chosen) else {
                break;
            };
            chosen.push(link);
        }
        if rotate && chosen.len() < self.slots {
            self.next_optimistic =
                now + (self.interval * OPTIMISTIC_CHOICES).min(self.longest_optimistic);
            self.optimistic = ranked
                .iter()
                .filter(|candidate| !chosen.contains(&candidate.link) && !candidate.unchoked)
                .min_by_key(|candidate| (candidate.waiting_since, candidate.link))
                .map(|candidate| candidate.link);
        }
        chosen.extend(
            self.optimistic
                .filter(|link| still_there(*link) && !chosen.contains(link)),
        );
        while chosen.len() < self.slots {
            let Some(link) = unsettled(&chosen) else {
                break;
            };
            chosen.push(link);
        }
        chosen.truncate(self.slots);
        chosen
    }

    /// The waiting neighbour that gets a slot that has become free.
    pub(crate) fn fill(candidates: &[Candidate]) -> Option<usize> {
        candidates
            .iter()
            .filter(|candidate| !candidate.unchoked)
            .max_by(|a, b| {
                rank(a)
                    .total_cmp(&rank(b))
                    .then(a.missing.cmp(&b.missing))
                    .then(b.link.cmp(&a.link))
            })
            .map(|candidate| candidate.link)
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
    if candidate.unchoked {
        merit * HYSTERESIS
    } else {
        merit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(link: usize, unchoked: bool, rate: f64, missing: u32) -> Candidate {
        Candidate {
            link,
            unchoked,
            rate,
            missing,
            settling: false,
            idle: false,
            waiting_since: Time::from_secs(link as u64),
        }
    }

    fn choker(slots: u32) -> Choker {
        Choker::new(
            slots,
            Duration::from_secs(10),
            Duration::from_secs(30),
            Time::ZERO,
        )
    }

    #[test]
    fn the_fastest_and_one_that_waits_get_the_slots() {
        let candidates: Vec<_> = (0..6)
            .map(|link| candidate(link, false, f64::from(link as u32), 5))
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
        assert_eq!(
            at(0, 100.0, 100.0, &mut choker),
            [1],
            "the optimistic slot comes first"
        );
        assert_eq!(at(1, 100.0, 120.0, &mut choker), [0]);
        assert_eq!(at(2, 100.0, 130.0, &mut choker), [1]);
    }

    #[test]
    fn the_most_deprived_come_first_when_nothing_is_received() {
        assert_eq!(
            Choker::fill(&[candidate(0, false, 0.0, 3), candidate(1, false, 0.0, 9)]),
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
                .map(|link| Candidate {
                    waiting_since: waiting[link],
                    ..candidate(link, unchoked[link], if link == 0 { 9.0 } else { 1.0 }, 5)
                })
                .collect();
            let chosen = choker.choose(now, &candidates);
            assert_eq!(chosen.len(), 2);
            for link in 0..6 {
                if unchoked[link] && !chosen.contains(&link) {
                    waiting[link] = now;
                }
                unchoked[link] = chosen.contains(&link);
                served[link] += u32::from(unchoked[link]);
            }
        }
        assert!(served.iter().all(|&times| times > 0), "{served:?}");
    }

    #[test]
    fn intervals_follow_the_round() {
        let mut choker = choker(4);
        assert_eq!(choker.interval(), Duration::from_millis(500));
        choker.set_round_length(Duration::from_secs(1000));
        assert_eq!(choker.interval(), Duration::from_secs(10));
        choker.set_round_length(Duration::from_millis(1));
        assert_eq!(choker.interval(), Duration::from_millis(10));
    }
}
