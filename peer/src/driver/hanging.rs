//! The end of a peer whose training hangs while all others have finished.

use fltorrent_swarm::Time;

use super::{Driver, RunError};

impl Driver {
    /// Whether nobody waits any more for a training that hangs. One that may go on has as long as a silent neighbour.
    pub(super) fn has_hung_for_too_long(&mut self) -> Result<(), RunError> {
        if !self.leaving {
            return Ok(());
        }
        let now = self.now();
        self.left_at.get_or_insert(now);
        if let Some(round) = self.hangs {
            return Err(RunError::Hung { round });
        }
        match self.hung_until() {
            Some(due) if due <= now => Err(match self.wedged {
                Some(round) => RunError::Hung { round },
                None => RunError::NoProgress {
                    round: self.trains.map_or(0, |(_, round)| round),
                },
            }),
            _ => Ok(()),
        }
    }

    /// When [`Self::has_hung_for_too_long`] looks again.
    pub(super) fn hung_until(&self) -> Option<Time> {
        let hangs = self.wedged.is_some() || self.parts.swarm.training_hangs();
        let left_at = self.left_at.filter(|_| hangs && self.parameters.is_none())?;
        Some(left_at + self.parts.swarm.lost_after())
    }
}
