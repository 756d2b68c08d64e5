//! Small answers over plain HTTP, for probes and Prometheus: one GET a connection, and few connections.
//!
//! Whoever is slow is cut off, and no address keeps others out, so that the kubelet gets its answer.

mod accept;
mod exposition;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

use crate::server::{Place, Port, places::Limits};
use accept::Form;

/// Connections at a time.
pub const MAX_CONNECTIONS: usize = 32;

/// Connections of one address at a time.
pub const MAX_OF_ONE_ADDRESS: usize = 8;

/// Longest time that a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that a connection may last, to the last byte of the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// A line of text: all is well.
    Text(&'static str),
    /// A line of text: not yet.
    NotYet(&'static str),
    /// Metrics as OpenMetrics text; who asks for Prometheus' text format, or for nothing, gets that.
    Metrics(String),
}

/// Serves what `pages` has for a path until this is dropped. `served` names the paths, for who asks for another one. A failed accept, for
/// example while file descriptors are short, is tried again.
pub async fn serve<P>(listener: TcpListener, served: &'static str, pages: P)
where
    P: Fn(&str) -> Option<Page> + Send + Sync + 'static,
{
    let port = Port::new(Limits {
        at_once: MAX_CONNECTIONS,
        of_one_address: Some(MAX_OF_ONE_ADDRESS),
    });
    let pages = Arc::new(pages);
    let (_serving, stopped) = oneshot::channel();
    let handle = move |stream, place, _watcher| connection(stream, place, served, pages.clone());
    crate::server::serve(listener, port, stopped, handle).await;
}

async fn connection<P>(stream: TcpStream, place: Place, served: &'static str, pages: Arc<P>)
where
    P: Fn(&str) -> Option<Page>,
{
    let service = service_fn(|request| {
        let response = answer(&request, served, &*pages);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Who breaks off or takes too long concerns nobody.
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
    drop(place);
}

fn answer<B>(
    request: &Request<B>,
    served: &'static str,
    pages: &impl Fn(&str) -> Option<Page>,
) -> Response<Full<Bytes>> {
    let Some(page) = pages(request.uri().path()) else {
        let text = format!("there is no such path; {served} are served\n");
        return response(StatusCode::NOT_FOUND, Form::PLAIN, text);
    };
    if request.method() != Method::GET {
        let text = "only GET is served here\n";
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, Form::PLAIN, text);
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match page {
        Page::Text(text) => response(StatusCode::OK, Form::PLAIN, text),
        Page::NotYet(text) => response(StatusCode::SERVICE_UNAVAILABLE, Form::PLAIN, text),
        Page::Metrics(metrics) => match Form::asked_for(request.headers()) {
            Form::OpenMetrics => response(StatusCode::OK, Form::OpenMetrics.kind(), metrics),
            Form::Text => {
                let text = exposition::text(&metrics);
                response(StatusCode::OK, Form::Text.kind(), text)
            }
        },
    }
}

fn response(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use hyper::header::ACCEPT;

    use super::*;

    fn ask(method: Method, path: &str, accept: Option<&str>) -> Response<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let pages = |path: &str| match path {
            "/healthz" => Some(Page::Text("ok\n")),
            "/readyz" => Some(Page::NotYet("not yet\n")),
            "/metrics" => Some(Page::Metrics("# TYPE a gauge\na 1\n# EOF\n".into())),
            _ => None,
        };
        answer(&request.body(()).unwrap(), "/healthz and /metrics", &pages)
    }

    #[test]
    fn only_get_is_answered_with_a_page() {
        assert_eq!(ask(Method::GET, "/healthz", None).status(), 200);
        assert_eq!(ask(Method::GET, "/readyz", None).status(), 503);
        for method in [Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS] {
            let response = ask(method.clone(), "/metrics", None);
            assert_eq!(response.status(), 405, "{method}");
            assert_eq!(response.headers()[ALLOW], "GET");
            assert_eq!(ask(method, "/", None).status(), 404);
        }
    }

    #[test]
    fn metrics_have_the_form_that_is_asked_for() {
        let kind = |accept| {
            let response = ask(Method::GET, "/metrics", accept);
            response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned()
        };
        assert_eq!(kind(None), "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(
            kind(Some("application/openmetrics-text; version=1.0.0")),
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
    }
}
