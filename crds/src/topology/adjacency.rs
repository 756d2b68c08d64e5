//! Which pairs of peers are connected, a bit a pair: at most 12.5 MB for 10,000 peers.

/// A symmetric set of pairs of different peers.
pub(super) struct Adjacency {
    peers: u32,
    /// Words of one peer's row.
    row: usize,
    bits: Vec<u64>,
}

impl Adjacency {
    /// The connections of a graph.
    pub(super) fn of(edges: &[(u32, u32)], peers: u32) -> Self {
        let row = (peers as usize).div_ceil(64);
        let mut adjacency = Self {
            peers,
            row,
            bits: vec![0; row * peers as usize],
        };
        for &(a, b) in edges {
            adjacency.connect(a, b);
        }
        adjacency
    }

    /// Whether two peers are connected.
    pub(super) fn has(&self, a: u32, b: u32) -> bool {
        self.word(a, b) & bit(b) != 0
    }

    /// Connects two different peers.
    pub(super) fn connect(&mut self, a: u32, b: u32) {
        *self.word_mut(a, b) |= bit(b);
        *self.word_mut(b, a) |= bit(a);
    }

    /// Takes their connection away.
    pub(super) fn part(&mut self, a: u32, b: u32) {
        *self.word_mut(a, b) &= !bit(b);
        *self.word_mut(b, a) &= !bit(a);
    }

    /// The peers that `peer` could still be connected to, ascending.
    pub(super) fn strangers(&self, peer: u32) -> impl Iterator<Item = u32> {
        (0..self.peers).filter(move |&other| other != peer && !self.has(peer, other))
    }

    fn word(&self, a: u32, b: u32) -> u64 {
        self.bits[a as usize * self.row + b as usize / 64]
    }

    fn word_mut(&mut self, a: u32, b: u32) -> &mut u64 {
        &mut self.bits[a as usize * self.row + b as usize / 64]
    }
}

const fn bit(peer: u32) -> u64 {
    1 << (peer % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_all_that_are_left() {
        let mut adjacency = Adjacency::of(&[(0, 69), (3, 64)], 70);
        adjacency.connect(64, 1);
        let of_64: Vec<u32> = adjacency.strangers(64).collect();
        let expected: Vec<u32> = (0..70).filter(|other| ![1, 3, 64].contains(other)).collect();
        assert_eq!(of_64, expected);
        assert!(adjacency.has(69, 0) && adjacency.has(0, 69) && !adjacency.has(0, 3));
        adjacency.part(69, 0);
        assert_eq!(adjacency.strangers(0).count(), 69);
    }
}
