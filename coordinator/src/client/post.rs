//! One attempt to hand something to the coordinator, on a connection of its own: between rounds none has to be kept alive.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER},
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::TargetError;
use crate::identity::{Identity, RunId};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 8192;

/// The coordinator of a run.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: String,
    host: String,
    name: ServerName<'static>,
}

pub(super) struct PostRequest<'a> {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) token: Option<&'a str>,
    pub(super) body: Bytes,
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS session: {0}")]
    Handshake(io::Error),
    #[error("the reports cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("no request can be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is {status}: {reason}")]
    Refused {
        status: StatusCode,
        reason: String,
        retry_after: Option<Duration>,
    },
}

impl PostError {
    /// True if the same request would be refused again.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Encode(_) | Self::Request(_) => true,
            Self::Refused { status, .. } => matches!(
                *status,
                StatusCode::BAD_REQUEST
                    | StatusCode::FORBIDDEN
                    | StatusCode::CONFLICT
                    | StatusCode::GONE
                    | StatusCode::PAYLOAD_TOO_LARGE
            ),
            Self::Connect(_) | Self::Handshake(_) | Self::Http(_) | Self::Timeout => false,
        }
    }

    /// The pause that the coordinator asks for.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Target {
    /// The coordinator of `run` at `address` (`host:port`, looked up at each attempt).
    pub(super) fn new(address: &str, run: RunId) -> Result<Self, TargetError> {
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(TargetError::Address(address.chars().take(80).collect()));
        }
        let host = Identity::coordinator(run).server_name();
        let name = ServerName::try_from(host.clone()).map_err(TargetError::Name)?;
        Ok(Self {
            address: address.to_owned(),
            host,
            name,
        })
    }

    /// Sends a request and waits for what comes back.
    pub(super) async fn post(&self, tls: Arc<ClientConfig>, request: PostRequest<'_>) -> Result<Bytes, PostError> {
        let mut builder = Request::post(request.path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, request.kind)
            .header(CONNECTION, "close");
        if let Some(token) = request.token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = builder.body(Full::new(request.body))?;
        let stream = TcpStream::connect(&self.address).await.map_err(PostError::Connect)?;
        let stream = TlsConnector::from(tls)
            .connect(self.name.clone(), stream)
            .await
            .map_err(PostError::Handshake)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let (status, wait) = (response.status(), retry_after(response.headers()));
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes);
            Ok((status, wait, body.unwrap_or_default()))
        };
        tokio::pin!(exchange);
        // The connection moves the bytes. It may end in the very step that brings the answer, and whatever ended it, the exchange knows.
        let answer: Result<_, hyper::Error> = tokio::select! {
            answer = &mut exchange => answer,
            _ = connection => exchange.await,
        };
        let (status, retry_after, body) = answer?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        Err(PostError::Refused {
            status,
            reason: reason(&body),
            retry_after,
        })
    }
}

/// The seconds that a server asks to wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The coordinator's own words, or what else came.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    serde_json::from_slice(body).map_or_else(
        |_| String::from_utf8_lossy(body).chars().take(200).collect(),
        |Refused { error }| error,
    )
}
