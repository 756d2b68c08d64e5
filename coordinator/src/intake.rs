//! The coordinator's end of `bt_complete`: HTTPS with mutual TLS, one request a connection.
//!
//! `POST /v1/bt_complete` takes reports of the peer and attempt that the client's certificate names, answers `{"new", "repeated"}` or
//! `{"error"}`, and hands what is new on. `GET /healthz` answers `{"status": "ok"}`. Every step of a connection has a time limit and every
//! size a bound.

mod service;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::identity::{RunId, identity_of};
use crate::progress::{Progress, RoundSummary};
use crate::report::RoundReport;
use service::Service;

/// Connections at a time; more wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 256;

/// How long a handshake, a request's head, its body, or the wait for the reader of reports may last, each.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failed accept, for example while file descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that a request's head may have.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A report that counts, and what it completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The report.
    pub report: RoundReport,
    /// The figures of the round, if this was the last report of it.
    pub summary: Option<RoundSummary>,
}

/// A running intake. Dropping it ends it at once.
#[derive(Debug)]
pub struct Intake {
    address: SocketAddr,
    progress: Arc<Mutex<Progress>>,
    stop: oneshot::Sender<Duration>,
    driver: DriverTask,
}

impl Intake {
    /// Serves on a listener until [`stop`](Self::stop). New reports are counted in `progress` and sent to `reported`; while nobody reads
    /// them, peers are told to come again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        run: RunId,
        progress: Progress,
        reported: mpsc::Sender<Reported>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let progress = Arc::new(Mutex::new(progress));
        let (stop, stopped) = oneshot::channel();
        let service = Arc::new(Service {
            run,
            progress: Arc::clone(&progress),
            reported,
        });
        let driver = DriverTask(tokio::spawn(serve(listener, tls.into(), service, stopped)));
        Ok(Self {
            address,
            progress,
            stop,
            driver,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        snapshot(&self.progress)
    }

    /// Closes the listener, lets requests that are under way end within `grace`, and gives the run's progress for a later intake to go on
    /// with.
    pub async fn stop(self, grace: Duration) -> Progress {
        let Self {
            progress,
            stop,
            mut driver,
            ..
        } = self;
        // Either end of a driver is fine: one that is gone already has nothing left to stop.
        let _ = stop.send(grace);
        let _ = (&mut driver.0).await;
        snapshot(&progress)
    }
}

fn snapshot(progress: &Mutex<Progress>) -> Progress {
    progress
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Ends its task when dropped.
#[derive(Debug)]
struct DriverTask(JoinHandle<()>);

impl Drop for DriverTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    mut stopped: oneshot::Receiver<Duration>,
) {
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
                connections.spawn(connection(
                    stream,
                    slot,
                    tls.clone(),
                    Arc::clone(&service),
                    graceful.watcher(),
                ));
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

async fn connection(
    stream: TcpStream,
    _slot: OwnedSemaphorePermit,
    tls: TlsAcceptor,
    service: Arc<Service>,
    watcher: Watcher,
) {
    let from = stream.peer_addr().ok();
    let stream = match timeout(STEP_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(?from, %error, "a connection was refused");
            return;
        }
        Err(_) => {
            tracing::info!(?from, "a connection was dropped: no TLS handshake in time");
            return;
        }
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    let Some(Ok(identity)) = certificate.map(identity_of) else {
        tracing::warn!(
            ?from,
            "a connection was dropped: its certificate names no one"
        );
        return;
    };
    let connection =
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(STEP_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .keep_alive(false)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let service = Arc::clone(&service);
                    async move {
                        Ok::<_, std::convert::Infallible>(service.answer(identity, request).await)
                    }
                }),
            );
    if let Err(error) = watcher.watch(connection).await {
        tracing::info!(?from, %identity, %error, "a connection broke");
    }
}
