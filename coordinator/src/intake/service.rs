//! What the intake answers to one request.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Reported, STEP_TIMEOUT};
use crate::identity::{Identity, Role, RunId};
use crate::progress::{Outcome, Progress, ProgressError};
use crate::report::{MAX_BODY_BYTES, REPORT_PATH, ReportError, RoundReport, decode_reports};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no {path}; POST {REPORT_PATH} and GET /healthz are served")]
    Path { path: String },
    #[error("{method} is not served here; use {expected}")]
    Method { method: Method, expected: Method },
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body did not come within {} s", STEP_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body broke off: {0}")]
    Broken(String),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("the certificate is that of {certificate}, but the report that of {report}")]
    Foreign { certificate: Identity, report: Role },
    #[error(transparent)]
    Progress(#[from] ProgressError),
    #[error("reports cannot be taken now; come again")]
    NotRead,
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Path { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge | Self::Report(ReportError::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Foreign { .. } => StatusCode::FORBIDDEN,
            Self::Progress(ProgressError::Contradiction { .. }) => StatusCode::CONFLICT,
            Self::NotRead => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) | Self::Report(_) | Self::Progress(_) => StatusCode::BAD_REQUEST,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Health { status: &'static str },
    Receipt { new: usize, repeated: usize },
    Error { error: String },
}

/// What all connections share.
pub(super) struct Service {
    pub(super) run: RunId,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) reported: mpsc::Sender<Reported>,
}

impl Service {
    pub(super) async fn answer(
        &self,
        client: Identity,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        match self.dispatch(client, request).await {
            Ok(answer) => response(StatusCode::OK, &answer),
            Err(refusal) => {
                tracing::info!(%client, %refusal, "a request was refused");
                response(
                    refusal.status(),
                    &Answer::Error {
                        error: refusal.to_string(),
                    },
                )
            }
        }
    }

    async fn dispatch(
        &self,
        client: Identity,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let expected = match request.uri().path() {
            "/healthz" => Method::GET,
            REPORT_PATH => Method::POST,
            path => {
                return Err(Refusal::Path {
                    path: path.chars().take(80).collect(),
                });
            }
        };
        if request.method() != expected {
            return Err(Refusal::Method {
                method: request.method().clone(),
                expected,
            });
        }
        if expected == Method::GET {
            return Ok(Answer::Health { status: "ok" });
        }
        let reports = decode_reports(&read(request.into_body()).await?)?;
        for report in &reports {
            let role = Role::Peer {
                index: report.peer,
                attempt: report.attempt,
            };
            if client
                != (Identity {
                    run: self.run,
                    role,
                })
            {
                return Err(Refusal::Foreign {
                    certificate: client,
                    report: role,
                });
            }
        }
        self.take(&reports).await
    }

    /// Counts reports in order. Those before one that is refused stay counted.
    async fn take(&self, reports: &[RoundReport]) -> Result<Answer, Refusal> {
        let (mut new, mut repeated) = (0, 0);
        for report in reports {
            // The place in the queue comes first: a report is never counted without being handed on, even if the client goes away.
            let place = timeout(STEP_TIMEOUT, self.reported.reserve()).await;
            let Ok(Ok(place)) = place else {
                return Err(Refusal::NotRead);
            };
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            match progress.handle_report(report)? {
                Outcome::New => {
                    let summary = progress.round_summary(report.round).copied();
                    place.send(Reported {
                        report: *report,
                        summary,
                    });
                    new += 1;
                }
                Outcome::Repeated => repeated += 1,
            }
        }
        Ok(Answer::Receipt { new, repeated })
    }
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(Refusal::TooLarge);
    }
    match timeout(STEP_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(error)) => Err(Refusal::Broken(error.to_string())),
        Err(_) => Err(Refusal::TooSlow),
    }
}

fn response(status: StatusCode, answer: &Answer) -> Response<Full<Bytes>> {
    // An answer has only texts and counts, which JSON can always say.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
