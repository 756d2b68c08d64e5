//! One request and its answer: what is looked at first, how a body is read, and the form of answers.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;
use tokio::time::timeout;

use super::STEP_TIMEOUT;

pub(crate) const HEALTH_PATH: &str = "/healthz";

/// Why a request is refused before its content is looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("there is no {path}; {served} are served")]
    Path { path: String, served: &'static str },
    #[error("{method} is not served here; use {expected}")]
    Method { method: Method, expected: Method },
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come within {} s", STEP_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body broke off: {0}")]
    Broken(String),
}

impl RequestError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Path { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn no_path(path: &str, served: &'static str) -> Self {
        Self::Path {
            path: path.chars().take(80).collect(),
            served,
        }
    }
}

/// Refuses another method than the one that a path has.
pub(crate) fn expect(request: &Request<Incoming>, expected: Method) -> Result<(), RequestError> {
    if request.method() == expected {
        return Ok(());
    }
    Err(RequestError::Method {
        method: request.method().clone(),
        expected,
    })
}

/// A body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize) -> Result<Bytes, RequestError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(RequestError::TooLarge { limit });
    }
    match timeout(STEP_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge { limit }),
        Ok(Err(error)) => Err(RequestError::Broken(error.to_string())),
        Err(_) => Err(RequestError::TooSlow),
    }
}

/// The answer to [`HEALTH_PATH`].
pub(crate) fn healthy() -> Response<Full<Bytes>> {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
    }
    json(StatusCode::OK, &Health { status: "ok" })
}

/// The answer to a refused request.
pub(crate) fn refused(
    status: StatusCode,
    why: &impl std::error::Error,
    retry_after: Option<Duration>,
) -> Response<Full<Bytes>> {
    #[derive(Serialize)]
    struct Refused {
        error: String,
    }
    let error = why.to_string();
    let mut response = json(status, &Refused { error });
    if let Some(wait) = retry_after {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

pub(crate) fn json(status: StatusCode, answer: &impl Serialize) -> Response<Full<Bytes>> {
    // An answer has only texts and counts, which JSON can always say.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    typed(status, "application/json", body)
}

/// An answer of a content type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
