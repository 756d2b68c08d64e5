//! One HTTPS port for the peers of many runs: it signs their certificates and takes their reports, for the operator.
//!
//! A client names the run by SNI ([`Identity::server_name`](crate::identity::Identity::server_name) of the run's coordinator) and meets a
//! certificate by that run's authority; a name of no run that is known here gets no handshake. Then, one request a connection:
//!
//! - `POST /v1/certificate`, without a client certificate: `Authorization: Bearer TOKEN`, a certificate request (PEM) as body. The answer
//!   is the certificate (PEM). 401: the token is not believed; 403: it is, but not of a peer of this run; 410: a later process of the
//!   peer has got one; 429: asked too often; 503: that cannot be said now. The last two have `Retry-After`.
//! - `POST /v1/bt_complete`, with it: as at the [`intake`](crate::intake) of one run; 410: a later process of the peer has a certificate;
//!   503 at a replica that does not lead.
//! - `POST /v1/pause`, likewise: a peer takes part in no round, since too few peers do.
//! - `POST /v1/course`, likewise, with no body: how far the run is, for a peer that joins later.
//! - `GET /healthz`.
//!
//! Whom a token belongs to, which runs there are and who leads is asked of a [`Directory`]. Every step of a connection has a time limit,
//! and connections, in all, of one address and of one peer, sizes, runs, questions and reports a bound.

mod pauses;
mod runs;
mod service;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use fltorrent_records::progress::{Progress, RoundEnds, Standing};
use hyper::service::service_fn;
use hyper_util::server::graceful::Watcher;
use rustls::server::Acceptor;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_rustls::LazyConfigAcceptor;

pub use crate::rate::Rate;
pub use crate::server::{HANDSHAKE_TIMEOUT, MAX_CONNECTIONS, MAX_STRANGERS, STEP_TIMEOUT};
use crate::{
    authority::DEFAULT_CERTIFICATE_LIFETIME,
    identity::{Identity, Role, RunId, identity_of},
    intake::Reported,
    secret::RootSecret,
    server::{DriverTask, Place, Port, places::Limits, serve, speak},
};
pub use pauses::Paused;
pub use runs::MAX_RUNS;
use runs::{Run, Runs};
pub use service::{CERTIFICATE_PATH, MAX_QUESTIONS, MAX_TOKEN_BYTES};
use service::{Client, Service};

/// Facts about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Peers of the run.
    pub peers: u32,
    /// Rounds of the run.
    pub rounds: u32,
    /// Peers without which no round ends.
    pub min_peers: u32,
    /// The attempt whose reports count. When it changes, the run's progress begins anew.
    pub attempt: u32,
}

/// The owner of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The peer's index in the plan.
    pub index: u32,
    /// The peer's attempt.
    pub attempt: u32,
    /// The number of its process among those of the attempt: of two the one with the higher number counts.
    pub incarnation: u32,
}

/// When a run began and whether it is over, which those who make and watch its peers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunSpan {
    /// When the peers that begin the attempt were all there.
    pub began: Option<SystemTime>,
    /// True once a peer of the attempt has ended well.
    pub is_over: bool,
}

/// Why a token brings no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum Unproven {
    #[error("the token is not valid: {0}")]
    Unauthenticated(String),
    #[error("the token does not belong to a peer of this run: {0}")]
    NotOurs(String),
    #[error("the token cannot be verified now: {reason}")]
    Unavailable { reason: String, retry_after: Duration },
}

/// Questions that a hub asks the program that runs it.
pub trait Directory: Send + Sync + 'static {
    /// The facts about a run; none if it does not exist. Asked at each connection, so it must be answered from memory.
    fn facts(&self, run: RunId) -> Option<RunFacts>;

    /// Which peer of the run a token belongs to. At most [`MAX_QUESTIONS`] are asked at a time, each for [`STEP_TIMEOUT`].
    fn member(&self, run: RunId, token: &str) -> impl Future<Output = Result<Member, Unproven>> + Send;

    /// When a run began and whether it is over. It must be answered from memory.
    fn span(&self, run: RunId) -> RunSpan;

    /// True if this replica takes reports.
    fn leads(&self) -> bool;
}

/// Settings of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time that a peer's certificate is valid, and that of the hub itself, which is renewed at two thirds of it.
    pub certificate_lifetime: Duration,
    /// Limit of certificate requests by address.
    pub asking: Rate,
    /// Limit of reports by peer.
    pub reporting: Rate,
    /// Pause for clients when this replica does not lead.
    pub retry_after: Duration,
}

impl Default for Settings {
    /// A day; 20 questions at once and one every two seconds; 64 posts of reports at once and ten a second; five seconds.
    fn default() -> Self {
        Self {
            certificate_lifetime: DEFAULT_CERTIFICATE_LIFETIME,
            asking: Rate {
                burst: 20,
                every: Duration::from_secs(2),
            },
            reporting: Rate {
                burst: 64,
                every: Duration::from_millis(100),
            },
            retry_after: Duration::from_secs(5),
        }
    }
}

/// A report that counts, and its run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReported {
    /// The run.
    pub run: RunId,
    /// The report and the rounds that it completed.
    pub reported: Reported,
}

/// A running hub. Dropping it ends it at once.
#[derive(Debug)]
pub struct Hub {
    address: SocketAddr,
    runs: Arc<Runs>,
    stop: oneshot::Sender<Duration>,
    driver: DriverTask,
}

