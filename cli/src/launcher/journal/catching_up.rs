//! What a peer's own lines say of rounds that it has no figures of, since it was behind and took over a model of the others.

use fltorrent_records::survival::Absence;

/// The last model that a peer took over, from its lines in their order.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    is_behind: bool,
    model_of: Option<u32>,
}

impl CatchingUp {
    /// Takes what a peer says of itself. It is told twice that it is behind, and twice that it is not: first with the round whose model it
    /// has, then with the next one, in which it takes part.
    pub(super) fn note(&mut self, own: &Absence) {
        if own.absent {
            self.is_behind = true;
        } else if std::mem::take(&mut self.is_behind) {
            self.model_of = self.model_of.max(Some(own.round));
        }
    }

    /// Another part of the run begins.
    pub(super) const fn resume(&mut self) {
        self.is_behind = false;
    }

    /// The latest round whose model it took over.
    pub(super) const fn model_of(&self) -> Option<u32> {
        self.model_of
    }
}
