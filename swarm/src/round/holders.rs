//! The holders of each chunk: a row of bits for each position.

/// A bit for each position and neighbour.
#[derive(Debug)]
pub(super) struct Holders {
    /// Bytes of a row.
    width: usize,
    rows: Vec<u8>,
}

impl Holders {
    pub(super) fn new(positions: u32, neighbours: usize) -> Self {
        let width = neighbours.div_ceil(8);
        Self {
            width,
            rows: vec![0; positions as usize * width],
        }
    }

    /// Makes room for so many neighbours.
    pub(super) fn grow(&mut self, positions: u32, neighbours: usize) {
        let mut wider = Self::new(positions, neighbours.max(8 * self.width));
        if wider.width > self.width {
            for position in 0..positions {
                let from = position as usize * wider.width;
                wider.rows[from..from + self.width].copy_from_slice(self.row(position));
            }
            *self = wider;
        }
    }

    fn row(&self, position: u32) -> &[u8] {
        let from = position as usize * self.width;
        &self.rows[from..from + self.width]
    }

    fn byte(&mut self, position: u32, neighbour: usize) -> &mut u8 {
        &mut self.rows[position as usize * self.width + neighbour / 8]
    }

    pub(super) fn insert(&mut self, position: u32, neighbour: usize) {
        *self.byte(position, neighbour) |= 1 << (neighbour % 8);
    }

    pub(super) fn remove(&mut self, position: u32, neighbour: usize) {
        *self.byte(position, neighbour) &= !(1 << (neighbour % 8));
    }

    pub(super) fn contains(&self, position: u32, neighbour: usize) -> bool {
        self.row(position)[neighbour / 8] & 1 << (neighbour % 8) != 0
    }

    /// How many neighbours have it.
    pub(super) fn count(&self, position: u32) -> usize {
        let ones = self.row(position).iter().map(|byte| byte.count_ones());
        ones.sum::<u32>() as usize
    }

    /// The neighbours that have it, ascending.
    pub(super) fn of(&self, position: u32) -> impl Iterator<Item = usize> + '_ {
        self.row(position).iter().enumerate().flat_map(|(at, &byte)| {
            let ones = std::iter::successors(Some(byte), |left| Some(left & left.wrapping_sub(1)));
            ones.take_while(|&left| left != 0)
                .map(move |left| 8 * at + left.trailing_zeros() as usize)
        })
    }
}
