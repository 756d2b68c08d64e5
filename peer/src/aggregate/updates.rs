//! A round's updates as columns: the same chunk of every origin.

use bytes::Bytes;
use fltorrent_swarm::{Bitfield, ChunkId, ChunkLayout};

use crate::store::{ChunkStore, StoreError};

/// The updates of one round: which origins' are there, what each weighs, and where their chunks are.
#[derive(Clone, Copy, Debug)]
pub struct Updates<'a> {
    store: &'a ChunkStore,
    layout: &'a ChunkLayout,
    round: u32,
    samples: &'a [Option<u64>],
    set: Option<&'a Bitfield>,
}

impl<'a> Updates<'a> {
    /// `samples` are the signed sample counts in origin order; none: the origin's update is not there.
    pub fn new(store: &'a ChunkStore, layout: &'a ChunkLayout, round: u32, samples: &'a [Option<u64>]) -> Self {
        Self {
            store,
            layout,
            round,
            samples,
            set: None,
        }
    }

    /// Only these chunks of them, as positions `origin * chunks + index`; all of them where there is no set.
    #[must_use]
    pub fn only(self, set: Option<&'a Bitfield>) -> Self {
        Self { set, ..self }
    }

    fn has(&self, origin: u32, index: u32) -> bool {
        let position = origin * self.layout.chunks() + index;
        self.set.is_none_or(|set| set.contains(position))
    }

    /// All columns, from the first element to the last.
    pub fn columns(self) -> impl Iterator<Item = Column<'a>> {
        (0..self.layout.chunks()).map(move |index| Column { updates: self, index })
    }
}

/// One chunk of every origin that is there.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    updates: Updates<'a>,
    index: u32,
}

impl Column<'_> {
    /// Its elements, as positions in the model.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<u64> {
        self.updates.layout.range(self.index)
    }

    /// The chunks in origin order. Each is read when it is asked for, so that a rule that needs one at a time keeps one.
    pub fn parts(&self) -> impl Iterator<Item = Result<Part, StoreError>> {
        let (round, index) = (self.updates.round, self.index);
        let there = (0..).zip(self.updates.samples);
        let there = there.filter_map(|(origin, samples)| Some((origin, (*samples)?)));
        let there = there.filter(move |&(origin, _)| self.updates.has(origin, index));
        there.map(move |(origin, samples)| {
            let chunk = ChunkId { round, origin, index };
            let data = self.updates.store.get(chunk)?;
            Ok(Part { origin, samples, data })
        })
    }
}

/// One origin's chunk of a column.
#[derive(Clone, Debug)]
pub struct Part {
    /// The origin.
    pub origin: u32,
    /// The samples that the update was trained on, which is its weight.
    pub samples: u64,
    data: Bytes,
}

impl Part {
    /// The elements in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = f32> {
        let elements = self.data.chunks_exact(4);
        elements.map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]]))
    }
}
