//! The measurements of a peer's run, and their outlets: the metrics file, Prometheus, the coordinator, and an observer.
//!
//! The driver says what happens; nothing that it decides depends on what is measured. Time comes as an argument.

mod exchange;
mod record;
mod sampler;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fltorrent_coordinator::{
    client::Reporter,
    tls::{Credentials, HTTP_ALPN},
};
use fltorrent_crds::{
    Interval,
    plan::{ChurnKind, CongestionControl},
};
use fltorrent_records::{
    bottleneck::Bottleneck,
    exchange::{Cpu, Exchange, TransportFigures},
    line::{Converged, Event, InRound},
    report::{EvaluationFigures, ModelHash, PauseReport, ReportedEnd, RoundReport, TrainFigures, WastedBytes},
    status::{State, Status},
    survival::{Absence, Churned, Hang, Pause, Repair},
    verdict::Verdict,
};
use fltorrent_swarm::{Notice, Stats, Swarm, Time};
use tokio::sync::mpsc;

use crate::{
    clock,
    metrics::{self, Metrics},
    metrics_file::{MetricsFile, MetricsFileError},
    news::News,
    store::ChunkStore,
    train::ClassCounts,
};
use exchange::ExchangeNotes;
use record::{counted, record};
use sampler::Sampler;

/// Where figures go.
pub struct Outlets {
    /// The file that the launcher, the live view and reports read.
    pub file: MetricsFile,
    /// Prometheus' figures.
    pub metrics: Arc<Metrics>,
    /// Where `bt_complete` goes, if anywhere.
    pub reporter: Option<Reporter>,
    /// Where somebody listens to what happens, if anybody does.
    pub news: Option<mpsc::Sender<News>>,
}

/// A round's result, as the training thread has it.
#[derive(Debug)]
pub struct Aggregated {
    /// The round.
    pub round: u32,
    /// BLAKE3 of the new model.
    pub model: ModelHash,
    /// Seconds that aggregation took.
    pub seconds: f64,
    /// The new model on this peer's part of the test split.
    pub evaluation: EvaluationFigures,
    /// The same by class, where samples have one.
    pub classes: Vec<ClassCounts>,
}

/// Measures one peer's run.
pub(crate) struct Observer {
    outlets: Outlets,
    /// This peer's index and attempt.
    peer: (u32, u32),
    /// Chunks of a round.
    positions: u64,
    /// The training thread's state and round.
    state: (State, u32),
    round: CurrentRound,
    /// Rounds that are closed and not reported yet: where others go on, one may be closed while the training thread is a round behind.
    closed: BTreeMap<u32, ClosedRound>,
    exchange: ExchangeNotes,
    sampler: Sampler,
    /// CPU seconds of the exchange on other threads than the driver's.
    cpu_elsewhere: f64,
    /// Payload of the whole run.
    bytes_sent: u64,
    /// QUIC's counts of connections that are gone, and all control messages.
    transport_gone: TransportFigures,
}

/// The measurements of the current round.
#[derive(Debug, Default)]
struct CurrentRound {
    train: Option<TrainFigures>,
    published_at: Option<Time>,
    bytes_sent: u64,
    /// Counts when the round before it was closed.
    stats_before: Stats,
}

/// The measurements of a round that is closed.
#[derive(Debug, Default)]
struct ClosedRound {
    samples: u64,
    /// Chunks that are folded.
    folded: u64,
    end: ReportedEnd,
    bottleneck: Option<Bottleneck>,
    exchange_seconds: f64,
    bytes_received: u64,
    wasted: WastedBytes,
}

impl Observer {
    /// Of a peer in a run of so many peers, whose updates have `positions` chunks together.
    pub(crate) fn new(outlets: Outlets, peer: (u32, u32), peers: u32, positions: u64) -> Self {
        let chunks = positions / u64::from(peers.max(1));
        Self {
            outlets,
            peer,
            positions,
            state: (State::Connecting, 0),
            round: CurrentRound::default(),
            closed: BTreeMap::new(),
            exchange: ExchangeNotes::new(peers, chunks as u32),
            sampler: Sampler::default(),
            cpu_elsewhere: 0.0,
            bytes_sent: 0,
            transport_gone: TransportFigures::default(),
        }
    }

