//! What the intake of one run and the hub of many share: bounded connections of one request each, and what is done with reports.

pub(crate) mod exchange;
pub(crate) mod reports;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

/// Connections at a time; more wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 256;

/// How long a handshake, a request's head, its body, or the wait for whoever has to answer may last, each.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failed accept, for example while file descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that a request's head may have.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Ends its task when dropped.
#[derive(Debug)]
pub(crate) struct DriverTask(pub(crate) JoinHandle<()>);

impl Drop for DriverTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands each connection to `handle` until `stopped` says within what time the last ones have to end.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    mut stopped: oneshot::Receiver<Duration>,
    handle: impl Fn(TcpStream, Watcher) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let grace = loop {
        let accepted = tokio::select! {
            grace = &mut stopped => break grace.unwrap_or_default(),
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let handled = handle(stream, graceful.watcher());
                connections.spawn(async move {
                    let _slot = slot;
                    handled.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drop(listener);
    if timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(grace = ?grace, "requests did not end in time and are cut off");
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

/// Answers the one request of a connection.
pub(crate) async fn speak<S, B>(
    stream: TlsStream<TcpStream>,
    watcher: Watcher,
    service: S,
) -> Result<(), hyper::Error>
where
    S: HttpService<Incoming, ResBody = B, Error = Infallible>,
    B: Body<Error = Infallible> + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(STEP_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    watcher.watch(connection).await
}
