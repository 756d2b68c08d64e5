//! What the plan says that happens to this peer, done to it.

use std::time::{Duration, Instant};

use fltorrent_crds::plan::ChurnKind;

use super::{Driver, RunError};
use crate::churn;

impl Driver {
    /// Does what is due.
    pub(super) fn churn(&mut self) -> Result<(), RunError> {
        let Some((since, round)) = self.trains else {
            return Ok(());
        };
        // Who hangs is taken along by the others.
        let hangs_for_good = self.hangs.is_some_and(|hang| hang.for_good);
        let round = if hangs_for_good {
            self.parts.swarm.round()
        } else {
            round
        };
        let mut trained_for = self.now().saturating_sub(since);
        while let Some(due) = self.parts.churn.next(round, trained_for) {
            self.observer.churned(due.event, due.lasts, round)?;
            match due.event {
                ChurnKind::Pause => {
                    self.parts.orders.stand_still(due.lasts.unwrap_or(Duration::MAX));
                    churn::stand_still(due.lasts);
                }
                ChurnKind::Crash => {
                    if let Some(say) = &self.parts.last_word {
                        say(round);
                    }
                    churn::die(round)
                }
                ChurnKind::Restart => churn::make_room(round),
                ChurnKind::Leave => return Err(RunError::Left { round }),
                // The training thread hangs, and a peer joins by being started.
                ChurnKind::Wedge | ChurnKind::Join => {}
            }
            trained_for = self.now().saturating_sub(since);
        }
        Ok(())
    }

    /// When something is due by the clock.
    pub(super) fn churn_due(&self) -> Option<Instant> {
        let (since, _) = self.trains?;
        self.parts.churn.due().map(|due| self.parts.epoch + since + due)
    }
}
