//! What the hub answers to one request.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use fltorrent_records::report::{
    COURSE_PATH, MAX_BODY_BYTES, MAX_PAUSE_BYTES, PAUSE_PATH, PauseReport, REPORT_PATH, decode_reports,
};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderMap},
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::{
    Directory, Member, RunReported, Settings, Unproven,
    runs::{Replaced, Run},
};
use crate::{
    authority::{AuthorityError, MAX_REQUEST_BYTES},
    identity::{Identity, Role},
    rate::{Limiter, Quiet},
    server::{
        STEP_TIMEOUT,
        exchange::{HEALTH_PATH, RequestError, expect, healthy, json, read, refused, typed},
        reports::{CountError, check_own, check_owner, count},
    },
};

/// The path of certificate requests.
pub const CERTIFICATE_PATH: &str = "/v1/certificate";

/// The longest token that is looked at, in bytes; those of a cluster have about 1200.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// Questions about tokens at a time.
pub const MAX_QUESTIONS: usize = 32;

/// The routes, for messages.
const SERVED: &str = "POST /v1/certificate, POST /v1/bt_complete, POST /v1/pause, POST /v1/course and GET /healthz";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("there is no `Authorization: Bearer TOKEN` with at most {MAX_TOKEN_BYTES} bytes of visible ASCII")]
    NoToken,
    #[error("too many requests from this address; retry later")]
    TooOften { wait: Duration },
    #[error("too many reports from this peer; retry later")]
    ReportsTooOften { wait: Duration },
    #[error("too many requests; retry later")]
    Busy,
    #[error(transparent)]
    Unproven(#[from] Unproven),
    #[error(transparent)]
    Replaced(#[from] Replaced),
    #[error("the body is not text in UTF-8")]
    NotText,
    #[error("{}", crate::chain(.0))]
    Authority(#[from] AuthorityError),
    #[error("reports need the certificate of a peer of this run; POST /v1/certificate gives one")]
    NoCertificate,
    #[error("the certificate is of attempt {found}; the run is at attempt {current}")]
    Over { found: u32, current: u32 },
    #[error("this replica does not lead; retry")]
    NotLeading,
    #[error("attempt {found} is not known here yet; retry")]
    Early { found: u32 },
    #[error(transparent)]
    Count(#[from] CountError),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::Count(error) => error.status(),
            Self::NoToken | Self::Unproven(Unproven::Unauthenticated(_)) => StatusCode::UNAUTHORIZED,
            Self::Unproven(Unproven::NotOurs(_)) | Self::NoCertificate | Self::Over { .. } => StatusCode::FORBIDDEN,
            Self::Replaced(_) => StatusCode::GONE,
            Self::TooOften { .. } | Self::ReportsTooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unproven(Unproven::Unavailable { .. }) | Self::NotLeading | Self::Early { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NotText
            | Self::Authority(
                AuthorityError::RequestTooLarge { .. }
                | AuthorityError::RequestPem(_)
                | AuthorityError::Request(_)
                | AuthorityError::RequestKey,
            ) => StatusCode::BAD_REQUEST,
            Self::Authority(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// True if it is as it should be: a replica that does not lead refuses every report of every peer.
    const fn is_usual(&self) -> bool {
        matches!(self, Self::NotLeading)
    }

    const fn retry_after(&self, settings: &Settings) -> Option<Duration> {
        match self {
            Self::TooOften { wait } | Self::ReportsTooOften { wait } => Some(*wait),
            Self::Unproven(Unproven::Unavailable { retry_after, .. }) => Some(*retry_after),
            Self::Busy | Self::NotLeading | Self::Early { .. } => Some(settings.retry_after),
            Self::Count(CountError::NotRead) => Some(settings.retry_after),
            _ => None,
        }
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) from: IpAddr,
    /// The identity in its certificate, if it showed one.
    pub(super) identity: Option<Identity>,
}

/// State shared by all connections.
pub(super) struct Service<D> {
    directory: Arc<D>,
    settings: Settings,
    reported: mpsc::Sender<RunReported>,
    asking: Mutex<Limiter<IpAddr>>,
    reporting: Mutex<Limiter<Identity>>,
    quiet: Mutex<Quiet>,
    questions: Semaphore,
}

impl<D: Directory> Service<D> {
    pub(super) fn new(directory: Arc<D>, settings: Settings, reported: mpsc::Sender<RunReported>) -> Self {
        Self {
            directory,
            settings,
            reported,
            asking: Mutex::new(Limiter::new(settings.asking)),
            reporting: Mutex::new(Limiter::new(settings.reporting)),
            quiet: Mutex::new(Quiet::new()),
            questions: Semaphore::new(MAX_QUESTIONS),
        }
    }

    pub(super) fn directory(&self) -> &D {
        &self.directory
    }

    pub(super) async fn answer(&self, run: &Run, client: Client, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.dispatch(run, client, request).await.unwrap_or_else(|refusal| {
            let Client { from, identity } = client;
            let (run, client) = (run.authority.run(), identity.map(|client| client.role));
            if refusal.is_usual() {
                tracing::debug!(%run, %from, ?client, %refusal, "a request was refused");
            } else if let Some(left_out) = lock(&self.quiet).ask(Instant::now()) {
                tracing::info!(%run, %from, ?client, %refusal, left_out, "a request was refused");
            }
            let wait = refusal.retry_after(&self.settings);
            refused(refusal.status(), &refusal, wait)
        })
    }

    async fn dispatch(
        &self,
        run: &Run,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        match request.uri().path() {
            HEALTH_PATH => {
                expect(&request, Method::GET)?;
                Ok(healthy())
            }
            CERTIFICATE_PATH => {
                expect(&request, Method::POST)?;
                self.certificate(run, client, request).await
            }
            REPORT_PATH => {
                expect(&request, Method::POST)?;
                self.reports(run, client, request).await
            }
            PAUSE_PATH => {
                expect(&request, Method::POST)?;
                self.pause(run, client, request).await
            }
            COURSE_PATH => {
                expect(&request, Method::POST)?;
                self.reporter(run, client)?;
                let span = self.directory.span(run.authority.run());
                Ok(json(StatusCode::OK, &run.course(span, SystemTime::now())))
            }
            path => Err(RequestError::no_path(path, SERVED).into()),
        }
    }

    async fn certificate(
        &self,
        run: &Run,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let id = run.authority.run();
        lock(&self.asking)
            .ask(client.from, Instant::now())
            .map_err(|wait| Refusal::TooOften { wait })?;
        let token = bearer(request.headers()).ok_or(Refusal::NoToken)?;
        let body = read(request.into_body(), MAX_REQUEST_BYTES).await?;
        let body = std::str::from_utf8(&body).map_err(|_| Refusal::NotText)?;
        let asked = async {
            let _place = self.questions.acquire().await;
            self.directory.member(id, &token).await
        };
        let member = timeout(STEP_TIMEOUT, asked).await.map_err(|_| Refusal::Busy)??;
        let Member {
            index,
            attempt,
            incarnation,
        } = member;
        let now = SystemTime::now();
        let signed = run.authority.sign_peer(body, index, attempt, incarnation, now)?;
        // After what can fail: who gets nothing replaces nobody.
        run.admit(&member)?;
        tracing::info!(run = %id, from = %client.from, peer = index, attempt, incarnation, "a certificate was signed");
        Ok(typed(StatusCode::OK, "application/x-pem-file", signed))
    }

    async fn reports(
        &self,
        run: &Run,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let identity = self.reporter(run, client)?;
        let body = read(request.into_body(), MAX_BODY_BYTES).await?;
        let reports = decode_reports(&body).map_err(CountError::from)?;
        let id = run.authority.run();
        check_owner(id, identity, &reports)?;
        let wrap = |reported| RunReported { run: id, reported };
        let receipt = count(&reports, &run.progress, &self.reported, wrap).await?;
        Ok(json(StatusCode::OK, &receipt))
    }

    async fn pause(
        &self,
        run: &Run,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let identity = self.reporter(run, client)?;
        let body = read(request.into_body(), MAX_PAUSE_BYTES).await?;
        let pause = PauseReport::decode(&body).map_err(CountError::from)?;
        check_own(run.authority.run(), identity, pause.peer, pause.attempt)?;
        run.paused(pause, Instant::now());
        Ok(healthy())
    }

    /// Who reports or asks, if this replica takes reports and those of this process count.
    fn reporter(&self, run: &Run, client: Client) -> Result<Identity, Refusal> {
        let identity = client.identity.ok_or(Refusal::NoCertificate)?;
        let current = run.facts.attempt;
        lock(&self.reporting)
            .ask(identity, Instant::now())
            .map_err(|wait| Refusal::ReportsTooOften { wait })?;
        if !self.directory.leads() {
            return Err(Refusal::NotLeading);
        }
        match identity.role {
            Role::Peer { attempt, .. } if attempt < current => Err(Refusal::Over {
                found: attempt,
                current,
            }),
            Role::Peer { attempt, .. } if attempt > current => Err(Refusal::Early { found: attempt }),
            // What a process reports that was replaced would count as its successor's. That one's certificate may be another replica's:
            // whoever shows it has it.
            Role::Peer {
                index,
                attempt,
                incarnation,
            } => {
                run.admit(&Member {
                    index,
                    attempt,
                    incarnation,
                })?;
                Ok(identity)
            }
            Role::Coordinator => Ok(identity),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The token of `Authorization: Bearer TOKEN`; none when there is no such header, or two, or the token is too long.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_usable = scheme.eq_ignore_ascii_case("bearer")
        && (1..=MAX_TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refusals that every peer meets at every replica that does not lead are not logged at info; errors of a peer are.
    #[test]
    fn only_that_a_replica_does_not_lead_is_usual() {
        let wait = Duration::from_secs(1);
        let unproven = |error: Unproven| Refusal::Unproven(error);
        for refusal in [
            Refusal::Request(RequestError::no_path("/", SERVED)),
            Refusal::NoToken,
            Refusal::TooOften { wait },
            Refusal::ReportsTooOften { wait },
            Refusal::Busy,
            unproven(Unproven::Unauthenticated("no".into())),
            unproven(Unproven::NotOurs("no".into())),
            unproven(Unproven::Unavailable {
                reason: "no".into(),
                retry_after: wait,
            }),
            Refusal::NotText,
            Refusal::Authority(AuthorityError::RequestKey),
            Refusal::NoCertificate,
            Refusal::Over { found: 0, current: 1 },
            Refusal::Early { found: 1 },
            Refusal::Count(CountError::NotRead),
        ] {
            assert!(!refusal.is_usual(), "{refusal}");
        }
        let usual = Refusal::NotLeading;
        assert!(usual.is_usual());
        assert_eq!(usual.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
