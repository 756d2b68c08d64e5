//! `/healthz`, `/readyz` and `/metrics` over plain HTTP: a port for the kubelet's probes alone, and one for Prometheus that answers probes
//! too. Whatever happens at the one, the kubelet is answered at the other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fltorrent_coordinator::plain::{self, Page};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// The state that probes ask for.
#[derive(Debug, Default)]
pub struct Health {
    ready: AtomicBool,
}

impl Health {
    /// The watches have caught up, and what is served is served.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/healthz" => Some(Page::Text("ok\n")),
            "/readyz" if self.is_ready() => Some(Page::Text("ready\n")),
            "/readyz" => Some(Page::NotYet("the watches are not synchronised yet\n")),
            _ => None,
        }
    }
}

/// Answers probes until it is dropped.
pub async fn serve_probes(listener: TcpListener, health: Arc<Health>) {
    let pages = move |path: &str| health.page(path);
    plain::serve(listener, "/healthz and /readyz", pages).await;
}

/// Answers probes and Prometheus until it is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) {
    let pages = move |path: &str| page(path, &health, &metrics);
    plain::serve(listener, "/healthz, /readyz and /metrics", pages).await;
}

fn page(path: &str, health: &Health, metrics: &Metrics) -> Option<Page> {
    match path {
        "/metrics" => Some(Page::Metrics(metrics.text())),
        path => health.page(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_answered() {
        let (health, metrics) = (Health::default(), Metrics::new());
        let all = |path: &str| page(path, &health, &metrics);
        assert_eq!(all("/healthz"), Some(Page::Text("ok\n")));
        assert!(matches!(all("/readyz"), Some(Page::NotYet(_))));
        health.set_ready(true);
        assert!(matches!(all("/readyz"), Some(Page::Text(_))));
        assert!(matches!(all("/metrics"), Some(Page::Metrics(_))));
        assert_eq!(all("/"), None);
        assert_eq!(health.page("/readyz"), all("/readyz"));
        assert_eq!(health.page("/metrics"), None);
    }
}
