//! What the swarm and the trainer say, as a metrics file keeps it.

use fltorrent_records::{
    bottleneck::{Bottleneck, RoundPhase},
    classes::Classes,
    survival::{Cause, RoundEnd},
};
use fltorrent_swarm::{self as swarm, EndCause};

use crate::train::ClassCounts;

/// As it is kept, with the peers that took part.
pub(super) fn record(end: &swarm::RoundEnd, present: u32) -> RoundEnd {
    RoundEnd {
        round: end.round,
        cause: match end.cause {
            EndCause::All => Cause::All,
            EndCause::Quorum => Cause::Quorum,
            EndCause::Deadline => Cause::Deadline,
        },
        missing: end.missing.clone(),
        present,
        certified_before: end.certified_before,
        bottleneck: end.bottleneck.map(|it| Bottleneck {
            peer: it.peer,
            phase: match it.phase {
                swarm::RoundPhase::Training => RoundPhase::Training,
                swarm::RoundPhase::Exchange => RoundPhase::Exchange,
            },
        }),
    }
}

/// By class, for those that have samples here.
pub(super) fn counted(round: u32, classes: &[ClassCounts]) -> Classes {
    let counts = (0..).zip(classes).filter(|(_, counts)| counts.total > 0);
    Classes {
        round,
        counts: counts
            .map(|(class, counts)| (class, counts.correct, counts.total))
            .collect(),
    }
}
