//! At most one write of a status a second. What is held back is not kept: whoever is told to wait decides again then, from what is true
//! then, so that the last state is always written.

use std::time::{Duration, Instant};

use crate::backoff;

/// The least time between two writes of one object's status.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// When an object's status was last written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    written: Option<Instant>,
}

/// The decision about a status that differs from the written one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Write it.
    Now,
    /// Come again after this time.
    Wait(Duration),
}

impl Throttle {
    /// Whether it is time to write.
    pub fn turn(&self, now: Instant) -> Turn {
        let Some(written) = self.written else {
            return Turn::Now;
        };
        match INTERVAL.checked_sub(now.saturating_duration_since(written)) {
            Some(rest) if !rest.is_zero() => Turn::Wait(rest),
            _ => Turn::Now,
        }
    }

    /// Takes note of a write.
    pub const fn wrote(&mut self, now: Instant) {
        self.written = Some(now);
    }
}

/// How often what was applied had to be applied again. The first time it is at once, since somebody may have deleted it by mistake; who
/// keeps changing it does so against longer and longer pauses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repairs {
    count: u32,
    last: Option<Instant>,
}

/// After so long without a repair the next one is the first again.
const CALM: Duration = Duration::from_secs(1800);

impl Repairs {
    /// Whether it may be applied now.
    pub fn turn(&self, now: Instant) -> Turn {
        let (Some(last), Some(before)) = (self.last, self.count.checked_sub(1)) else {
            return Turn::Now;
        };
        let passed = now.saturating_duration_since(last);
        match backoff::REPAIR.after(before).checked_sub(passed) {
            Some(rest) if !rest.is_zero() => Turn::Wait(rest),
            _ => Turn::Now,
        }
    }

    /// Records an application.
    pub fn applied(&mut self, now: Instant) {
        let calm = self.last.is_none_or(|last| now.saturating_duration_since(last) > CALM);
        self.count = if calm { 0 } else { self.count.saturating_add(1) };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whenever states change: two writes are never less than a second apart, and after the last change the last state is written.
        #[test]
        fn writes_keep_their_distance_and_the_last_state_is_written(gaps in prop::collection::vec(0_u64..1500, 1..60)) {
            let start = Instant::now();
            let mut throttle = Throttle::default();
            let mut writes: Vec<(Instant, usize)> = Vec::new();
            let mut wake: Option<Instant> = None;
            let mut at = start;
            for (state, gap) in gaps.iter().enumerate() {
                let next = at + Duration::from_millis(*gap);
                if let Some(due) = wake.filter(|due| *due < next && state > 0) {
                    prop_assert_eq!(throttle.turn(due), Turn::Now);
                    throttle.wrote(due);
                    writes.push((due, state - 1));
                }
                at = next;
                match throttle.turn(at) {
                    Turn::Now => { throttle.wrote(at); writes.push((at, state)); wake = None; }
                    Turn::Wait(rest) => wake = Some(at + rest),
                }
            }
            if let Some(due) = wake {
                prop_assert_eq!(throttle.turn(due), Turn::Now);
                writes.push((due, gaps.len() - 1));
            }
            prop_assert!(writes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= INTERVAL));
            prop_assert_eq!(writes.last().map(|write| write.1), Some(gaps.len() - 1));
        }
    }

    /// Somebody undoes at once whatever is applied.
    #[test]
    fn two_that_fight_do_not_loop_hot() {
        let start = Instant::now();
        let mut repairs = Repairs::default();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            if let Turn::Wait(rest) = repairs.turn(now) {
                waits.push(rest.as_secs());
                now += rest;
            }
            assert_eq!(repairs.turn(now), Turn::Now);
            repairs.applied(now);
        }
        // The first application and the first repair are at once.
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        now += CALM + Duration::from_secs(1);
        repairs.applied(now);
        assert_eq!(repairs.turn(now), Turn::Now);
    }
}
