//! The order of asking: what could be asked, by level and by rank within it.

use super::ranks::{Ranks, WORD};

/// Where a search goes on: whatever comes before was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    level: usize,
    word: usize,
}

/// A bit map of ranks for each level; a rank is in one of them at most.
#[derive(Debug)]
pub(super) struct Wanted {
    len: u32,
    /// Empty without an allocation until something is put there.
    levels: Vec<Ranks>,
}

impl Wanted {
    /// Nothing, of ranks below `len` and of so many levels.
    pub(super) fn new(len: u32, levels: usize) -> Self {
        Self {
            len,
            levels: vec![Ranks::new(0); levels],
        }
    }

    /// Makes room for so many levels.
    pub(super) fn grow(&mut self, levels: usize) {
        let levels = levels.max(self.levels.len());
        self.levels.resize(levels, Ranks::new(0));
    }

    pub(super) fn contains(&self, level: usize, rank: u32) -> bool {
        self.levels[level].contains(rank)
    }

    pub(super) fn insert(&mut self, level: usize, rank: u32) -> bool {
        let ranks = &mut self.levels[level];
        if ranks.count() == 0 && !ranks.has_room() {
            *ranks = Ranks::new(self.len);
        }
        ranks.insert(rank)
    }

    pub(super) fn remove(&mut self, level: usize, rank: u32) -> bool {
        self.levels[level].remove(rank)
    }

    /// Gives back what an order took in which nothing is left.
    pub(super) fn shrink(&mut self) {
        for ranks in self.levels.iter_mut().filter(|ranks| ranks.count() == 0) {
            *ranks = Ranks::new(0);
        }
    }

    /// The first rank at or after the cursor that is in `among`, which is asked for a word of ranks at a time: as often as
    /// all levels have words at most, however few ranks fit.
    pub(super) fn first(&self, cursor: &mut Cursor, mut among: impl FnMut(usize) -> u64) -> Option<u32> {
        let words = self.len.div_ceil(WORD) as usize;
        while let Some(ranks) = self.levels.get(cursor.level) {
            if ranks.count() > 0 {
                for at in cursor.word..words {
                    let word = ranks.word(at);
                    let found = if word == 0 { 0 } else { word & among(at) };
                    if found != 0 {
                        cursor.word = at;
                        return Some(at as u32 * WORD + found.trailing_zeros());
                    }
                }
            }
            *cursor = Cursor {
                level: cursor.level + 1,
                word: 0,
            };
        }
        None
    }

    /// In the order of asking.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, ranks)| ranks.iter().map(move |rank| (level, rank)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u32 = 10_000;
    const LEVELS: usize = 11;

    #[test]
    fn ranks_come_by_level_and_then_in_order() {
        let mut wanted = Wanted::new(LEN, LEVELS);
        for (level, rank) in [(3, 9000), (1, 70), (3, 64), (1, 9999)] {
            assert!(wanted.insert(level, rank) && !wanted.insert(level, rank));
        }
        let mut cursor = Cursor::default();
        for (level, rank) in [(1, 70), (1, 9999), (3, 64), (3, 9000)] {
            assert_eq!(wanted.first(&mut cursor, |_| u64::MAX), Some(rank));
            assert!(wanted.contains(level, rank) && wanted.remove(level, rank));
        }
        assert_eq!(wanted.first(&mut cursor, |_| u64::MAX), None);
        wanted.shrink();
        assert_eq!(wanted.iter().count(), 0);
    }

    #[test]
    fn one_rank_is_found_among_all_in_as_many_steps_as_there_are_words() {
        let mut wanted = Wanted::new(LEN, LEVELS);
        for rank in 0..LEN {
            wanted.insert(1 + rank as usize % (LEVELS - 1), rank);
        }
        let last = LEN - 1;
        let mut steps = 0;
        let found = wanted.first(&mut Cursor::default(), |word| {
            steps += 1;
            u64::from(word as u32 == last / WORD) << (last % WORD)
        });
        assert_eq!(found, Some(last));
        assert!(steps <= (LEVELS - 1) * LEN.div_ceil(WORD) as usize, "{steps}");
    }
}