    /// Tells whoever listens. One that does not keep up misses news, which are in the log and the metrics file as well.
    pub(crate) fn tell(&self, news: News) {
        if let Some(listener) = &self.outlets.news {
            listener.try_send(news).ok();
        }
    }

    /// Training of a round begins.
    pub(crate) fn training(&mut self, round: u32) -> Result<(), MetricsFileError> {
        tracing::info!(round, "training");
        self.state = (State::Training, round);
        self.outlets.metrics.set_ready();
        self.outlets.file.note(Event::Training(InRound { round }))
    }

    /// Something happens to this peer, as the plan says.
    pub(crate) fn churned(
        &mut self,
        event: ChurnKind,
        lasts: Option<Duration>,
        round: u32,
    ) -> Result<(), MetricsFileError> {
        tracing::warn!(round, event = event.name(), "churn");
        let lasts = lasts.map(Interval::from);
        self.outlets.file.note(Event::Churn(Churned { event, round, lasts }))
    }

    /// This peer's update is ready.
    pub(crate) fn published(&mut self, now: Time, train: TrainFigures) {
        self.round.train = Some(train);
        if self.closed.contains_key(&self.state.1) {
            // The others have ended the round without it.
            self.state.0 = State::Aggregating;
            return;
        }
        self.state.0 = State::Exchanging;
        self.round.published_at = Some(now);
        self.exchange.published(now, self.peer.0);
    }

    /// A chunk of another peer is kept.
    pub(crate) fn stored(&mut self, now: Time, origin: u32) {
        self.exchange.stored(now, origin);
    }

    /// Another thread than the driver's took so many CPU seconds for the exchange.
    pub(crate) fn worked_elsewhere(&mut self, seconds: f64) {
        self.cpu_elsewhere += seconds;
    }

    /// A piece went to a neighbour, or as much of it as did.
    pub(crate) fn uploaded(&mut self, neighbour: u32, bytes: u64) {
        self.round.bytes_sent += bytes;
        self.exchange.sent(neighbour, bytes);
        self.bytes_sent += bytes;
    }

    /// A control message is on its way.
    pub(crate) fn control_sent(&mut self, bytes: u64) {
        self.transport_gone.control_bytes += bytes;
    }

    /// A connection is gone; what it counted stays.
    pub(crate) fn link_gone(&mut self, counted: TransportFigures) {
        self.transport_gone = self.transport_gone.plus(counted);
    }

    /// The swarm's actions have been carried out.
    pub(crate) fn acted(&mut self, now: Time, swarm: &Swarm, store: &ChunkStore) {
        self.exchange.waits(now, swarm.waits_for());
        self.outlets.metrics.update(swarm, store);
    }

    /// Somebody takes part no more, or again, or too few do, or who is wired to whom has changed.
    pub(crate) fn noticed(&mut self, notice: &Notice, swarm: &Swarm) -> Result<(), MetricsFileError> {
        let round = swarm.round();
        let event = match *notice {
            Notice::Absent { peer, .. } => Event::Absence(Absence {
                round,
                peer,
                absent: true,
            }),
            Notice::Back { peer } => Event::Absence(Absence {
                round,
                peer,
                absent: false,
            }),
            Notice::Hangs { peer } => Event::Hang(Hang {
                round,
                peer,
                hangs: true,
            }),
            Notice::Trains { peer } => Event::Hang(Hang {
                round,
                peer,
                hangs: false,
            }),
            Notice::Paused { present, needed } => Event::Pause(Pause {
                round,
                present,
                needed,
                paused: true,
            }),
            Notice::Resumed { present, needed } => Event::Pause(Pause {
                round,
                present,
                needed,
                paused: false,
            }),
            Notice::Rewired {
                ref lost,
                ref neighbours,
            } => Event::Repair(Repair {
                round,
                lost: lost.clone(),
                neighbours: neighbours.clone(),
            }),
            Notice::Behind { .. } => Event::Absence(Absence {
                round,
                peer: self.peer.0,
                absent: true,
            }),
            Notice::Caught { round } => Event::Absence(Absence {
                round,
                peer: self.peer.0,
                absent: false,
            }),
            _ => return Ok(()),
        };
        self.tell_pause(notice, round);
        self.tell(News::View(notice.clone()));
        self.outlets.file.note(event)
    }

