//! An update cut into chunks while its values come, tensor by tensor.

use fltorrent_swarm::{ChunkId, ChunkLayout};

use crate::{
    buffers::{Buffer, Buffers},
    store::{ChunkStore, StoreError},
    train::little_endian,
};

/// Puts the chunks of one update into the store.
#[derive(Debug)]
pub struct Cutter<'a> {
    store: &'a ChunkStore,
    layout: &'a ChunkLayout,
    buffers: &'a Buffers,
    /// The chunk that is being filled.
    next: ChunkId,
    /// It, with its bytes that are there.
    open: Option<(Buffer, usize)>,
    hashes: Vec<[u8; 32]>,
}

impl<'a> Cutter<'a> {
    /// Of a round's update by `origin`.
    pub fn new(store: &'a ChunkStore, layout: &'a ChunkLayout, buffers: &'a Buffers, round: u32, origin: u32) -> Self {
        Self {
            store,
            layout,
            buffers,
            next: ChunkId {
                round,
                origin,
                index: 0,
            },
            open: None,
            hashes: Vec::new(),
        }
    }

    /// Takes the next values; what is beyond the layout's elements is left out.
    ///
    /// # Errors
    /// When a chunk cannot be kept.
    pub fn add(&mut self, values: &[f32]) -> Result<(), StoreError> {
        let bytes = little_endian(values);
        let mut rest = &bytes[..];
        while !rest.is_empty() && self.next.index < self.layout.chunks() {
            let (mut buffer, filled) = self.open.take().unwrap_or_else(|| {
                let range = self.layout.range(self.next.index);
                let length = 4 * (range.end - range.start) as usize;
                (self.buffers.take(length), 0)
            });
            let room = &mut buffer.bytes_mut()[filled..];
            let (head, tail) = rest.split_at(rest.len().min(room.len()));
            room[..head.len()].copy_from_slice(head);
            let is_full = head.len() == room.len();
            if is_full {
                self.hashes.push(*blake3::hash(buffer.as_ref()).as_bytes());
                self.store.put(self.next, buffer.freeze())?;
                self.next.index += 1;
            } else {
                self.open = Some((buffer, filled + head.len()));
            }
            rest = tail;
        }
        Ok(())
    }

    /// The BLAKE3 hashes of all chunks.
    pub fn hashes(self) -> Vec<[u8; 32]> {
        self.hashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_do_not_depend_on_the_parts_that_values_come_in() {
        let layout = ChunkLayout::new(10, 3).unwrap();
        let buffers = Buffers::new(64);
        let values: Vec<f32> = (0..10u8).map(f32::from).collect();
        for parts in [vec![10], vec![0, 1, 1, 7, 0, 1], vec![4, 4, 2], vec![9, 3]] {
            let store = ChunkStore::new(std::env::temp_dir(), u64::MAX, &buffers, 2);
            let mut cutter = Cutter::new(&store, &layout, &buffers, 7, 2);
            // One value too many in the last case.
            let mut rest = [&values[..], &[99.0; 2]].concat();
            for count in parts {
                let left = rest.split_off(count);
                cutter.add(&rest).unwrap();
                rest = left;
            }
            let hashes = cutter.hashes();
            assert_eq!(hashes.len(), 3);
            for (index, hash) in (0u32..).zip(hashes) {
                let chunk = ChunkId {
                    round: 7,
                    origin: 2,
                    index,
                };
                let range = layout.range(index);
                let expected: Vec<u8> = values[range.start as usize..range.end as usize]
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                assert_eq!(store.get(chunk).unwrap(), expected);
                assert_eq!(hash, *blake3::hash(&expected).as_bytes());
            }
        }
    }
}
