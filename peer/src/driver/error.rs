//! Why a peer's run ended early, and what others are told of it.

use fltorrent_records::verdict::{Offence, Verdict};
use fltorrent_swarm::{Failure, HelloMismatch};
use thiserror::Error;

use crate::{metrics_file::MetricsFileError, signed_record::RecordError, store::StoreError, worker::WorkError};

/// Why a peer's run ended early.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum RunError {
    #[error(transparent)]
    Swarm(#[from] Failure),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error("a chunk could not be kept")]
    Store(#[from] StoreError),
    #[error("the round's figures could not be kept")]
    MetricsFile(#[from] MetricsFileError),
    #[error("round {round} is closed, but nobody says how; this is a bug")]
    NoEnd { round: u32 },
    #[error("round {round} is closed, but peer {origin} has not described its update; this is a bug")]
    NoMetainfo { round: u32, origin: u32 },
    #[error("peer {peer} does not fit: {mismatch}")]
    Unlike { peer: u32, mismatch: HelloMismatch },
    #[error("left {}", crate::churn::reason(*.round))]
    Left { round: u32 },
    #[error("its training hung {}, until the others had finished", crate::churn::reason(*.round))]
    Hung { round: u32 },
    #[error("its training made no progress in round {}, until the others had finished (liveness.progressLease)", .round + 1)]
    NoProgress { round: u32 },
    #[error("stopped by {0}; its neighbours were notified")]
    Stopped(&'static str),
    #[error("the training thread ended without a result; see the log for a panic")]
    WorkerGone,
}

impl RunError {
    /// Why no model of the run counts, when that ended it.
    pub const fn verdict(&self) -> Option<Verdict> {
        let Self::Swarm(failure) = self else {
            return None;
        };
        let (offence, origin, round) = match failure {
            Failure::Equivocation { origin, round, .. } => (Offence::Equivocation, Some(*origin), *round),
            Failure::Miscount { origin, round, .. } => (Offence::Miscount, Some(*origin), *round),
            Failure::ModelsDiffer { round, .. } => (Offence::ModelsDiffer, None, *round),
            _ => return None,
        };
        Some(Verdict { offence, origin, round })
    }

    /// Whether the run is over or cannot go on, so that another process in this one's place would end the same way.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Swarm(failure) => !matches!(
                failure,
                Failure::Unsigned(_) | Failure::Unpublishable(_) | Failure::Miscounted(_)
            ),
            Self::Unlike { .. } | Self::Left { .. } | Self::Stopped(_) => true,
            Self::Work(_)
            | Self::Store(_)
            | Self::MetricsFile(_)
            | Self::NoEnd { .. }
            | Self::NoMetainfo { .. }
            | Self::Hung { .. }
            | Self::NoProgress { .. }
            | Self::WorkerGone => false,
        }
    }

    /// Whether the next process finds what this one has in files. Where no more could be written it would want their room.
    pub(crate) const fn leaves_files(&self) -> bool {
        let is_full = matches!(
            self,
            Self::Store(_) | Self::Work(WorkError::Store { .. } | WorkError::Keep { .. })
        );
        !is_full && !self.is_final()
    }

    /// Whether another process has taken the place of this one.
    pub const fn is_superseded(&self) -> bool {
        matches!(
            self,
            Self::Swarm(Failure::Superseded { .. }) | Self::Work(WorkError::Record(RecordError::Superseded { .. }))
        )
    }

    /// Whether neighbours can see it for themselves in what was sent to them.
    pub(super) const fn is_for_all_to_see(&self) -> bool {
        self.verdict().is_some() || matches!(self, Self::Unlike { .. })
    }

    /// The peer whose end or fault this was, when it was not this peer's own.
    pub const fn blames(&self) -> Option<u32> {
        match self {
            Self::Swarm(
                Failure::Lost { peer, .. }
                | Failure::Neighbour { peer, .. }
                | Failure::NotFinite { origin: peer, .. }
                | Failure::Equivocation { origin: peer, .. }
                | Failure::Miscount { origin: peer, .. },
            )
            | Self::Unlike { peer, .. } => Some(*peer),
            _ => None,
        }
    }

    /// The verdict for the neighbours: whose fault it is, and why.
    pub(super) fn told(&self, me: u32) -> String {
        match self {
            Self::Swarm(
                failure @ (Failure::Lost { .. }
                | Failure::NotFinite { .. }
                | Failure::Equivocation { .. }
                | Failure::Miscount { .. }),
            ) => failure.to_string(),
            // Who said so first is told, not who passed it on.
            Self::Swarm(Failure::Neighbour { message, .. }) => message.clone(),
            Self::Unlike { peer, mismatch } => {
                let mismatch = mismatch.seen_by(me);
                format!("peer {peer} does not fit peer {me}: {mismatch}")
            }
            Self::Stopped(by) => format!("peer {me} was stopped by {by}"),
            own => format!("peer {me} failed: {}", crate::chain(own)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_the_run_ends_it_for_another_process_too_and_what_ended_a_process_does_not() {
        let round = 3;
        for (error, is_final) in [
            (RunError::Swarm(Failure::LeftBehind { round }), true),
            (RunError::Swarm(Failure::Unsigned("no key".to_owned())), false),
            (RunError::Stopped("its user"), true),
            (RunError::NoEnd { round }, false),
            (RunError::WorkerGone, false),
        ] {
            assert_eq!(error.is_final(), is_final, "{error}");
        }
    }

    #[test]
    fn a_peer_that_does_not_fit_hears_whose_hash_is_whose() {
        let mismatch = HelloMismatch::Plan {
            found: "93".to_owned(),
            expected: "84".to_owned(),
        };
        let error = RunError::Unlike { peer: 2, mismatch };
        assert!(
            error
                .to_string()
                .starts_with("peer 2 does not fit: its plan's hash is 93, this peer's 84; give")
        );
        assert!(
            error
                .told(1)
                .starts_with("peer 2 does not fit peer 1: its plan's hash is 93, peer 1's 84; give")
        );
    }
}
