//! Chunks: ranges of elements of one origin's update in one round.

use std::ops::Range;

/// Names one chunk of one origin's update in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// Round that the update belongs to.
    pub round: u32,
    /// Index of the peer whose update it is.
    pub origin: u32,
    /// Position in the update, `0..chunks`.
    pub index: u32,
}

/// How every peer cuts an update of f32 elements into chunks: evenly, the first ones one element longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLayout {
    elements: u64,
    chunks: u32,
}

/// Bytes of one element.
const ELEMENT: u64 = 4;

impl ChunkLayout {
    /// `elements` f32 in `chunks` chunks. `None` unless `1 <= chunks <= elements` and a chunk's bytes fit in u32.
    pub fn new(elements: u64, chunks: u32) -> Option<Self> {
        let fits = chunks >= 1
            && u64::from(chunks) <= elements
            && elements.div_ceil(u64::from(chunks)) <= u64::from(u32::MAX) / ELEMENT;
        fits.then_some(Self { elements, chunks })
    }

    /// Elements of an update.
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Chunks of an update.
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Elements of chunk `index`; empty when there is no such chunk.
    pub fn range(&self, index: u32) -> Range<u64> {
        if index >= self.chunks {
            return self.elements..self.elements;
        }
        let (chunks, index) = (u64::from(self.chunks), u64::from(index));
        let (base, longer) = (self.elements / chunks, self.elements % chunks);
        let start = index * base + index.min(longer);
        start..start + base + u64::from(index < longer)
    }

    /// Bytes of chunk `index`.
    pub fn bytes(&self, index: u32) -> u32 {
        let range = self.range(index);
        // `new` has checked that the longest chunk fits.
        ((range.end - range.start) * ELEMENT) as u32
    }

    /// Bytes of the longest chunk.
    pub fn longest(&self) -> u32 {
        self.bytes(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_tile_the_update() {
        for elements in 1..60u64 {
            for chunks in 1..=elements as u32 {
                let layout = ChunkLayout::new(elements, chunks).unwrap();
                let mut next = 0;
                for index in 0..chunks {
                    let range = layout.range(index);
                    assert_eq!(range.start, next);
                    assert!(range.end > range.start);
                    assert!(layout.bytes(index) <= layout.longest());
                    next = range.end;
                }
                assert_eq!(next, elements);
                assert!(layout.range(chunks).is_empty());
            }
        }
    }

    #[test]
    fn impossible_layouts_are_refused() {
        assert_eq!(ChunkLayout::new(10, 0), None);
        assert_eq!(ChunkLayout::new(10, 11), None);
        assert_eq!(ChunkLayout::new(0, 1), None);
        assert_eq!(ChunkLayout::new(1 << 31, 1), None);
        assert!(ChunkLayout::new(1 << 31, 4).is_some());
    }
}
