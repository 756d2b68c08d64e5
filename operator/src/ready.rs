//! `fltorrent-operator ready`: asks a running operator until it says that it is ready. The chart's test runs this in a pod: the operator's
//! image has no shell and no other program.

use std::{io, time::Duration};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{CONNECTION, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Longest time that one question may take, from the look-up of the name to the answer.
const ONE_QUESTION: Duration = Duration::from_secs(5);
/// The wait between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 1024;
/// Characters of an answer that are shown.
const SHOWN: usize = 200;

/// The endpoint to poll.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// The operator's readiness endpoint: `http://SERVICE.NAMESPACE.svc:8080/readyz`.
    #[arg(long)]
    pub url: Uri,
    /// Seconds after which it should have become ready.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

/// Why the operator is not known to be ready.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ReadyError {
    #[error(
        "{0} cannot be asked; http://SERVICE.NAMESPACE.svc:8080/readyz is expected, with the names of the operator's Service"
    )]
    Url(Uri),
    #[error("{url} did not report ready within {limit:?}; see the log of the operator. Last answer")]
    NotReady {
        url: Uri,
        limit: Duration,
        source: AskError,
    },
}

/// Why one question was not answered with yes.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum AskError {
    #[error("there was no connection")]
    Connect(#[source] io::Error),
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    #[error("no request can be made")]
    Request(#[from] hyper::http::Error),
    #[error("there was no answer in time")]
    Timeout,
    #[error("the answer was {status}: {said}")]
    Answer { status: StatusCode, said: String },
}

/// Asks until the answer is yes.
///
/// # Errors
/// When the URL cannot be asked, or it is not yes for as long as the question says.
pub async fn wait(question: &Question) -> Result<(), ReadyError> {
    wait_for(
        &question.url,
        Duration::from_secs(question.timeout),
        ONE_QUESTION,
        PAUSE,
    )
    .await
}

async fn wait_for(url: &Uri, limit: Duration, one_question: Duration, pause: Duration) -> Result<(), ReadyError> {
    let address = address(url).ok_or_else(|| ReadyError::Url(url.clone()))?;
    let end = Instant::now() + limit;
    let mut before = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let source = match timeout(one_question.min(left), ask(url, &address)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            // The last question had less time than an answer may take; what came before it tells more.
            Err(_) if left < one_question => before.unwrap_or(AskError::Timeout),
            Err(_) => AskError::Timeout,
        };
        if Instant::now() + pause >= end {
            let url = url.clone();
            return Err(ReadyError::NotReady { url, limit, source });
        }
        before = Some(source);
        sleep(pause).await;
    }
}

/// Host and port of a URL; none, unless it is of plain HTTP.
fn address(url: &Uri) -> Option<String> {
    let host = url.host().filter(|host| !host.is_empty())?;
    (url.scheme_str() == Some("http")).then(|| format!("{host}:{}", url.port_u16().unwrap_or(80)))
}

async fn ask(url: &Uri, address: &str) -> Result<(), AskError> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, address)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let stream = TcpStream::connect(address).await.map_err(AskError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok((status, Bytes::new()));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        // What is too long is told by its status alone.
        let body = body.map(http_body_util::Collected::to_bytes);
        Ok((status, body.unwrap_or_default()))
    };
    tokio::pin!(exchange);
    // The connection moves the bytes. Whatever ended it, the exchange knows.
    let answer: Result<_, hyper::Error> = tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    };
    let (status, body) = answer?;
    if status == StatusCode::OK {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().next().unwrap_or_default();
    let shown = line.chars().filter(|letter| !letter.is_control());
    let said = shown.take(SHOWN).collect();
    Err(AskError::Answer { status, said })
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        health::{self, Health},
        metrics::Metrics,
    };

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(1);

    fn url(address: SocketAddr) -> Uri {
        format!("http://{address}/readyz").parse().unwrap()
    }

    async fn listener() -> (TcpListener, Uri) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(listener.local_addr().unwrap());
        (listener, url)
    }

    fn told(result: Result<(), ReadyError>) -> String {
        format!("{:#}", anyhow::Error::new(result.unwrap_err()))
    }

    #[tokio::test]
    async fn an_operator_that_is_ready_is_believed() {
        let (listener, url) = listener().await;
        let health = Arc::new(Health::default());
        health.set_ready(true);
        let server = health::serve(listener, health, Arc::new(Metrics::new()));
        tokio::select! {
            _ = server => panic!("the server ended"),
            result = wait_for(&url, LONG, LONG, PAUSE) => result.unwrap(),
        }
    }

    #[tokio::test]
    async fn one_that_is_not_yet_is_asked_again() {
        let (listener, url) = listener().await;
        let server = async {
            for answer in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 512];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
                assert!(head.starts_with("get /readyz http/1.1\r\n"), "{head}");
                assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let ((), result) = tokio::join!(server, wait_for(&url, LONG, LONG, PAUSE));
        result.unwrap();
    }

    #[tokio::test]
    async fn what_it_said_at_last_is_told() {
        let (listener, url) = listener().await;
        let server = health::serve(listener, Arc::default(), Arc::new(Metrics::new()));
        let said = tokio::select! {
            _ = server => panic!("the server ended"),
            result = wait_for(&url, SHORT, LONG, PAUSE) => told(result),
        };
        let (begin, end) = (
            format!("{url} did not report ready within 1s"),
            "are not synchronised yet",
        );
        assert!(said.starts_with(&begin) && said.ends_with(end), "{said}");
        assert!(said.contains("503 Service Unavailable: "), "{said}");
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_a_bound_and_shown_up_to_another() {
        let letters = "a".repeat(MAX_ANSWER_BYTES);
        let longer = format!("{letters}a");
        for (body, more, expected) in [
            ("not\tyet\nwatches follow", 0, "notyet"),
            (&letters, 0, &letters[..SHOWN]),
            (&longer, 0, ""),
            (&longer, 1 << 40, ""),
        ] {
            let (listener, url) = listener().await;
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 512];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let length = body.len() + more;
                let answer = format!("HTTP/1.1 503 Busy\r\ncontent-length: {length}\r\n\r\n{body}");
                // Who has read enough closes the connection.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.read(&mut request).await;
            };
            let address = address(&url).unwrap();
            let ((), answer) = tokio::join!(server, ask(&url, &address));
            let Err(AskError::Answer { status, said }) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!((status.as_u16(), said.as_str()), (503, expected));
        }
    }

    #[tokio::test]
    async fn silence_and_closed_doors_are_told_apart() {
        let (listener, silent) = listener().await;
        let said = told(wait_for(&silent, SHORT, LONG, PAUSE).await);
        assert!(said.ends_with("there was no answer in time"), "{said}");

        drop(listener);
        let said = told(wait_for(&silent, SHORT, LONG, PAUSE).await);
        assert!(said.contains("there was no connection: "), "{said}");
    }

    #[tokio::test]
    async fn only_plain_urls_are_asked() {
        for wrong in ["https://operator:8080/readyz", "/readyz", "operator:8080"] {
            let result = wait_for(&wrong.parse().unwrap(), LONG, LONG, PAUSE).await;
            assert!(matches!(result, Err(ReadyError::Url(_))), "{wrong}");
        }
        for (right, expected) in [
            ("http://operator.home.svc:8080/readyz", "operator.home.svc:8080"),
            ("http://operator", "operator:80"),
            ("http://[::1]:8080/readyz", "[::1]:8080"),
        ] {
            assert_eq!(address(&right.parse().unwrap()).as_deref(), Some(expected));
        }
    }
}
