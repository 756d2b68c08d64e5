//! Reports of the training thread, handed to the swarm, and the rounds that the thread waits for.

use fltorrent_crds::plan::ChurnKind;
use fltorrent_swarm::{Adoption, sending::MEASURED};

use super::{Driver, RunError, hanging::Hang, models::Closed};
use crate::{
    orders::{Completed, Order},
    transport::Link,
    worker::Progress,
};

impl Driver {
    pub(super) fn progressed(&mut self, progress: Progress) -> Result<(), RunError> {
        self.hangs = None;
        match progress {
            Progress::Hangs { round, lasts } => {
                let for_good = lasts.is_none();
                self.hangs = Some(Hang { round, for_good });
                let now = self.now();
                self.trains.get_or_insert((now, round));
                self.observer.churned(ChurnKind::Wedge, lasts, round)?;
            }
            Progress::Training { round } => {
                let since = self.trains.map_or_else(|| self.now(), |(since, _)| since);
                self.trains = Some((since, round));
                // One that was late may train for a round that is over, which nobody would release again.
                if round >= self.parts.swarm.round() {
                    self.hold(round);
                }
                self.observer.training(round)?;
            }
            Progress::Published { round, metainfo, train } => {
                let now = self.now();
                if round == self.parts.swarm.round() && !self.parts.swarm.is_joining() {
                    self.observer.published(now, train);
                    self.parts.swarm.publish(now, metainfo);
                }
            }
            Progress::Aggregated { aggregated, noted } => {
                self.model_is_there(aggregated.round);
                self.observer.aggregated(aggregated)?;
                if let Some(noted) = noted {
                    // Nobody waits when the thread has gone.
                    noted.try_send(()).ok();
                }
            }
            Progress::Adopted { round } => {
                tracing::info!(round, "goes on from the others' model");
                self.model_is_there(round);
            }
            Progress::WrongModel { round } => {
                let now = self.now();
                self.parts.swarm.refuse_model(now, round);
            }
            Progress::Finished { parameters } => {
                self.observer.serving();
                self.parameters = Some(parameters);
            }
            Progress::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether the training thread has done anything since the last time.
    pub(super) fn feel_pulse(&mut self) {
        let beats = self.parts.orders.beats();
        if std::mem::replace(&mut self.beats, beats) != beats {
            let now = self.now();
            self.parts.swarm.progressed(now);
        }
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
        let closed = Closed {
            round,
            samples: samples.collect::<Result<_, RunError>>()?,
            set: end.set.clone(),
        };
        let mut peers = (0..).zip(&closed.samples);
        // Who closed the rounds before may be another set, so that of a round without updates nobody is the first.
        self.first = peers.find_map(|(peer, there)| there.map(|_| peer));
        self.parts.orders.give(Order::Fold(Completed {
            round,
            samples: closed.samples.clone(),
            set: closed.set.clone(),
            folded: end.digest,
            is_last: swarm.is_last(),
            converged: swarm.convergence().is_some(),
            stop: swarm.stop_record(),
            gives_from: swarm.gives_from(),
            hold: self.parts.store.hold(round),
        }));
        self.last_closed[0] = self.last_closed[1].replace(closed);
        self.recalls.forget(round);
        let now = self.now();
        let open = self.links.values().map(Link::figures);
        let congestion_control = self.parts.transport.congestion_control();
        self.observer.completed(now, round, swarm, open, congestion_control)?;
        self.parts.swarm.begin_round(now);
        Ok(())
    }

    /// The others hear what the uplink carries, where that is another rate than they know.
    pub(super) fn measure_uplink(&mut self) {
        let now = self.now();
        if now < self.measured_at + MEASURED {
            return;
        }
        self.measured_at = now;
        let rate = self.parts.transport.measured_uplink();
        let told = rate.and_then(|rate| self.parts.swarm.measured_uplink(now, rate));
        if let Some(told) = told {
            tracing::info!(bytes_per_second = told.bytes(), "the uplink was measured");
        }
    }

    pub(super) fn adopt(&mut self, adoption: Adoption) {
        // Whose updates are in that round the others know.
        self.first = None;
        self.recalls.forget(adoption.round);
        let hold = self.parts.store.hold(adoption.round);
        self.parts.orders.give(Order::Adopt { adoption, hold });
    }
}
