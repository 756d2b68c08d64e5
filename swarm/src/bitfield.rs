//! A fixed number of bits, most significant bit of a byte first as in BEP 3.

/// A set of chunk positions `0..len`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    len: u32,
    count: u32,
}

impl Bitfield {
    /// The empty set of `len` positions.
    pub fn new(len: u32) -> Self {
        Self {
            bytes: vec![0; len.div_ceil(8) as usize],
            len,
            count: 0,
        }
    }

    /// Reads `len` positions; `None` when the length is wrong or a spare bit is set.
    pub fn from_bytes(bytes: &[u8], len: u32) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let spare = bytes.len() as u32 * 8 - len;
        if bytes.last().is_some_and(|last| last.trailing_zeros() < spare) {
            return None;
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(Self {
            bytes: bytes.to_vec(),
            len,
            count,
        })
    }

    /// The bits, most significant first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of positions, set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no position is set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every position is set.
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Number of positions that are set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `position` is set.
    pub fn contains(&self, position: u32) -> bool {
        self.bytes
            .get((position / 8) as usize)
            .is_some_and(|byte| byte & (0x80 >> (position % 8)) != 0)
    }

    /// Sets `position`; true when it was not set before. Positions out of range stay unset.
    pub fn insert(&mut self, position: u32) -> bool {
        if position >= self.len || self.contains(position) {
            return false;
        }
        self.bytes[(position / 8) as usize] |= 0x80 >> (position % 8);
        self.count += 1;
        true
    }

    /// Unsets `position`; true when it was set.
    pub fn remove(&mut self, position: u32) -> bool {
        let was = self.contains(position);
        if was {
            self.bytes[(position / 8) as usize] &= !(0x80 >> (position % 8));
            self.count -= 1;
        }
        was
    }

    /// The set positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.bytes.iter().enumerate().flat_map(|(at, &byte)| {
            let mut left = byte;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.leading_zeros();
                    left &= !(0x80 >> bit);
                    at as u32 * 8 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_position_is_the_highest_bit() {
        let mut bits = Bitfield::new(10);
        assert!(bits.insert(0) && bits.insert(9) && !bits.insert(9) && !bits.insert(10));
        assert_eq!(bits.as_bytes(), [0x80, 0x40]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 9]);
    }

    #[test]
    fn wrong_lengths_and_spare_bits_are_refused() {
        assert!(Bitfield::from_bytes(&[0xff], 10).is_none());
        assert!(Bitfield::from_bytes(&[0xff, 0x20], 10).is_none());
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 10).is_some_and(|bits| bits.is_full()));
        assert!(Bitfield::from_bytes(&[], 0).is_some());
    }

    proptest! {
        #[test]
        fn bytes_round_trip(len in 0u32..200, set in proptest::collection::vec(0u32..200, 0..50)) {
            let mut bits = Bitfield::new(len);
            for position in set {
                bits.insert(position);
            }
            let again = Bitfield::from_bytes(bits.as_bytes(), len).unwrap();
            prop_assert_eq!(again.iter().count() as u32, bits.count());
            prop_assert_eq!(again, bits);
        }
    }
}
