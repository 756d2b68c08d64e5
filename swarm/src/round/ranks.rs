//! A set of ranks, in words.

/// Ranks of a word.
pub(super) const WORD: u32 = u64::BITS;

/// A set of ranks below a fixed number.
#[derive(Clone, Debug)]
pub(super) struct Ranks {
    words: Vec<u64>,
    count: u32,
}

impl Ranks {
    /// The empty set of ranks below `len`.
    pub(super) fn new(len: u32) -> Self {
        Self {
            words: vec![0; len.div_ceil(WORD) as usize],
            count: 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Whether anything can be put there.
    pub(super) fn has_room(&self) -> bool {
        !self.words.is_empty()
    }

    pub(super) fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    pub(super) fn contains(&self, rank: u32) -> bool {
        self.word((rank / WORD) as usize) & bit(rank) != 0
    }

    /// True when it was not there; `rank` is below the set's bound.
    pub(super) fn insert(&mut self, rank: u32) -> bool {
        let word = &mut self.words[(rank / WORD) as usize];
        let is_new = *word & bit(rank) == 0;
        *word |= bit(rank);
        self.count += u32::from(is_new);
        is_new
    }

    /// True when it was there.
    pub(super) fn remove(&mut self, rank: u32) -> bool {
        let was = self.contains(rank);
        if was {
            self.words[(rank / WORD) as usize] &= !bit(rank);
            self.count -= 1;
        }
        was
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.words).flat_map(|(at, &word)| {
            let ones = std::iter::successors(Some(word), |left| Some(left & left.wrapping_sub(1)));
            ones.take_while(|&left| left != 0)
                .map(move |left| at * WORD + left.trailing_zeros())
        })
    }
}

fn bit(rank: u32) -> u64 {
    1 << (rank % WORD)
}
