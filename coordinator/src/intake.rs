//! The coordinator's end of `bt_complete`: HTTPS with mutual TLS, one request a connection.
//!
//! `POST /v1/bt_complete` takes reports of the peer and attempt that the client's certificate names, answers `{"new", "repeated"}` or
//! `{"error"}`, and hands what is new on. `GET /healthz` answers `{"status": "ok"}`. Every step of a connection has a time limit and every
//! size a bound.

mod service;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fltorrent_records::progress::Progress;
use hyper::service::service_fn;
use hyper_util::server::graceful::Watcher;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

pub use crate::server::reports::Reported;
pub use crate::server::{HANDSHAKE_TIMEOUT, MAX_CONNECTIONS, STEP_TIMEOUT};
use crate::{
    identity::{RunId, identity_of},
    server::{DriverTask, Place, Port, places::Limits, serve, speak},
};
use service::Service;

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
        let tls = TlsAcceptor::from(tls);
        // All peers of a launcher are on its own machine, and have one address.
        let port = Port::new(Limits {
            at_once: MAX_CONNECTIONS,
            of_one_address: None,
        });
        let handle = move |stream, place, watcher| {
            let (tls, service) = (tls.clone(), Arc::clone(&service));
            connection(stream, place, tls, service, watcher)
        };
        let driver = DriverTask(tokio::spawn(serve(listener, port, stopped, handle)));
        Ok(Self {
            address,
            progress,
            stop,
            driver,
        })
    }

    /// The listening address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the run's progress.
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
    progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn connection(stream: TcpStream, place: Place, tls: TlsAcceptor, service: Arc<Service>, watcher: Watcher) {
    let from = place.from;
    let stream = match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return place.refuse(&error),
        Err(_) => return place.refuse(&"no TLS handshake in time"),
    };
    let shown = stream.get_ref().1.peer_certificates();
    let Some(Ok(identity)) = shown.and_then(<[_]>::first).map(identity_of) else {
        return place.refuse(&"its certificate names no member of a run");
    };
    if !place.prove(identity) {
        return place.refuse(&format_args!("{identity} has too many open"));
    }
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok(service.answer(identity, request).await) }
    });
    if let Err(error) = speak(stream, watcher, answer).await
        && let Some(left_out) = place.may_log()
    {
        tracing::info!(%from, %identity, %error, left_out, "a connection broke");
    }
}
