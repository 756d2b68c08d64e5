//! What Prometheus sees of one peer, and the small HTTP server that shows it.

mod server;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use fltorrent_coordinator::report::RoundReport;
use fltorrent_swarm::Swarm;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

pub use server::{ServeError, serve};

use crate::store::ChunkStore;

type Seconds = Gauge<f64, AtomicU64>;

/// What Prometheus sees of one peer.
pub struct Metrics {
    registry: Mutex<Registry>,
    ready: AtomicBool,
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
    accuracy: Seconds,
    train_seconds: Seconds,
    exchange_seconds: Seconds,
    aggregate_seconds: Seconds,
    evaluate_seconds: Seconds,
}

impl Metrics {
    /// All metrics at zero, labelled with the experiment's name and the peer's index.
    pub fn new(experiment: &str, peer: u32) -> Self {
        let labels = [
            ("experiment".into(), experiment.to_owned().into()),
            ("peer".into(), peer.to_string().into()),
        ];
        let mut registry = Registry::with_prefix_and_labels("fltorrent", labels.into_iter());
        let metrics = Self {
            registry: Mutex::default(),
            ready: AtomicBool::new(false),
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
            unchoked: gauge(
                &mut registry,
                "neighbours_unchoked",
                "Neighbours that the peer serves",
            ),
            unchoked_by: gauge(
                &mut registry,
                "neighbours_unchoking",
                "Neighbours that serve the peer",
            ),
            received: bytes(
                &mut registry,
                "payload_received",
                "Chunk bytes received and kept",
            ),
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
            accuracy: Gauge::default(),
            train_seconds: Gauge::default(),
            exchange_seconds: Gauge::default(),
            aggregate_seconds: Gauge::default(),
            evaluate_seconds: Gauge::default(),
        };
        let last = "of the last finished round";
        registry.register(
            "accuracy",
            format!("Accuracy on the peer's part of the test split {last}"),
            metrics.accuracy.clone(),
        );
        for (name, gauge) in [
            ("train", &metrics.train_seconds),
            ("exchange", &metrics.exchange_seconds),
            ("aggregate", &metrics.aggregate_seconds),
            ("evaluate", &metrics.evaluate_seconds),
        ] {
            registry.register_with_unit(
                name,
                format!("Seconds {last}"),
                Unit::Seconds,
                gauge.clone(),
            );
        }
        *metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }

    /// What `/metrics` answers.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(
            &mut text,
            &self.registry.lock().unwrap_or_else(PoisonError::into_inner),
        )
        .ok();
        text
    }

    /// The peer trains.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has begun to train.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn update(&self, swarm: &Swarm, store: &ChunkStore) {
        let stats = swarm.stats();
        let (unchoked, unchoked_by) = swarm.unchoked();
        let (memory, file) = store.sizes();
        self.round.set(swarm.round().into());
        self.chunks_held.set(swarm.held().count().into());
        self.neighbours.set(swarm.open_links() as i64);
        self.unchoked.set(unchoked as i64);
        self.unchoked_by.set(unchoked_by as i64);
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

    pub(crate) fn round_done(&self, report: &RoundReport) {
        self.rounds_done.inc();
        self.sent.inc_by(report.bytes_sent);
        let total = report.evaluation.total.max(1) as f64;
        self.accuracy.set(report.evaluation.correct as f64 / total);
        self.train_seconds.set(report.train.seconds);
        self.exchange_seconds.set(report.exchange_seconds);
        self.aggregate_seconds.set(report.aggregate_seconds);
        self.evaluate_seconds.set(report.evaluation.seconds);
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
