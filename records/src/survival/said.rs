//! What several peers say of one round's end.

use super::{Cause, RoundEnd};

/// How many peers have or say something. More count for more; of as many, those are before others that have more peers which are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holders {
    pub(crate) all: usize,
    /// Those that have not ended before the run.
    pub(crate) left: usize,
}

impl Holders {
    pub(crate) fn add(&mut self, is_left: bool) {
        self.all += 1;
        self.left += usize::from(is_left);
    }
}

/// What the peers that closed a round say of its end. Whoever was cut off from the others may have closed it in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndsSaid {
    /// In the order in which each was said first; hardly ever more than one.
    kinds: Vec<Kind>,
    peers: usize,
    uncertified_before: usize,
}

/// One kind of end: who was missing decides on the model, the cause does not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    cause: Cause,
    missing: Vec<u32>,
    said_by: Holders,
}

impl EndsSaid {
    /// Takes what one more peer says, which is left or has ended before the run.
    pub fn add(&mut self, end: &RoundEnd, is_left: bool) {
        self.peers += 1;
        self.uncertified_before += usize::from(end.certified_before == Some(false));
        let is_of = |kind: &&mut Kind| kind.cause == end.cause && kind.missing == end.missing;
        if let Some(kind) = self.kinds.iter_mut().find(is_of) {
            return kind.said_by.add(is_left);
        }
        let mut said_by = Holders::default();
        said_by.add(is_left);
        self.kinds.push(Kind {
            cause: end.cause,
            missing: end.missing.clone(),
            said_by,
        });
    }

    /// Why the round ended, and of whose update nothing is in the model, as most peers say; by default if nobody says anything.
    pub fn of_most(&self) -> (Cause, &[u32]) {
        let with = |missing: &[u32]| {
            let alike = self.kinds.iter().filter(|kind| kind.missing == missing);
            alike.fold(Holders::default(), |sum, kind| Holders {
                all: sum.all + kind.said_by.all,
                left: sum.left + kind.said_by.left,
            })
        };
        let mut most: Option<(&Kind, Holders)> = None;
        for kind in &self.kinds {
            let same_model = with(&kind.missing);
            if most.is_none_or(|(before, those)| (same_model, kind.said_by) > (those, before.said_by)) {
                most = Some((kind, same_model));
            }
        }
        most.map_or((Cause::All, &[]), |(kind, _)| (kind.cause, &kind.missing))
    }

    /// Whether more than half of these peers say that no more than half of all have signed the end of the round before.
    pub const fn is_uncertified_before(&self) -> bool {
        2 * self.uncertified_before > self.peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(cause: Cause, missing: &[u32], certified_before: Option<bool>) -> RoundEnd {
        RoundEnd {
            round: 2,
            cause,
            missing: missing.to_vec(),
            present: 4,
            certified_before,
            bottleneck: None,
        }
    }

    /// Cause, who was missing, and whether who says so is left.
    type Said = (Cause, &'static [u32], bool);

    fn said(ends: &[Said]) -> EndsSaid {
        let mut said = EndsSaid::default();
        for &(cause, missing, is_left) in ends {
            said.add(&end(cause, missing, None), is_left);
        }
        said
    }

    #[test]
    fn a_single_peer_that_was_cut_off_does_not_say_how_a_round_ended() {
        let others: Said = (Cause::Deadline, &[2, 3, 4], true);
        let quorum: Said = (Cause::Quorum, &[2, 3, 4], true);
        let hub: Said = (Cause::All, &[], false);
        let ends = said(&[hub, others, others, quorum, others]);
        assert_eq!(ends.of_most(), (Cause::Deadline, &[2, 3, 4][..]));
        assert_eq!(EndsSaid::default().of_most(), (Cause::All, &[][..]));
    }

    #[test]
    fn ends_with_the_same_model_count_together() {
        let deadline: Said = (Cause::Deadline, &[0], true);
        let quorum: Said = (Cause::Quorum, &[0], true);
        let all: Said = (Cause::All, &[], true);
        let ends = said(&[all, all, all, deadline, quorum, quorum, deadline]);
        assert_eq!(ends.of_most(), (Cause::Deadline, &[0][..]));
    }

    #[test]
    fn of_as_many_those_count_that_are_left() {
        let gone: Said = (Cause::All, &[], false);
        let left: Said = (Cause::Deadline, &[0], true);
        for ends in [[gone, left], [left, gone]] {
            assert_eq!(said(&ends).of_most(), (Cause::Deadline, &[0][..]));
        }
    }

    #[test]
    fn a_round_is_uncertified_when_more_than_half_of_those_who_closed_the_next_one_say_so() {
        let mut ends = EndsSaid::default();
        for (certified, expected) in [
            (None, false),
            (Some(false), false),
            (Some(false), true),
            (Some(true), false),
            (Some(false), true),
        ] {
            ends.add(&end(Cause::All, &[], certified), true);
            assert_eq!(ends.is_uncertified_before(), expected);
        }
    }
}
