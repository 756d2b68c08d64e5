//! What the intake answers to one request.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fltorrent_records::{
    progress::Progress,
    report::{MAX_BODY_BYTES, MAX_PAUSE_BYTES, PAUSE_PATH, PauseReport, REPORT_PATH, decode_reports},
};
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use tokio::sync::mpsc;

use super::Reported;
use crate::{
    identity::{Identity, RunId},
    server::{
        exchange::{self, HEALTH_PATH, RequestError, expect, healthy, json, refused},
        reports::{CountError, check_owner, count},
    },
};

/// The routes, for messages.
const SERVED: &str = "POST /v1/bt_complete, POST /v1/pause and GET /healthz";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Count(#[from] CountError),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::Count(error) => error.status(),
        }
    }
}

/// State shared by all connections.
pub(super) struct Service {
    pub(super) run: RunId,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) reported: mpsc::Sender<Reported>,
}

impl Service {
    pub(super) async fn answer(&self, client: Identity, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.dispatch(client, request).await.unwrap_or_else(|refusal| {
            tracing::info!(%client, %refusal, "a request was refused");
            refused(refusal.status(), &refusal, None)
        })
    }

    async fn dispatch(&self, client: Identity, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
        match request.uri().path() {
            HEALTH_PATH => {
                expect(&request, Method::GET)?;
                Ok(healthy())
            }
            REPORT_PATH => {
                expect(&request, Method::POST)?;
                let body = exchange::read(request.into_body(), MAX_BODY_BYTES).await?;
                let reports = decode_reports(&body).map_err(CountError::from)?;
                check_owner(self.run, client, &reports)?;
                let receipt = count(&reports, &self.progress, &self.reported, |new| new).await?;
                Ok(json(StatusCode::OK, &receipt))
            }
            PAUSE_PATH => {
                expect(&request, Method::POST)?;
                let body = exchange::read(request.into_body(), MAX_PAUSE_BYTES).await?;
                // Whoever has started the peers reads it in their files.
                PauseReport::decode(&body).map_err(CountError::from)?;
                Ok(healthy())
            }
            path => Err(RequestError::no_path(path, SERVED).into()),
        }
    }
}