impl Hub {
    /// Serves on a listener until [`stop`](Self::stop). New reports are counted and sent to `reported`; while nobody reads them, peers are
    /// told to come again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start<D: Directory>(
        listener: TcpListener,
        root: RootSecret,
        directory: Arc<D>,
        settings: Settings,
        reported: mpsc::Sender<RunReported>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let runs = Arc::new(Runs::new(root, settings.certificate_lifetime));
        let (stop, stopped) = oneshot::channel();
        let service = Arc::new(Service::new(Arc::clone(&directory), settings, reported));
        let shared = Arc::clone(&runs);
        let port = Port::new(Limits {
            at_once: MAX_CONNECTIONS,
            of_one_address: Some(MAX_STRANGERS),
        });
        let handle = move |stream, place, watcher| {
            let (runs, service) = (Arc::clone(&shared), Arc::clone(&service));
            connection(stream, place, watcher, runs, service)
        };
        let driver = DriverTask(tokio::spawn(serve(listener, port, stopped, handle)));
        Ok(Self {
            address,
            runs,
            stop,
            driver,
        })
    }

    /// The listening address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The progress of an attempt of a run, in a few words; none when no peer of it has come here. `ends` is how rounds had ended that
    /// were known before this hub was there: what it is told first is counted with those that end here.
    pub fn standing(&self, run: RunId, attempt: u32, ends: RoundEnds) -> Option<Standing> {
        self.of(run, attempt).map(|run| run.standing(ends))
    }

    /// As [`standing`](Self::standing), but a copy of the whole progress.
    pub fn progress(&self, run: RunId, attempt: u32) -> Option<Progress> {
        self.of(run, attempt).map(|run| run.progress())
    }

    /// That an attempt is paused since too few peers take part, as far as they have said of late; none also when no peer of it has come here.
    pub fn paused(&self, run: RunId, attempt: u32) -> Option<Paused> {
        self.of(run, attempt)?.pause(Instant::now())
    }

    /// Rounds that a peer has done in an attempt by its own word; none when no peer of it has come here.
    pub fn rounds_done(&self, run: RunId, attempt: u32, peer: u32) -> Option<u32> {
        self.of(run, attempt).map(|run| run.rounds_done(peer))
    }

    /// These peers are not there: no round waits for their reports until they report again.
    pub fn leave(&self, run: RunId, attempt: u32, peers: impl IntoIterator<Item = u32>) {
        if let Some(run) = self.of(run, attempt) {
            run.leave(peers);
        }
    }

    fn of(&self, run: RunId, attempt: u32) -> Option<Arc<Run>> {
        self.runs.get(run).filter(|run| run.facts.attempt == attempt)
    }

    /// Forgets a run that is over.
    pub fn forget(&self, run: RunId) {
        self.runs.remove(run);
    }

    /// Closes the listener and lets requests that are under way end within `grace`.
    pub async fn stop(self, grace: Duration) {
        let Self { stop, mut driver, .. } = self;
        // Either end of a driver is fine: one that is gone already has nothing left to stop.
        let _ = stop.send(grace);
        let _ = (&mut driver.0).await;
    }
}

async fn connection<D: Directory>(
    stream: TcpStream,
    place: Place,
    watcher: Watcher,
    runs: Arc<Runs>,
    service: Arc<Service<D>>,
) {
    let from = place.from;
    let handshake = async {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let wanted = start.client_hello().server_name().map(str::to_owned);
        let (run, tls) = admit(wanted.as_deref(), &runs, &service).map_err(io::Error::other)?;
        Ok::<_, io::Error>((run, start.into_stream(tls).await?))
    };
    let (run, stream) = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return place.refuse(&error),
        Err(_) => return place.refuse(&"no TLS handshake in time"),
    };
    let shown = stream.get_ref().1.peer_certificates();
    let certificate = shown.and_then(<[_]>::first);
    // The handshake has verified it for this run.
    let identity = certificate.and_then(|certificate| identity_of(certificate).ok());
    if let Some(identity) = identity
        && !place.prove(identity)
    {
        return place.refuse(&format_args!("{identity} has too many open"));
    }
    let client = Client {
        from: place.address(),
        identity,
    };
    let answer = service_fn(move |request| {
        let (run, service) = (Arc::clone(&run), Arc::clone(&service));
        async move { Ok(service.answer(&run, client, request).await) }
    });
    if let Err(error) = speak(stream, watcher, answer).await
        && let Some(left_out) = place.may_log()
    {
        tracing::info!(%from, %error, left_out, "a connection broke");
    }
}

/// Why a client gets no handshake.
#[derive(Debug, thiserror::Error)]
enum AdmitError {
    #[error("it named no coordinator of a run")]
    NoName,
    #[error("run {0} is not known here")]
    NoRun(RunId),
    #[error(transparent)]
    Runs(#[from] runs::RunsError),
}

/// The run that a client wants, if there is one, and the TLS configuration of its coordinator.
fn admit<D: Directory>(
    wanted: Option<&str>,
    runs: &Runs,
    service: &Service<D>,
) -> Result<(Arc<Run>, Arc<rustls::ServerConfig>), AdmitError> {
    let identity = wanted.and_then(|name| name.parse::<Identity>().ok());
    let Some(Identity {
        run,
        role: Role::Coordinator,
    }) = identity
    else {
        return Err(AdmitError::NoName);
    };
    let Some(facts) = service.directory().facts(run) else {
        runs.remove(run);
        return Err(AdmitError::NoRun(run));
    };
    let exists = |run| service.directory().facts(run).is_some();
    let run = runs.open(run, facts, exists)?;
    let tls = run.tls(SystemTime::now())?;
    Ok((run, tls))
}
