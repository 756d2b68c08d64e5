//! Which links have a chunk: a row of bits for each position.

/// A bit for each position and link.
#[derive(Debug)]
pub(super) struct Holders {
    /// Bytes of a row.
    width: usize,
    rows: Vec<u8>,
}

impl Holders {
    pub(super) fn new(positions: u32, links: usize) -> Self {
        let width = links.div_ceil(8);
        Self {
            width,
            rows: vec![0; positions as usize * width],
        }
    }

    fn row(&self, position: u32) -> &[u8] {
        let from = position as usize * self.width;
        &self.rows[from..from + self.width]
    }

    fn byte(&mut self, position: u32, link: usize) -> &mut u8 {
        &mut self.rows[position as usize * self.width + link / 8]
    }

    pub(super) fn insert(&mut self, position: u32, link: usize) {
        *self.byte(position, link) |= 1 << (link % 8);
    }

    pub(super) fn remove(&mut self, position: u32, link: usize) {
        *self.byte(position, link) &= !(1 << (link % 8));
    }

    pub(super) fn contains(&self, position: u32, link: usize) -> bool {
        self.row(position)[link / 8] & 1 << (link % 8) != 0
    }

    /// How many links have it.
    pub(super) fn count(&self, position: u32) -> usize {
        let ones = self.row(position).iter().map(|byte| byte.count_ones());
        ones.sum::<u32>() as usize
    }

    /// The links that have it, ascending.
    pub(super) fn of(&self, position: u32) -> impl Iterator<Item = usize> + '_ {
        self.row(position)
            .iter()
            .enumerate()
            .flat_map(|(at, &byte)| {
                let ones =
                    std::iter::successors(Some(byte), |left| Some(left & left.wrapping_sub(1)));
                ones.take_while(|&left| left != 0)
                    .map(move |left| 8 * at + left.trailing_zeros() as usize)
            })
    }
}
