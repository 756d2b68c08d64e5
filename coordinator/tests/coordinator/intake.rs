//! Requests of all kinds, over real TLS on loopback.

use std::time::Duration;

use fltorrent_coordinator::{
    authority::Authority,
    intake::{Intake, Reported},
    tls::{Credentials, HTTP_ALPN},
};
use fltorrent_records::{
    progress::Progress,
    report::{MAX_BODY_BYTES, RoundReport},
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::fixture::{RUN, authority, coordinator, expired_authority, peer, peer_at, report};

const PEERS: u32 = 8;
const ROUNDS: u32 = 4;

struct Run {
    authority: Authority,
    intake: Intake,
    reported: mpsc::Receiver<Reported>,
}

impl Run {
    async fn start(queue: usize) -> Self {
        let authority = authority(RUN);
        let tls = coordinator(&authority).server_config(&[HTTP_ALPN]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, reported) = mpsc::channel(queue);
        let intake = Intake::start(listener, tls, RUN, Progress::new(PEERS, ROUNDS), sender).unwrap();
        Self {
            authority,
            intake,
            reported,
        }
    }

    async fn connect(&self, client: &Credentials) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(coordinator(&self.authority).identity().server_name()).unwrap();
        let stream = TcpStream::connect(self.intake.address()).await?;
        TlsConnector::from(client.client_config(&[HTTP_ALPN]).unwrap())
            .connect(name, stream)
            .await
    }

    /// Sends bytes and reads until the server closes; the status and the body.
    async fn send(&self, client: &Credentials, request: &[u8]) -> (u16, String) {
        let mut stream = self.connect(client).await.unwrap();
        stream.write_all(request).await.unwrap();
        answer(&mut stream).await
    }

    /// Sends the head of a post of `body` and waits until the server asks for the body, which it does inside the request.
    async fn inside_post(&self, client: &Credentials, body: &[u8]) -> TlsStream<TcpStream> {
        let mut stream = self.connect(client).await.unwrap();
        let head = format!(
            "POST /v1/bt_complete HTTP/1.1\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    async fn report(&self, client: &Credentials, report: &RoundReport) -> (u16, String) {
        self.send(client, &post(&serde_json::to_vec(report).unwrap())).await
    }
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> (u16, String) {
    let mut answer = Vec::new();
    // A server that refuses a body half-way may reset the connection after its answer.
    while let Ok(1..) = stream.read_buf(&mut answer).await {}
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    (status, body.to_owned())
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/bt_complete HTTP/1.1\r\nhost: c\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn accepted(new: usize, repeated: usize) -> (u16, String) {
    (200, format!("{{\"new\":{new},\"repeated\":{repeated}}}"))
}

#[tokio::test]
async fn a_report_counts_once() {
    let mut run = Run::start(16).await;
    let three = peer(&run.authority, 3);
    assert_eq!(run.report(&three, &report(3, 0)).await, accepted(1, 0));
    assert_eq!(run.report(&three, &report(3, 0)).await, accepted(0, 1));
    let list = serde_json::to_vec(&[report(3, 0), report(3, 1), report(3, 2)]).unwrap();
    assert_eq!(run.send(&three, &post(&list)).await, accepted(2, 1));
    for round in 0..3 {
        assert_eq!(
            run.reported.recv().await,
            Some(Reported {
                report: report(3, round),
                summary: None
            })
        );
    }
    assert_eq!(run.intake.progress().rounds_reported(3), Some(3));
    run.reported.try_recv().unwrap_err();
}

#[tokio::test]
async fn the_last_report_of_a_round_brings_its_summary() {
    let mut run = Run::start(16).await;
    for index in 0..PEERS {
        assert_eq!(
            run.report(&peer(&run.authority, index), &report(index, 2)).await,
            accepted(1, 0)
        );
        let summary = run.reported.recv().await.unwrap().summary;
        assert_eq!(summary.is_some(), index + 1 == PEERS);
        assert_eq!(summary.as_ref(), run.intake.progress().round_summary(2));
    }
}

#[tokio::test]
async fn nobody_reports_for_another() {
    let run = Run::start(16).await;
    let three = peer(&run.authority, 3);
    let (status, body) = run.report(&three, &report(4, 0)).await;
    assert_eq!(status, 403);
    assert!(body.contains("the certificate is that of peer-3.attempt-0."), "{body}");
    assert!(body.contains("but the report that of peer 4, attempt 0"), "{body}");
    let later = RoundReport {
        attempt: 1,
        ..report(3, 0)
    };
    assert_eq!(run.report(&three, &later).await.0, 403);
    assert_eq!(run.report(&coordinator(&run.authority), &report(0, 0)).await.0, 403);
    let list = serde_json::to_vec(&[report(3, 0), report(4, 0)]).unwrap();
    assert_eq!(run.send(&three, &post(&list)).await.0, 403);
    assert_eq!(run.intake.progress().rounds_reported(3), Some(0));
}

#[tokio::test]
async fn foreign_and_expired_certificates_get_nothing() {
    let run = Run::start(16).await;
    let (expired, then) = expired_authority(RUN);
    for (stranger, when) in [(authority(RUN), std::time::SystemTime::now()), (expired, then)] {
        let key = fltorrent_coordinator::key::PeerKey::generate().unwrap();
        let certificate = stranger.sign_peer(&key.request_pem().unwrap(), 3, 0, 0, when).unwrap();
        let client = Credentials::new(run.authority.certificate_pem(), &certificate, key).unwrap();
        let mut stream = run.connect(&client).await.unwrap();
        let _ = stream
            .write_all(&post(&serde_json::to_vec(&report(3, 0)).unwrap()))
            .await;
        assert_eq!(answer(&mut stream).await, (0, String::new()));
        run.connect(&peer_at(&stranger, 3, when)).await.unwrap_err();
    }
    assert_eq!(run.intake.progress().rounds_reported(3), Some(0));
    assert_eq!(
        run.report(&peer(&run.authority, 3), &report(3, 0)).await,
        accepted(1, 0)
    );
}

#[tokio::test]
async fn wrong_requests_are_answered_with_what_is_wrong() {
    let run = Run::start(16).await;
    let three = peer(&run.authority, 3);
    let good = serde_json::to_vec(&report(3, 0)).unwrap();
    let contradiction = RoundReport {
        bytes_sent: 1,
        ..report(3, 0)
    };
    let chunked = format!(
        "POST /v1/bt_complete HTTP/1.1\r\nhost: c\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        MAX_BODY_BYTES + 1,
        " ".repeat(MAX_BODY_BYTES + 1)
    );
    run.report(&three, &report(3, 0)).await;
    for (request, status, message) in [
        (post(b"{"), 400, "EOF while parsing"),
        (post(b"\xff\xfe"), 400, "expected value"),
        (post(b""), 400, "EOF while parsing"),
        (post(&good[..good.len() - 1]), 400, "EOF while parsing"),
        (
            post(&serde_json::to_vec(&report(3, ROUNDS)).unwrap()),
            400,
            "round: found 4; the run has 4 rounds",
        ),
        (
            post(&serde_json::to_vec(&contradiction).unwrap()),
            409,
            "with other figures",
        ),
        (post(&vec![b' '; MAX_BODY_BYTES + 1]), 413, "more than 65536 bytes"),
        (
            b"POST /v1/bt_complete HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n".to_vec(),
            413,
            "more than 65536 bytes",
        ),
        (chunked.into_bytes(), 413, "more than 65536 bytes"),
        (
            b"GET /v1/bt_complete HTTP/1.1\r\n\r\n".to_vec(),
            405,
            "GET is not served here; use POST",
        ),
        (b"DELETE /healthz HTTP/1.1\r\n\r\n".to_vec(), 405, "use GET"),
        (b"GET /metrics HTTP/1.1\r\n\r\n".to_vec(), 404, "there is no /metrics"),
    ] {
        let (found, body) = run.send(&three, &request).await;
        assert_eq!(found, status, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(
            body["error"].as_str().unwrap().contains(message),
            "{body} has not {message}"
        );
    }
    assert_eq!(run.send(&three, b"\0\0\0\0\r\n\r\n").await.0, 400);
    let long_head = [
        b"GET /healthz HTTP/1.1\r\nlong: ".to_vec(),
        vec![b'x'; 1 << 16],
        b"\r\n\r\n".to_vec(),
    ]
    .concat();
    assert_eq!(run.send(&three, &long_head).await.0, 431);
    assert_eq!(
        run.send(&three, b"GET /healthz HTTP/1.1\r\n\r\n").await,
        (200, "{\"status\":\"ok\"}".into())
    );
    assert_eq!(run.intake.progress().rounds_reported(3), Some(1));
}

#[tokio::test]
async fn a_request_that_breaks_off_counts_nothing() {
    let run = Run::start(16).await;
    let three = peer(&run.authority, 3);
    let request = post(&serde_json::to_vec(&report(3, 0)).unwrap());
    for length in [0, 1, 30, request.len() - 1] {
        let mut stream = run.connect(&three).await.unwrap();
        stream.write_all(&request[..length]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_ne!(answer(&mut stream).await.0, 200);
    }
    assert_eq!(run.intake.progress().rounds_reported(3), Some(0));
}

#[tokio::test]
async fn slow_clients_do_not_stay() {
    let run = Run::start(16).await;
    let three = peer(&run.authority, 3);
    let body = serde_json::to_vec(&report(3, 0)).unwrap();
    let mut no_handshake = TcpStream::connect(run.intake.address()).await.unwrap();
    let mut half_head = run.connect(&three).await.unwrap();
    half_head.write_all(&post(&body)[..30]).await.unwrap();
    let mut half_body = run.inside_post(&three, &body).await;
    half_body.write_all(&body[..body.len() - 1]).await.unwrap();
    // From here on, time passes whenever everybody waits.
    tokio::time::pause();
    assert_eq!(answer(&mut half_body).await.0, 408);
    assert_ne!(answer(&mut half_head).await.0, 200);
    assert_eq!(no_handshake.read(&mut [0; 16]).await.unwrap(), 0);
    assert_eq!(run.intake.progress().rounds_reported(3), Some(0));
}

#[tokio::test]
async fn a_report_that_nobody_reads_is_not_acknowledged_and_not_lost() {
    let mut run = Run::start(1).await;
    let three = peer(&run.authority, 3);
    assert_eq!(run.report(&three, &report(3, 0)).await, accepted(1, 0));
    let body = serde_json::to_vec(&report(3, 1)).unwrap();
    let mut stream = run.inside_post(&three, &body).await;
    stream.write_all(&body).await.unwrap();
    tokio::time::pause();
    assert_eq!(answer(&mut stream).await.0, 503);
    tokio::time::resume();
    assert_eq!(run.intake.progress().rounds_reported(3), Some(1));
    assert_eq!(run.reported.recv().await.unwrap().report, report(3, 0));
    assert_eq!(run.report(&three, &report(3, 1)).await, accepted(1, 0));
    assert_eq!(run.reported.recv().await.unwrap().report, report(3, 1));
    run.reported.close();
    assert_eq!(run.report(&three, &report(3, 2)).await.0, 503);
    assert_eq!(run.intake.progress().rounds_reported(3), Some(2));
}

#[tokio::test]
async fn stopping_lets_a_request_end_and_takes_no_other() {
    let run = Run::start(16).await;
    let body = serde_json::to_vec(&report(3, 0)).unwrap();
    let mut stream = run.inside_post(&peer(&run.authority, 3), &body).await;
    let address = run.intake.address();
    let Run {
        intake,
        authority: _,
        reported: _reported,
    } = run;
    let (progress, answered) = tokio::join!(intake.stop(Duration::from_secs(60)), async {
        stream.write_all(&body).await.unwrap();
        answer(&mut stream).await
    });
    assert_eq!(answered, accepted(1, 0));
    assert_eq!(progress.rounds_reported(3), Some(1));
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn stopping_cuts_off_who_does_not_end() {
    let run = Run::start(16).await;
    let mut stream = run.inside_post(&peer(&run.authority, 3), b"{}").await;
    run.intake.stop(Duration::ZERO).await;
    assert_eq!(answer(&mut stream).await.0, 0);
}
