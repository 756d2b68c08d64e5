//! Reports of the training thread, handed to the swarm, and the rounds that the thread waits for.

use super::{Driver, RunError};
use crate::{
    transport::Link,
    worker::{Completed, Progress},
};

impl Driver {
    pub(super) fn progressed(&mut self, progress: Progress) -> Result<(), RunError> {
        match progress {
            Progress::Training { round } => {
                self.hold(round);
                if round == self.parts.swarm.round() + 1 {
                    let now = self.now();
                    self.parts.swarm.begin_round(now);
                }
                self.observer.training(round)?;
            }
            Progress::Published { metainfo, train } => {
                let now = self.now();
                self.observer.published(now, train);
                self.parts.swarm.publish(now, metainfo);
            }
            Progress::Aggregated { aggregated, noted } => {
                self.observer.aggregated(aggregated)?;
                if let Some(noted) = noted {
                    // Nobody waits when the thread has gone.
                    noted.try_send(()).ok();
                }
            }
            Progress::Finished { parameters } => {
                self.observer.serving();
                self.parameters = Some(parameters);
            }
            Progress::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// A round is closed: the training thread aggregates, and the next one begins for the swarm.
    pub(super) fn closed(&mut self, round: u32) -> Result<(), RunError> {
        let swarm = &self.parts.swarm;
        let end = swarm.round_end().filter(|end| end.round == round);
        let end = end.ok_or(RunError::NoEnd { round })?;
        let samples = (0..swarm.peers()).map(|origin| {
            if end.missing.binary_search(&origin).is_ok() {
                return Ok(None);
            }
            // A chunk of it has come, so the metainfo has.
            let metainfo = swarm.metainfo(origin);
            let metainfo = metainfo.ok_or(RunError::NoMetainfo { round, origin })?;
            Ok(Some(metainfo.samples))
        });
        let completed = Completed {
            samples: samples.collect::<Result<_, RunError>>()?,
            set: end.set.clone(),
            folded: end.digest,
            is_last: swarm.is_last(),
            converged: swarm.convergence().is_some(),
            stop: swarm.stop_record(),
        };
        // The thread waits for nothing else; when it has gone, its end is reported by its own channel.
        self.parts.completed.try_send(completed).ok();
        let now = self.now();
        let open = self.links.values().map(Link::figures);
        let congestion_control = self.parts.transport.congestion_control();
        self.observer.completed(now, round, swarm, open, congestion_control)?;
        // A round that ended without this peer's update is the thread's until it has trained: it is never more than one behind.
        if !swarm.awaits_own_update() {
            self.parts.swarm.begin_round(now);
        }
        Ok(())
    }
}
