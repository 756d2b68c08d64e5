//! What the training thread reports, told to the swarm, and the figures of each round.

use std::time::Instant;

use fltorrent_records::{
    classes::Classes,
    exchange::{Cpu, Exchange},
    line::{Converged, Event, InRound},
    report::{EvaluationFigures, ModelHash, RoundReport, TrainFigures, WastedBytes},
    status::State,
};
use fltorrent_swarm::Stats;

use super::{Driver, RunError};
use crate::{
    clock, metrics,
    news::News,
    train::ClassCounts,
    worker::{Completed, Progress},
};

/// What is measured of the round that is on.
#[derive(Debug, Default)]
pub(super) struct RoundFigures {
    train: Option<TrainFigures>,
    samples: u64,
    published_at: Option<Instant>,
    exchange_seconds: f64,
    pub(super) bytes_sent: u64,
    /// Counts when the round was complete, and when the one before it was.
    stats: Stats,
    stats_before: Stats,
}

impl Driver {
    pub(super) fn progressed(&mut self, progress: Progress) -> Result<(), RunError> {
        match progress {
            Progress::Training { round } => {
                tracing::info!(round, "training");
                (self.state, self.state_round) = (State::Training, round);
                self.hold(round);
                self.parts.metrics.set_ready();
                self.parts
                    .journal
                    .note(Event::Training(InRound { round }))?;
            }
            Progress::Published { metainfo, train } => {
                self.state = State::Exchanging;
                self.figures.train = Some(train);
                self.figures.published_at = Some(Instant::now());
                let now = self.now();
                self.exchange.published(now, self.parts.peer.0);
                self.parts.swarm.publish(now, metainfo);
            }
            Progress::Aggregated {
                round,
                model,
                seconds,
                evaluation,
                classes,
                noted,
            } => {
                let report = self.report(round, model, seconds, evaluation);
                tracing::info!(round, %model, "aggregated");
                self.parts.metrics.round_done(&report);
                self.tell(News::Round(Box::new(report)));
                if !classes.is_empty() {
                    let classes = Event::Classes(counted(round, &classes));
                    self.parts.journal.note(classes)?;
                }
                self.parts.journal.note(Event::Round(Box::new(report)))?;
                if let Some(noted) = noted {
                    // Nobody waits when the thread has gone.
                    noted.try_send(()).ok();
                }
                if let Some(reporter) = &self.parts.reporter
                    && let Err(error) = reporter.report(report)
                {
                    tracing::warn!(
                        round,
                        error = crate::chain(&error),
                        "the round could not be reported"
                    );
                }
            }
            Progress::Finished { parameters } => {
                self.state = State::Serving;
                self.parameters = Some(parameters);
            }
            Progress::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// All chunks of a round are held: the next one begins for the swarm, and the training thread combines.
    pub(super) fn completed(&mut self, round: u32) -> Result<(), RunError> {
        let origins = self.parts.swarm.peers();
        let mut samples = Vec::with_capacity(origins as usize);
        for origin in 0..origins {
            // Every chunk has come, so every metainfo has.
            let Some(metainfo) = self.parts.swarm.metainfo(origin) else {
                return Err(RunError::NoMetainfo { round, origin });
            };
            samples.push(Some(metainfo.samples));
        }
        let own = samples.get(self.parts.peer.0 as usize);
        self.figures.samples = own.copied().flatten().unwrap_or(0);
        let stats = *self.parts.swarm.stats();
        self.figures.stats_before = std::mem::replace(&mut self.figures.stats, stats);
        self.figures.exchange_seconds = self
            .figures
            .published_at
            .map_or(0.0, |at| at.elapsed().as_secs_f64());
        tracing::info!(round, seconds = self.figures.exchange_seconds, "complete");
        self.state = State::Aggregating;
        let swarm = &self.parts.swarm;
        let convergence = swarm.convergence();
        let completed = Completed {
            samples,
            is_last: swarm.is_last(),
            converged: convergence.is_some(),
            stop: swarm.stop_record(),
        };
        if let Some(why) = convergence {
            tracing::info!(round, %why, "converged");
            let reason = why.to_string();
            self.parts
                .journal
                .note(Event::Converged(Converged { round, reason }))?;
        }
        // The thread waits for nothing else; when it has gone, its end is reported by its own channel.
        self.parts.completed.try_send(completed).ok();
        let (now, transport) = (self.now(), self.transport_figures());
        let received = self.parts.swarm.received_from();
        let cpu = Cpu {
            exchange: clock::thread_seconds(),
            process: clock::process_seconds(),
        };
        let exchange = Exchange {
            congestion_control: self.parts.transport.congestion_control(),
            ..self.exchange.finish(now, round, received, transport, cpu)
        };
        self.parts
            .journal
            .note(Event::Exchange(Box::new(exchange)))?;
        self.parts.swarm.begin_round(now);
        Ok(())
    }

    fn report(
        &mut self,
        round: u32,
        model_hash: ModelHash,
        aggregate_seconds: f64,
        evaluation: EvaluationFigures,
    ) -> RoundReport {
        let figures = &mut self.figures;
        let (stats, before) = (figures.stats, figures.stats_before);
        RoundReport {
            peer: self.parts.peer.0,
            attempt: self.parts.peer.1,
            round,
            samples: figures.samples,
            chunks_held: self.parts.positions,
            chunks_total: self.parts.positions,
            model_hash,
            train: figures.train.unwrap_or(TrainFigures {
                loss: None,
                seconds: 0.0,
            }),
            exchange_seconds: figures.exchange_seconds,
            aggregate_seconds,
            evaluation,
            bytes_sent: std::mem::take(&mut figures.bytes_sent),
            bytes_received: stats.payload_received - before.payload_received,
            wasted: WastedBytes {
                duplicate: stats.duplicate - before.duplicate,
                corrupt: stats.corrupt_bytes - before.corrupt_bytes,
            },
            peak_rss_bytes: metrics::peak_rss(),
        }
    }
}

/// By class, for those that have samples here.
fn counted(round: u32, classes: &[ClassCounts]) -> Classes {
    let counts = (0..).zip(classes).filter(|(_, counts)| counts.total > 0);
    Classes {
        round,
        counts: counts
            .map(|(class, counts)| (class, counts.correct, counts.total))
            .collect(),
    }
}