    /// No report comes of a round that does not end.
    fn tell_pause(&self, notice: &Notice, round: u32) {
        let (Some(reporter), (peer, attempt)) = (&self.outlets.reporter, self.peer) else {
            return;
        };
        match *notice {
            // Whoever catches up is paused as well, and nobody is missing.
            Notice::Paused { present, needed } if present < needed => reporter.pause(Some(PauseReport {
                peer,
                attempt,
                round,
                present,
                needed,
                seconds: 0,
            })),
            Notice::Resumed { .. } => reporter.pause(None),
            _ => {}
        }
    }

    /// All that is folded of a round is held; `open` is what QUIC has counted on each connection that is open.
    pub(crate) fn completed(
        &mut self,
        now: Time,
        round: u32,
        swarm: &Swarm,
        open: impl Iterator<Item = TransportFigures>,
        congestion_control: CongestionControl,
    ) -> Result<(), MetricsFileError> {
        if self.state == (State::Exchanging, round) {
            self.state.0 = State::Aggregating;
        }
        let seconds = self.close_round(now, round, swarm);
        tracing::info!(round, seconds, "complete");
        if let Some(end) = swarm.round_end() {
            let end = record(end, swarm.present());
            self.outlets.metrics.round_ended(&end);
            self.outlets.file.note(Event::RoundEnd(end))?;
        }
        if let Some(why) = swarm.convergence() {
            tracing::info!(round, %why, "converged");
            let reason = why.to_string();
            let converged = Event::Converged(Converged { round, reason });
            self.outlets.file.note(converged)?;
        }
        let transport = open.fold(self.transport_gone, TransportFigures::plus);
        let cpu = Cpu {
            exchange: clock::thread_seconds() + self.cpu_elsewhere,
            process: clock::process_seconds(),
        };
        let received = swarm.received_from();
        let exchange = Exchange {
            congestion_control,
            ..self.exchange.finish(now, round, received, transport, cpu)
        };
        self.outlets.file.note(Event::Exchange(Box::new(exchange)))
    }

    /// Keeps the figures of a round until it is reported; gives the seconds of its exchange.
    fn close_round(&mut self, now: Time, round: u32, swarm: &Swarm) -> f64 {
        let figures = &mut self.round;
        let stats = *swarm.stats();
        let before = std::mem::replace(&mut figures.stats_before, stats);
        let since = |at| now.saturating_sub(at).as_secs_f64();
        let exchange_seconds = figures.published_at.take().map_or(0.0, since);
        let set = swarm.round_end().and_then(|end| end.set.as_ref());
        let end = swarm.round_end().map(|end| record(end, 0));
        let closed = ClosedRound {
            samples: swarm.metainfo(self.peer.0).map_or(0, |own| own.samples),
            folded: set.map_or(self.positions, |set| set.count().into()),
            end: end.as_ref().map(ReportedEnd::from).unwrap_or_default(),
            bottleneck: end.and_then(|end| end.bottleneck),
            exchange_seconds,
            bytes_received: stats.payload_received - before.payload_received,
            wasted: WastedBytes {
                duplicate: stats.duplicate - before.duplicate,
                corrupt: stats.corrupt_bytes - before.corrupt_bytes,
            },
        };
        self.closed.insert(round, closed);
        exchange_seconds
    }

    /// A round is over.
    pub(crate) fn aggregated(&mut self, aggregated: Aggregated) -> Result<(), MetricsFileError> {
        let report = self.report(&aggregated);
        let Aggregated {
            round, model, classes, ..
        } = aggregated;
        tracing::info!(round, %model, "aggregated");
        self.outlets.metrics.round_done(&report);
        self.tell(News::Round(Box::new(report)));
        if !classes.is_empty() {
            let classes = Event::Classes(counted(round, &classes));
            self.outlets.file.note(classes)?;
        }
        self.outlets.file.note(Event::Round(Box::new(report)))?;
        if let Some(reporter) = &self.outlets.reporter
            && let Err(error) = reporter.report(report)
        {
            let error = crate::chain(&error);
            tracing::warn!(round, error, "the round could not be reported");
        }
        Ok(())
    }

