//! What Prometheus sees of the operator. No label has a user's text: their number stays bounded whatever is applied.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry, Unit},
};

/// The label of what is counted by stable names of reasons.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    reason: &'static str,
}

/// The label of what is counted by phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByPhase {
    phase: &'static str,
}

/// The label of what is counted by kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByKind {
    kind: &'static str,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    reconcile_seconds: Histogram,
    errors: Family<ByReason, Counter>,
    events: Family<ByReason, Counter>,
    certificates: Family<ByReason, Counter>,
    experiments: Family<ByPhase, Gauge>,
    watch_errors: Family<ByKind, Counter>,
    pub(crate) pods_created: Counter,
    pub(crate) pods_deleted: Counter,
    pub(crate) status_writes: Counter,
    pub(crate) reports: Counter,
    pub(crate) restarts: Counter,
    pub(crate) replacements: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("fltorrent_operator");
        let all = &mut registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "Build information", build);
        let leader = add(all, "leader", "1 while this replica leads");
        let reconcile_seconds = Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let told = "Duration of a reconcile";
        all.register_with_unit("reconcile", told, Unit::Seconds, reconcile_seconds.clone());
        Self {
            leader,
            reconcile_seconds,
            errors: add(all, "reconcile_errors", "Failed reconciles, by error"),
            events: add(all, "events", "Events published, by reason"),
            certificates: add(all, "certificate_requests", "Certificate requests, by outcome"),
            experiments: add(all, "experiments", "Experiments, by phase"),
            watch_errors: add(all, "watch_errors", "Failed watches, by kind of object"),
            pods_created: add(all, "pods_created", "Pods created"),
            pods_deleted: add(all, "pods_deleted", "Pods deleted"),
            status_writes: add(all, "status_writes", "Writes of an experiment's status"),
            reports: add(all, "reports", "Accepted reports of finished rounds"),
            restarts: add(
                all,
                "restarts",
                "Restarts of all peers of an experiment after a failure",
            ),
            replacements: add(all, "replacements", "Pods of single peers that were replaced"),
            registry,
        }
    }

    /// The text that Prometheus reads, as OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }

    /// Sets whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A reconcile ended, well or with an error of this name.
    pub fn reconciled(&self, took: Duration, error: Option<&'static str>) {
        self.reconcile_seconds.observe(took.as_secs_f64());
        if let Some(reason) = error {
            self.errors.get_or_create(&ByReason { reason }).inc();
        }
    }

    /// Counts a published event.
    pub fn event(&self, reason: &'static str) {
        self.events.get_or_create(&ByReason { reason }).inc();
    }

    /// A certificate was asked for.
    pub fn certificate(&self, reason: &'static str) {
        self.certificates.get_or_create(&ByReason { reason }).inc();
    }

    /// So many experiments are in a phase.
    pub fn experiments(&self, phase: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.experiments.get_or_create(&ByPhase { phase }).set(count);
    }

    /// A watch of a kind of object failed.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&ByKind { kind }).inc();
    }
}

/// A metric at zero that the registry knows.
fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_named_by_convention() {
        let metrics = Metrics::new();
        metrics.leads(true);
        metrics.reconciled(Duration::from_millis(3), Some("ApiForbidden"));
        metrics.event("Started");
        metrics.certificate("Signed");
        metrics.experiments("Training", 2);
        metrics.watch_failed("Pod");
        metrics.pods_created.inc();
        metrics.pods_deleted.inc();
        metrics.status_writes.inc();
        metrics.reports.inc();
        metrics.restarts.inc();
        let text = metrics.text();
        for line in [
            concat!(
                "fltorrent_operator_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "fltorrent_operator_leader 1",
            "fltorrent_operator_reconcile_seconds_count 1",
            "fltorrent_operator_reconcile_errors_total{reason=\"ApiForbidden\"} 1",
            "fltorrent_operator_events_total{reason=\"Started\"} 1",
            "fltorrent_operator_certificate_requests_total{reason=\"Signed\"} 1",
            "fltorrent_operator_experiments{phase=\"Training\"} 2",
            "fltorrent_operator_watch_errors_total{kind=\"Pod\"} 1",
            "fltorrent_operator_pods_created_total 1",
            "fltorrent_operator_pods_deleted_total 1",
            "fltorrent_operator_status_writes_total 1",
            "fltorrent_operator_reports_total 1",
            "fltorrent_operator_restarts_total 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
