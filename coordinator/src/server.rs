//! What all ports share: bounded connections, and of those for reports what is done with one request.

pub(crate) mod exchange;
pub(crate) mod places;
pub(crate) mod reports;

use std::{
    convert::Infallible,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::HttpService,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::{AbortHandle, JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

use crate::{identity::Identity, rate::Quiet};
use places::{Entry, Limits, Places};

/// Connections at a time to a port for reports.
pub const MAX_CONNECTIONS: usize = 256;

/// Connections of one address at a time, of those that have not shown a certificate.
pub const MAX_STRANGERS: usize = 64;

/// Longest time that a TLS handshake may last.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that a request's head, its body, or the wait for whoever has to answer may last, each.
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

/// State shared by the connections of a port.
#[derive(Debug)]
pub(crate) struct Port {
    places: Mutex<Places<AbortHandle>>,
    freed: Notify,
    quiet: Mutex<Quiet>,
}

impl Port {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::new(Places::new(limits)),
            freed: Notify::new(),
            quiet: Mutex::new(Quiet::new()),
        })
    }

    fn places(&self) -> MutexGuard<'_, Places<AbortHandle>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line about what strangers do may be written now, and how many were left out before it.
    pub(crate) fn may_log(&self) -> Option<u64> {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.ask(Instant::now())
    }
}

/// A place at a port, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    port: Arc<Port>,
    number: u64,
    /// The client's address.
    pub(crate) from: SocketAddr,
}

impl Place {
    /// The other end has shown whom it is. Says whether it may stay.
    pub(crate) fn prove(&self, identity: Identity) -> bool {
        self.port.places().prove(self.number, identity)
    }

    /// The other end's address, without its port.
    pub(crate) fn address(&self) -> IpAddr {
        self.from.ip().to_canonical()
    }

    /// As [`Port::may_log`].
    pub(crate) fn may_log(&self) -> Option<u64> {
        self.port.may_log()
    }

    /// Logs why the connection is refused, unless too much was logged.
    pub(crate) fn refuse(&self, why: &dyn fmt::Display) {
        if let Some(left_out) = self.may_log() {
            tracing::info!(from = %self.from, left_out, "a connection was refused: {why}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.places().leave(self.number);
        self.port.freed.notify_one();
    }
}

/// Hands each connection to `handle` until `stopped` says within what time the last ones have to end.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    port: Arc<Port>,
    mut stopped: oneshot::Receiver<Duration>,
    handle: impl Fn(TcpStream, Place, Watcher) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut waiting = None;
    let grace = loop {
        let accepted = tokio::select! {
            grace = &mut stopped => break grace.unwrap_or_default(),
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &port, &mut waiting) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let number = place.number;
                let task = connections.spawn(handle(stream, place, graceful.watcher()));
                port.places().attach(number, task);
            }
            Err(error) => {
                if let Some(left_out) = port.may_log() {
                    tracing::warn!(%error, left_out, "a connection could not be accepted; trying again");
                }
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

/// The next connection that gets a place. One that has to wait for it is in `waiting`, so that nothing is lost when this is dropped.
async fn accept(
    listener: &TcpListener,
    port: &Arc<Port>,
    waiting: &mut Option<(TcpStream, SocketAddr)>,
) -> io::Result<(TcpStream, Place)> {
    loop {
        let (stream, from) = match waiting.take() {
            Some(accepted) => accepted,
            None => listener.accept().await?,
        };
        let from_ip = from.ip();
        *waiting = Some((stream, from));
        let number = enter(port, from_ip).await;
        let accepted = waiting.take();
        if let Some((number, (stream, from))) = number.zip(accepted) {
            let port = Arc::clone(port);
            return Ok((stream, Place { port, number, from }));
        }
        if let Some(left_out) = port.may_log() {
            tracing::info!(%from, left_out, "a connection was refused: its address has too many open");
        }
    }
}

/// The number of a place, as soon as there is one; none when the address has its share.
async fn enter(port: &Port, from: IpAddr) -> Option<u64> {
    loop {
        let freed = port.freed.notified();
        let entry = port.places().enter(from);
        match entry {
            Entry::Place(number) => return Some(number),
            Entry::Instead(number, displaced) => {
                if let Some(task) = displaced {
                    task.abort();
                }
                if let Some(left_out) = port.may_log() {
                    tracing::info!(
                        left_out,
                        "a connection was closed: its address had the most, and all places are taken"
                    );
                }
                return Some(number);
            }
            Entry::Wait => freed.await,
            Entry::Refused => return None,
        }
    }
}

/// Answers the one request of a connection.
pub(crate) async fn speak<S, B>(stream: TlsStream<TcpStream>, watcher: Watcher, service: S) -> Result<(), hyper::Error>
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
