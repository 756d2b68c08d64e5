//! Prometheus' figures of one peer, and the small HTTP server that serves them.

mod server;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use fltorrent_records::{report::RoundReport, survival::RoundEnd};
use fltorrent_swarm::Swarm;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

pub use server::{ServeError, serve};

use crate::store::ChunkStore;

type Figure = Gauge<f64, AtomicU64>;
/// A figure that is not there where there is nothing that it could be of.
type Perhaps = Family<[(&'static str, &'static str); 0], Figure>;

/// Prometheus' figures of one peer.
pub struct Metrics {
    registry: Mutex<Registry>,
    ready: AtomicBool,
    catches_up: AtomicBool,
    round: Gauge,
    rounds_done: Counter,
    chunks_held: Gauge,
    neighbours: Gauge,
    unchoked: Gauge,
    unchoked_by: Gauge,
    received: Counter,
    sent: Counter,
    duplicate: Counter,
    corrupt: Counter,
    violations: Counter,
    store_memory: Gauge,
    store_file: Gauge,
    view: Gauge,
    paused: Gauge,
    degraded: Counter,
    uncertified: Counter,
    last: LastRound,
}

/// Figures of the last finished round.
struct LastRound {
    accuracy: Perhaps,
    loss: Perhaps,
    train_loss: Perhaps,
    train_seconds: Figure,
    exchange_seconds: Figure,
    aggregate_seconds: Figure,
    evaluate_seconds: Figure,
}

impl Metrics {
    /// All metrics at zero, labelled with the experiment's name and the peer's index; so many rounds are planned.
    pub fn new(experiment: &str, peer: u32, rounds: u32) -> Self {
        let labels = [
            ("experiment".into(), experiment.to_owned().into()),
            ("peer".into(), peer.to_string().into()),
        ];
        let mut registry = Registry::with_prefix_and_labels("fltorrent", labels.into_iter());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Build information", build);
        gauge(&mut registry, "rounds_planned", "Rounds of the experiment").set(rounds.into());
        Self {
            ready: AtomicBool::new(false),
            catches_up: AtomicBool::new(false),
            round: gauge(&mut registry, "round", "Round that the peer is in, from 0"),
            rounds_done: counter(&mut registry, "rounds", "Rounds that the peer has finished"),
            chunks_held: gauge(
                &mut registry,
                "chunks_held",
                "Chunks of the current round that the peer holds",
            ),
            neighbours: gauge(
                &mut registry,
                "neighbours_connected",
                "Neighbours with an open connection",
            ),
            unchoked: gauge(&mut registry, "neighbours_unchoked", "Neighbours that the peer serves"),
            unchoked_by: gauge(&mut registry, "neighbours_unchoking", "Neighbours that serve the peer"),
            received: bytes(&mut registry, "payload_received", "Chunk bytes received and kept"),
            sent: bytes(&mut registry, "payload_sent", "Chunk bytes sent"),
            duplicate: bytes(
                &mut registry,
                "payload_duplicate",
                "Chunk bytes received although they were held",
            ),
            corrupt: counter(
                &mut registry,
                "pieces_corrupt",
                "Pieces that did not have the signed hash",
            ),
            violations: counter(
                &mut registry,
                "violations",
                "Connections closed since the neighbour broke the rules",
            ),
            store_memory: gauge(&mut registry, "store_memory_bytes", "Chunk bytes in RAM"),
            store_file: gauge(&mut registry, "store_file_bytes", "Chunk bytes in files"),
            view: gauge(
                &mut registry,
                "view_peers",
                "Peers that take part as far as the peer knows, itself included",
            ),
            paused: gauge(&mut registry, "paused", "1 while too few peers take part"),
            degraded: counter(
                &mut registry,
                "rounds_degraded",
                "Rounds that ended without the update of some peer, or with a part of it",
            ),
            uncertified: counter(
                &mut registry,
                "rounds_uncertified",
                "Rounds of which no more than half of all peers have signed that they ended them alike",
            ),
            last: LastRound::new(&mut registry),
            registry: Mutex::new(registry),
        }
    }

    /// The answer of `/metrics`, as OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner)).ok();
        text
    }

    /// The peer trains.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// What the peer has not come to yet, if anything: a pod of which nothing is missing has the model of the others.
    pub fn lacks(&self) -> Option<&'static str> {
        let (ready, catches_up) = (&self.ready, &self.catches_up);
        match (ready.load(Ordering::Relaxed), catches_up.load(Ordering::Relaxed)) {
            (_, true) => Some("catching up with the others\n"),
            (false, false) => Some("training has not begun\n"),
            (true, false) => None,
        }
    }

    pub(crate) fn update(&self, swarm: &Swarm, store: &ChunkStore) {
        let stats = swarm.stats();
        let (unchoked, unchoked_by) = swarm.unchoked();
        let (memory, file) = store.sizes();
        self.catches_up.store(swarm.is_joining(), Ordering::Relaxed);
        self.round.set(swarm.round().into());
        self.chunks_held.set(swarm.held().count().into());
        self.neighbours.set(swarm.open_neighbours() as i64);
        self.unchoked.set(unchoked as i64);
        self.unchoked_by.set(unchoked_by as i64);
        self.view.set(swarm.present().into());
        self.paused.set(swarm.paused_since().is_some().into());
        self.store_memory.set(memory as i64);
        self.store_file.set(file as i64);
        for (counter, value) in [
            (&self.received, stats.payload_received),
            (&self.duplicate, stats.duplicate),
            (&self.corrupt, stats.corrupt),
            (&self.violations, stats.violations),
        ] {
            counter.inc_by(value - counter.get());
        }
    }

    pub(crate) fn round_ended(&self, end: &RoundEnd) {
        self.degraded.inc_by(end.is_degraded().into());
        self.uncertified.inc_by((end.certified_before == Some(false)).into());
    }

    pub(crate) fn round_done(&self, report: &RoundReport) {
        self.rounds_done.inc();
        self.sent.inc_by(report.bytes_sent);
        self.last.set(report);
    }
}