    fn report(&mut self, aggregated: &Aggregated) -> RoundReport {
        let figures = &mut self.round;
        let closed = self.closed.remove(&aggregated.round).unwrap_or_default();
        // Those before it were passed over.
        self.closed = self.closed.split_off(&aggregated.round);
        RoundReport {
            peer: self.peer.0,
            attempt: self.peer.1,
            round: aggregated.round,
            samples: closed.samples,
            chunks_held: closed.folded,
            chunks_total: self.positions,
            model_hash: aggregated.model,
            train: figures.train.unwrap_or(TrainFigures {
                loss: None,
                seconds: 0.0,
            }),
            exchange_seconds: closed.exchange_seconds,
            aggregate_seconds: aggregated.seconds,
            evaluation: aggregated.evaluation,
            bytes_sent: std::mem::take(&mut figures.bytes_sent),
            bytes_received: closed.bytes_received,
            wasted: closed.wasted,
            peak_rss_bytes: metrics::peak_rss(),
            end: closed.end,
            bottleneck: closed.bottleneck,
        }
    }

    /// All rounds are over here.
    pub(crate) fn serving(&mut self) {
        self.state.0 = State::Serving;
    }

    /// Writes what the peer does now, when it is time for that.
    pub(crate) fn observe(&mut self, now: Time, swarm: &Swarm) -> Result<(), MetricsFileError> {
        let (state, round) = self.state;
        match self.sampler.wants(now, state, round) {
            true => self.write_status(now, swarm),
            false => Ok(()),
        }
    }

    /// When [`Self::observe`] wants to be called though nothing happens.
    pub(crate) fn due(&self) -> Option<Time> {
        self.sampler.due(self.state.0, self.state.1)
    }

    /// The peer ends: its last status is written whatever was written when.
    pub(crate) fn end_with(&mut self, state: State, now: Time, swarm: &Swarm) -> Result<(), MetricsFileError> {
        self.state.0 = state;
        self.write_status(now, swarm)
    }

    fn write_status(&mut self, now: Time, swarm: &Swarm) -> Result<(), MetricsFileError> {
        let status = self.status(swarm);
        match self.sampler.take(now, status) {
            true => self.outlets.file.note(Event::Status(status)),
            false => Ok(()),
        }
    }

    fn status(&self, swarm: &Swarm) -> Status {
        let (state, round) = self.state;
        let stats = swarm.stats();
        let neighbours = swarm.open_neighbours() as u32;
        let (unchoked, unchoked_by) = swarm.unchoked();
        let (interested, interested_in) = swarm.interested();
        // The swarm is in the next round while the training thread aggregates this one.
        let held = if swarm.round() > round {
            self.closed.get(&round).map_or(self.positions, |closed| closed.folded)
        } else {
            u64::from(swarm.held().count())
        };
        Status {
            state,
            round,
            held,
            total: self.positions,
            bytes_sent: self.bytes_sent,
            bytes_received: stats.payload_received,
            bytes_wasted: stats.duplicate + stats.corrupt_bytes,
            neighbours,
            interested: interested as u32,
            interested_in: interested_in as u32,
            unchoked: unchoked as u32,
            choked_by: neighbours.saturating_sub(unchoked_by as u32),
            faults: stats.corrupt + stats.violations,
        }
    }

    /// No model of the run counts. What cannot be written is in the log.
    pub(crate) fn verdict(&mut self, verdict: Verdict) {
        self.outlets.file.note(Event::Verdict(verdict)).ok();
    }

    /// The coordinator sees new credentials when it is next connected to.
    pub(crate) fn renewed(&self, credentials: &Credentials) {
        // The same certificate and key have just passed for the neighbours.
        if let Some(reporter) = &self.outlets.reporter
            && let Ok(tls) = credentials.client_config(&[HTTP_ALPN])
        {
            reporter.renew(tls);
        }
    }

    /// Gives what is still to be reported so long.
    pub(crate) async fn close(self, grace: Time) {
        if let Some(reporter) = self.outlets.reporter {
            let unsent = reporter.close(grace).await;
            if unsent > 0 {
                tracing::warn!(
                    unsent,
                    "the coordinator was unreachable to the end; the metrics file is complete"
                );
            }
        }
    }
}
