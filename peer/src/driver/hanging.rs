//! The end of a peer whose training hangs while all others have finished.

use fltorrent_swarm::Time;

use super::{Driver, RunError};

/// A training that hangs, as the plan says.
#[derive(Clone, Copy)]
pub(super) struct Hang {
    /// Before that of this round.
    pub(super) round: u32,
    /// To the end of the run.
    pub(super) for_good: bool,
}

impl Driver {
    /// Whether nobody waits any more for a training that hangs. One that may go on has as long as a silent neighbour.
    pub(super) fn has_hung_for_too_long(&mut self) -> Result<(), RunError> {
        if !self.leaving {
            return Ok(());
        }
        let now = self.now();
        self.left_at.get_or_insert(now);
        let is_over = self.hung_until().is_some_and(|due| due <= now);
        match self.hangs {
            Some(Hang { round, for_good }) if for_good || is_over => Err(RunError::Hung { round }),
            None if is_over => Err(RunError::NoProgress {
                round: self.trains.map_or(0, |(_, round)| round),
            }),
            _ => Ok(()),
        }
    }

    /// When [`Self::has_hung_for_too_long`] looks again.
    pub(super) fn hung_until(&self) -> Option<Time> {
        let hangs = self.hangs.is_some() || self.parts.swarm.training_hangs();
        let left_at = self.left_at.filter(|_| hangs && self.parameters.is_none())?;
        Some(left_at + self.parts.swarm.lost_after())
    }
}
