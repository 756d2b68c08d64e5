//! Outstanding requests to one neighbour.

use crate::rate::Mark;
use std::time::Duration;

/// Pieces that answer standing requests have numbers from here on, which the uploader gives.
const STANDING: u32 = 1 << 31;
/// Of these the lower ones.
const BACKLOG_BITS: u32 = 16;
const MOST_BACKLOG: u32 = (1 << BACKLOG_BITS) - 1;

/// Whether a piece answers a standing request.
pub(crate) fn is_standing(request: u32) -> bool {
    request >= STANDING
}

/// The number of the uploader's next piece of that kind: how many it has sent, and beside it how many more it could send to the same neighbour.
pub(crate) fn standing_number(count: u32, backlog: u32) -> u32 {
    STANDING | (count << BACKLOG_BITS) & (STANDING - 1) | backlog.min(MOST_BACKLOG)
}

/// How many more chunks the uploader of a piece of that kind could send.
pub(crate) fn backlog_of(request: u32) -> u32 {
    request & MOST_BACKLOG
}

/// A request that waits for its piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub(crate) position: u32,
    pub(crate) bytes: u32,
    pub(crate) mark: Mark,
    /// How long it should take at the neighbour's rate; none while that is unknown.
    pub(crate) expected: Option<Duration>,
    /// Its piece has begun to come.
    pub(crate) begun: bool,
    /// It was withdrawn for another neighbour, and the answer is on its way.
    pub(crate) withdrawn_for: Option<usize>,
}

/// Requests by id, ascending and side by side: they are few, and looked at far more often than they come and go.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    inner: Vec<(u32, Outstanding)>,
    /// Bytes of all of them.
    bytes: u64,
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.inner.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.inner.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Outstanding> {
        Some(&self.inner[self.find(id)?].1)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Outstanding> {
        let at = self.find(id)?;
        Some(&mut self.inner[at].1)
    }

    /// Adds one with an id above all others.
    pub(crate) fn push(&mut self, id: u32, request: Outstanding) {
        debug_assert!(self.inner.last().is_none_or(|(last, _)| *last < id));
        self.bytes += u64::from(request.bytes);
        self.inner.push((id, request));
    }

    /// Adds one that may have overtaken others.
    pub(crate) fn insert(&mut self, id: u32, request: Outstanding) {
        let at = self.inner.partition_point(|(other, _)| *other < id);
        self.bytes += u64::from(request.bytes);
        self.inner.insert(at, (id, request));
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Outstanding> {
        let at = self.find(id)?;
        let (_, gone) = self.inner.remove(at);
        self.bytes -= u64::from(gone.bytes);
        Some(gone)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Outstanding)> {
        self.inner.iter().map(|(id, request)| (*id, request))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Outstanding> + Clone {
        self.inner.iter().map(|(_, request)| request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Time, rate::DeliveryRate};

    #[test]
    fn requests_are_found_and_taken_by_id_and_their_bytes_add_up() {
        let mark = DeliveryRate::default().mark(Time::ZERO);
        let request = |position| Outstanding {
            position,
            bytes: 10 * position,
            mark,
            expected: None,
            begun: false,
            withdrawn_for: None,
        };
        let mut requests = Requests::default();
        for id in [1, 2, 5, 9] {
            requests.push(id, request(id));
        }
        assert_eq!(requests.bytes(), 170);
        assert_eq!(requests.remove(2).map(|gone| gone.position), Some(2));
        assert!(requests.remove(2).is_none() && requests.get(3).is_none());
        requests.get_mut(5).unwrap().begun = true;
        assert!(requests.get(5).unwrap().begun);
        let ids: Vec<u32> = requests.iter().map(|(id, _)| id).collect();
        assert_eq!((ids, requests.bytes()), (vec![1, 5, 9], 150));
        assert_eq!((requests.len(), requests.is_empty()), (3, false));
        assert_eq!(requests.values().last().map(|last| last.position), Some(9));
        requests.insert(7, request(7));
        let ids: Vec<u32> = requests.iter().map(|(id, _)| id).collect();
        assert_eq!((ids, requests.bytes()), (vec![1, 5, 7, 9], 220));
    }
}
