//! `/metrics`, `/healthz` and `/readyz` over plain HTTP.

use std::{io, net::SocketAddr, sync::Arc};

use fltorrent_coordinator::{
    listen,
    plain::{self, Page},
};
use thiserror::Error;
use tokio::task::JoinSet;

use super::Metrics;

/// Why metrics cannot be served.
#[derive(Debug, Error)]
#[error("metrics cannot be served at {address}: {}", listen::advice(source))]
pub struct ServeError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// Serves in the background until the returned set is dropped; gives the address that was bound. `[::]` is every address, as [`listen`]
/// says. Must be called within a tokio runtime.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> Result<(SocketAddr, JoinSet<()>), ServeError> {
    let failed = |source| ServeError { address, source };
    let listener = listen::tcp(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let mut task = JoinSet::new();
    let pages = move |path: &str| page(path, &metrics);
    task.spawn(plain::serve(listener, "/metrics, /healthz and /readyz", pages));
    Ok((bound, task))
}

fn page(path: &str, metrics: &Metrics) -> Option<Page> {
    match path {
        "/metrics" => Some(Page::Metrics(metrics.text())),
        "/healthz" => Some(Page::Text("ok\n")),
        "/readyz" => Some(metrics.lacks().map_or(Page::Text("ok\n"), Page::NotYet)),
        _ => None,
    }
}
