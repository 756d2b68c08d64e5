//! A peer's question how far its run is, at a [`hub`](crate::hub).

use std::{fmt, sync::Arc};

use fltorrent_records::report::{COURSE_PATH, Course};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{
    ATTEMPT_TIMEOUT, TargetError,
    certificate::ApplyError,
    post::{PostError, PostRequest, Target},
};
use crate::identity::RunId;

/// Asks the coordinator of a run.
pub struct Questioner(Target);

impl Questioner {
    /// For the coordinator of `run` at `address` (`host:port`, looked up at each attempt).
    ///
    /// # Errors
    /// When the address has no port.
    pub fn new(address: &str, run: RunId) -> Result<Self, TargetError> {
        Target::new(address, run).map(Self)
    }

    /// Asks once, for at most [`ATTEMPT_TIMEOUT`], with the peer's certificate.
    ///
    /// # Errors
    /// When the certificate is refused, a later process of the peer has got one, or there is no answer now.
    pub async fn ask(&self, tls: Arc<ClientConfig>) -> Result<Course, ApplyError> {
        let request = PostRequest {
            path: COURSE_PATH,
            kind: "application/json",
            token: None,
            body: Vec::new().into(),
        };
        let posted = timeout(ATTEMPT_TIMEOUT, self.0.post(tls, request));
        let answer = posted.await.unwrap_or(Err(PostError::Timeout))?;
        serde_json::from_slice(&answer).map_err(|error| ApplyError::Later {
            reason: format!("the answer does not say how far the run is: {error}"),
            retry_after: None,
        })
    }
}

impl fmt::Debug for Questioner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Questioner({})", self.0.address)
    }
}
