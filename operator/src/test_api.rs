//! An API server for what a real one does not do on demand: one that is away, slow, or that others write to meanwhile.

use std::future::Future;

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::Value;

/// A request, with its body as JSON; null where there is none.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// A client whose requests `answer` answers; none: the API server is away. Must be called within a tokio runtime.
pub(crate) fn client<F>(answer: impl Fn(Asked) -> F + Clone + Send + 'static) -> Client
where
    F: Future<Output = Option<(StatusCode, Value)>> + Send + 'static,
{
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let asked = Asked {
                method: parts.method,
                path: parts.uri.to_string(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let (status, value) = answer(asked)
                .await
                .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
            let mut response = Response::new(Body::from(value.to_string().into_bytes()));
            *response.status_mut() = status;
            Ok::<_, tower::BoxError>(response)
        }
    });
    Client::new(service, "default")
}

/// The response of an API server that refuses.
pub(crate) fn refusal(status: StatusCode, reason: &str) -> Option<(StatusCode, Value)> {
    let said = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": status.as_u16(), "reason": reason, "message": reason,
    });
    Some((status, said))
}
