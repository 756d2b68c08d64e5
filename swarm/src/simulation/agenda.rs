//! What happens when, in a fixed order.

use std::collections::VecDeque;

use crate::Time;

/// No packet of its own: an acknowledgement that travels alone.
pub(super) const NO_PACKET: u64 = u64::MAX;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The two ends of a connection know each other; `edge` names it.
    Connected { edge: u32 },
    /// A packet has left the sender's uplink and reaches the receiver's downlink. `acks` is the packet of the other
    /// direction up to which the sender of this one acknowledges.
    Arrives { flow: u32, packet: u64, acks: u64 },
    /// A packet has passed the receiver's downlink.
    Delivered { flow: u32, packet: u64, acks: u64 },
    /// Bytes of a piece that travel as one reach the receiver's downlink; the last ones of the piece, or not.
    UnitArrives {
        flow: u32,
        bytes: u32,
        is_last: bool,
    },
    /// They have passed it.
    UnitDelivered {
        flow: u32,
        bytes: u32,
        is_last: bool,
    },
    /// Messages that travel together have come.
    Told { flow: u32 },
    /// The transport has taken an upload.
    Taken { flow: u32, request: u32 },
    /// Packets that came wait for their acknowledgement long enough.
    AckDue { flow: u32 },
    /// Nothing was acknowledged for suspiciously long.
    Probe { flow: u32 },
    /// A peer has trained.
    Trained { peer: u32 },
    /// A state machine wants to know the time.
    Timer { peer: u32 },
}

/// Events in the order in which they happen, those of one moment in the order in which they were added.
///
/// A radix heap: nothing is ever added for a time before the last event's. An event is kept by the highest bit in which its time
/// differs from that time, so that it moves at most once a bit, and mostly along with its neighbours in memory. Source: Ahuja,
/// Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path problem", Journal of the ACM 37, 1990.
#[derive(Debug)]
pub(super) struct Agenda {
    /// Nanoseconds of the last event.
    last: u64,
    /// Events of that moment.
    now: VecDeque<What>,
    /// Bucket b: those whose time differs from `last` in bit b and in none above.
    later: [Vec<(u64, What)>; u64::BITS as usize],
    /// A bit a bucket that has something.
    filled: u64,
}

impl Default for Agenda {
    fn default() -> Self {
        Self {
            last: 0,
            now: VecDeque::new(),
            later: std::array::from_fn(|_| Vec::new()),
            filled: 0,
        }
    }
}

impl Agenda {
    /// `time` is not before the last event's; one that is counts as now.
    pub(super) fn add(&mut self, time: Time, what: What) {
        // Five hundred years of virtual time.
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.put(nanoseconds.max(self.last), what);
    }

    fn put(&mut self, nanoseconds: u64, what: What) {
        let differs = nanoseconds ^ self.last;
        match differs.checked_ilog2() {
            None => self.now.push_back(what),
            Some(bit) => {
                self.later[bit as usize].push((nanoseconds, what));
                self.filled |= 1 << bit;
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<(Time, What)> {
        if self.now.is_empty() {
            if self.filled == 0 {
                return None;
            }
            let bit = self.filled.trailing_zeros();
            self.filled &= self.filled - 1;
            let mut events = std::mem::take(&mut self.later[bit as usize]);
            let earliest = events.iter().map(|event| event.0).min();
            self.last = earliest.unwrap_or(self.last);
            for (nanoseconds, what) in events.drain(..) {
                self.put(nanoseconds, what);
            }
            // Its memory is used again.
            self.later[bit as usize] = events;
        }
        let what = self.now.pop_front()?;
        Some((Time::from_nanos(self.last), what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::mix;

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
                agenda.add(Time::from_nanos(time), What::Timer { peer: added });
            } else {
                let (time, What::Timer { peer }) = agenda.pop().unwrap() else {
                    panic!("another event");
                };
                let nanoseconds = time.as_nanos() as u64;
                assert!(nanoseconds > last.0 || nanoseconds == last.0 && peer > last.1);
                last = (nanoseconds, peer);
                pending -= 1;
            }
        }
        while agenda.pop().is_some() {
            pending -= 1;
        }
        assert_eq!(pending, 0);
    }
}
