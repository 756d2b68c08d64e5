//! The agenda of events, in a fixed order.

use std::collections::VecDeque;

use crate::Time;

/// Events in the order in which they happen, those of one moment in the order in which they were added.
///
/// A radix heap: nothing is ever added for a time before the last event's. An event is kept by the highest bit in which its time
/// differs from that time, so that it moves at most once a bit, and mostly along with its neighbours in memory. Source: Ahuja,
/// Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path problem", Journal of the ACM 37, 1990.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    /// Nanoseconds of the last event.
    last: u64,
    /// Events of that moment.
    now: VecDeque<E>,
    /// Bucket b: those whose time differs from `last` in bit b and in none above.
    later: [Vec<(u64, E)>; u64::BITS as usize],
    /// A bit a bucket that has something.
    filled: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self {
            last: 0,
            now: VecDeque::new(),
            later: std::array::from_fn(|_| Vec::new()),
            filled: 0,
        }
    }
}

impl<E> Agenda<E> {
    /// `time` is not before the last event's; one that is counts as now.
    pub(super) fn add(&mut self, time: Time, event: E) {
        // Five hundred years of virtual time.
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.put(nanoseconds.max(self.last), event);
    }

    fn put(&mut self, nanoseconds: u64, event: E) {
        let differs = nanoseconds ^ self.last;
        match differs.checked_ilog2() {
            None => self.now.push_back(event),
            Some(bit) => {
                self.later[bit as usize].push((nanoseconds, event));
                self.filled |= 1 << bit;
            }
        }
    }

    /// When the next event happens, for scripts that stop before it.
    #[cfg(feature = "test-utils")]
    pub(super) fn next_time(&self) -> Option<Time> {
        let bucket = self.later.get(self.filled.trailing_zeros() as usize);
        let earliest = match self.now.is_empty() {
            true => bucket?.iter().map(|event| event.0).min()?,
            false => self.last,
        };
        Some(Time::from_nanos(earliest))
    }

    pub(super) fn pop(&mut self) -> Option<(Time, E)> {
        if self.now.is_empty() {
            if self.filled == 0 {
                return None;
            }
            let bit = self.filled.trailing_zeros();
            self.filled &= self.filled - 1;
            let mut events = std::mem::take(&mut self.later[bit as usize]);
            let earliest = events.iter().map(|event| event.0).min();
            self.last = earliest.unwrap_or(self.last);
            for (nanoseconds, event) in events.drain(..) {
                self.put(nanoseconds, event);
            }
            // Its memory is used again.
            self.later[bit as usize] = events;
        }
        let event = self.now.pop_front()?;
        Some((Time::from_nanos(self.last), event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::mix;

    #[test]
    fn events_come_in_order_of_time_and_then_of_adding() {
        let mut agenda = Agenda::default();
        let mut last = (0, 0);
        let mut pending = 0;
        let mut added = 0;
        for step in 0..20_000_u64 {
            if !mix(step).is_multiple_of(3) || pending == 0 {
                added += 1;
                pending += 1;
                let time = last.0 + mix(step + 7) % (1 << (mix(step + 9) % 20));
                agenda.add(Time::from_nanos(time), added);
            } else {
                let next = agenda.next_time();
                let (time, event) = agenda.pop().unwrap();
                assert_eq!(next, Some(time));
                let nanoseconds = time.as_nanos() as u64;
                assert!(nanoseconds > last.0 || nanoseconds == last.0 && event > last.1);
                last = (nanoseconds, event);
                pending -= 1;
            }
        }
        while agenda.pop().is_some() {
            pending -= 1;
        }
        assert_eq!(pending, 0);
    }
}
