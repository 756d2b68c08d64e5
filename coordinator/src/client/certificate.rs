//! A peer's question for its certificate, at a [`hub`](crate::hub).

use std::{fmt, sync::Arc, time::Duration};

use hyper::StatusCode;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{
    ATTEMPT_TIMEOUT, TargetError,
    post::{PostError, PostRequest, Target},
};
use crate::{
    hub::CERTIFICATE_PATH,
    identity::RunId,
    tls::{HTTP_ALPN, TlsError, anonymous_client_config},
};

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ApplicantError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Authority(#[from] TlsError),
}

/// Why there is no certificate, or no other answer, yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ApplyError {
    #[error("{status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("{reason}")]
    Replaced { reason: String },
    #[error("{reason}")]
    Later {
        reason: String,
        retry_after: Option<Duration>,
    },
}

/// Asks the coordinator of a run, which it knows by the run's authority.
pub struct Applicant {
    target: Target,
    tls: Arc<ClientConfig>,
}

impl Applicant {
    /// For the coordinator of `run` at `address` (`host:port`, looked up at each attempt).
    ///
    /// # Errors
    /// When the address has no port, or the text is no authority's certificate.
    pub fn new(address: &str, run: RunId, authority_pem: &str) -> Result<Self, ApplicantError> {
        Ok(Self {
            target: Target::new(address, run)?,
            tls: anonymous_client_config(authority_pem, run, &[HTTP_ALPN])?,
        })
    }

    /// Asks once, for at most [`ATTEMPT_TIMEOUT`]: the certificate (PEM) for the key of a request (PEM). What the answer holds is not
    /// looked at.
    ///
    /// # Errors
    /// When the token is refused, a later process of the peer has got a certificate, or there is no answer now.
    pub async fn ask(&self, token: &str, request_pem: &str) -> Result<String, ApplyError> {
        let request = PostRequest {
            path: CERTIFICATE_PATH,
            kind: "application/x-pem-file",
            token: Some(token),
            body: request_pem.to_owned().into(),
        };
        let posted = timeout(ATTEMPT_TIMEOUT, self.target.post(Arc::clone(&self.tls), request));
        let answer = posted.await.unwrap_or(Err(PostError::Timeout))?;
        String::from_utf8(answer.into()).map_err(|_| ApplyError::Later {
            reason: "the answer is not text".into(),
            retry_after: None,
        })
    }
}

impl From<PostError> for ApplyError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused {
                status: StatusCode::GONE,
                reason,
                ..
            } => Self::Replaced { reason },
            PostError::Refused { status, reason, .. }
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                Self::Refused {
                    status: status.as_u16(),
                    reason,
                }
            }
            other => Self::Later {
                retry_after: other.retry_after(),
                reason: other.to_string(),
            },
        }
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Applicant({})", self.target.address)
    }
}
