//! One attempt to hand reports to the coordinator, on a connection of its own: between rounds none has to be kept alive.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::report::{REPORT_PATH, RoundReport};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 4096;

/// Where reports go.
pub(super) struct Target {
    pub(super) address: String,
    pub(super) host: String,
    pub(super) name: ServerName<'static>,
    pub(super) tls: TlsConnector,
}

/// Why reports were not taken.
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
    #[error("the answer is {status}: {body}")]
    Refused { status: StatusCode, body: String },
}

impl PostError {
    /// Whether the same reports would be refused again.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Encode(_) | Self::Request(_) => true,
            Self::Refused { status, .. } => matches!(
                *status,
                StatusCode::BAD_REQUEST
                    | StatusCode::FORBIDDEN
                    | StatusCode::CONFLICT
                    | StatusCode::PAYLOAD_TOO_LARGE
            ),
            Self::Connect(_) | Self::Handshake(_) | Self::Http(_) | Self::Timeout => false,
        }
    }
}

/// Sends reports and waits for the acknowledgement.
pub(super) async fn post(target: &Target, reports: &[RoundReport]) -> Result<(), PostError> {
    let request = Request::post(REPORT_PATH)
        .header(HOST, &target.host)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .body(Full::<Bytes>::from(serde_json::to_vec(reports)?))?;
    let stream = TcpStream::connect(&target.address)
        .await
        .map_err(PostError::Connect)?;
    let stream = target
        .tls
        .connect(target.name.clone(), stream)
        .await
        .map_err(PostError::Handshake)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        Ok((
            status,
            body.map(http_body_util::Collected::to_bytes)
                .unwrap_or_default(),
        ))
    };
    tokio::pin!(exchange);
    // The connection moves the bytes. It may end in the very step that brings the answer, and whatever ended it, the exchange knows.
    let answer: Result<_, hyper::Error> = tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    };
    let (status, body) = answer?;
    if status == StatusCode::OK {
        return Ok(());
    }
    Err(PostError::Refused {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
