//! Chunks that may be in the store of an earlier process: nobody is asked for them before that is known.

use super::Round;

impl Round {
    /// Nobody is asked for an origin's chunks until [`Self::end_recall`].
    pub(crate) fn recall(&mut self, origin: u32, recall: u64) {
        for position in self.positions_of(origin) {
            self.leave(position);
        }
        self.unask(origin);
        self.recalls.insert(origin, recall);
    }

    /// The origin whose chunks are looked for under this number.
    pub(crate) fn recalled(&self, recall: u64) -> Option<u32> {
        let mut recalls = self.recalls.iter();
        recalls.find(|(_, known)| **known == recall).map(|(&origin, _)| origin)
    }

    /// Whether some are looked for.
    pub(crate) fn is_recalling(&self) -> bool {
        !self.recalls.is_empty()
    }

    /// What was not found is asked for; true if it was looked for.
    pub(crate) fn end_recall(&mut self, recall: u64) -> bool {
        let Some(origin) = self.recalled(recall) else {
            return false;
        };
        self.recalls.remove(&origin);
        for position in self.positions_of(origin) {
            self.enter(position);
        }
        true
    }
}
