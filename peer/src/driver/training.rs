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

    /// All chunks of a round are held: the next one begins for the swarm, and the training thread aggregates.
    pub(super) fn completed(&mut self, round: u32) -> Result<(), RunError> {
        let swarm = &self.parts.swarm;
        let samples = (0..swarm.peers()).map(|origin| {
            // Every chunk has come, so every metainfo has.
            let metainfo = swarm.metainfo(origin);
            let metainfo = metainfo.ok_or(RunError::NoMetainfo { round, origin })?;
            Ok(Some(metainfo.samples))
        });
        let completed = Completed {
            samples: samples.collect::<Result<_, RunError>>()?,
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
        self.parts.swarm.begin_round(now);
        Ok(())
    }
}