impl LastRound {
    fn new(registry: &mut Registry) -> Self {
        let last = "of the last finished round";
        let here = "on the peer's part of the test split";
        let mut share = |name, help| {
            let figure = Perhaps::default();
            registry.register(name, help, figure.clone());
            figure
        };
        let accuracy = format!("Accuracy {here} {last}; absent without samples");
        let loss = format!("Mean loss {here} {last}; absent without samples or when it is not finite");
        let train_loss = format!("Mean loss over the peer's training samples {last}; absent likewise");
        let (accuracy, loss) = (share("accuracy", accuracy), share("loss", loss));
        let train_loss = share("train_loss", train_loss);
        let mut seconds = |name| {
            let (figure, help) = (Figure::default(), format!("Seconds {last}"));
            registry.register_with_unit(name, help, Unit::Seconds, figure.clone());
            figure
        };
        Self {
            accuracy,
            loss,
            train_loss,
            train_seconds: seconds("train"),
            exchange_seconds: seconds("exchange"),
            aggregate_seconds: seconds("aggregate"),
            evaluate_seconds: seconds("evaluate"),
        }
    }

    fn set(&self, report: &RoundReport) {
        let RoundReport { evaluation, train, .. } = report;
        let share = |sum: f64| (evaluation.total > 0).then(|| sum / evaluation.total as f64);
        put(&self.accuracy, share(evaluation.correct as f64));
        put(&self.loss, evaluation.loss_sum.and_then(share));
        put(&self.train_loss, train.loss);
        self.train_seconds.set(train.seconds);
        self.exchange_seconds.set(report.exchange_seconds);
        self.aggregate_seconds.set(report.aggregate_seconds);
        self.evaluate_seconds.set(evaluation.seconds);
    }
}

fn put(figure: &Perhaps, value: Option<f64>) {
    match value {
        Some(value) => {
            figure.get_or_create(&[]).set(value);
        }
        None => figure.clear(),
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn bytes(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register_with_unit(name, help, Unit::Bytes, counter.clone());
    counter
}

/// The process's largest resident set so far, bytes; 0 where the system does not tell.
pub(crate) fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use fltorrent_records::{
        report::{EvaluationFigures, sample},
        survival::Cause,
    };

    use super::*;

    fn report(total: u64, loss_sum: Option<f64>, train_loss: Option<f64>) -> RoundReport {
        let mut report = sample(1, 0, 0);
        report.train.loss = train_loss;
        report.evaluation = EvaluationFigures {
            correct: 0,
            total,
            loss_sum,
            seconds: 0.5,
        };
        report
    }

    #[test]
    fn rounds_that_lack_something_are_counted() {
        let metrics = Metrics::new("tiny", 1, 3000);
        let end = |cause, missing: &[u32], certified_before| RoundEnd {
            round: 4,
            cause,
            missing: missing.to_vec(),
            present: 3,
            certified_before,
            bottleneck: None,
        };
        metrics.round_ended(&end(Cause::All, &[], Some(true)));
        metrics.round_ended(&end(Cause::Quorum, &[2], Some(false)));
        metrics.round_ended(&end(Cause::Deadline, &[], None));
        let text = metrics.text();
        for counted in [
            "rounds_degraded_total{experiment=\"tiny\",peer=\"1\"} 2",
            "rounds_uncertified_total{experiment=\"tiny\",peer=\"1\"} 1",
        ] {
            assert!(text.contains(&format!("\nfltorrent_{counted}\n")), "{text}");
        }
    }

    #[test]
    fn figures_of_nothing_are_absent() {
        let metrics = Metrics::new("tiny", 1, 3000);
        let value = |name: &str| {
            let start = format!("fltorrent_{name}{{experiment=\"tiny\",peer=\"1\"}} ");
            let text = metrics.text();
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.map(str::to_owned)
        };
        let all = || [value("accuracy"), value("loss"), value("train_loss")];
        assert_eq!(all(), [None, None, None], "no round is over");
        metrics.round_done(&report(0, Some(0.0), Some(0.25)));
        assert_eq!(all(), [None, None, Some("0.25".into())]);
        // All wrong is 0, which is something.
        metrics.round_done(&report(4, Some(6.0), None));
        assert_eq!(all(), [Some("0.0".into()), Some("1.5".into()), None]);
        metrics.round_done(&report(4, None, None));
        assert_eq!(all(), [Some("0.0".into()), None, None]);
        assert_eq!(value("rounds_planned"), Some("3000".into()));
    }
}
