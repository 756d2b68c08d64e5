//! One port for many runs, over real TLS on loopback.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    authority::MAX_REQUEST_BYTES,
    backoff::JitteredBackoff,
    client::{
        MAX_BACKOFF, Reporter,
        certificate::{Applicant, ApplyError},
        course::Questioner,
    },
    hub::{
        Directory, Hub, MAX_CONNECTIONS, MAX_STRANGERS, MAX_TOKEN_BYTES, Member, Rate, RunFacts, RunReported, RunSpan,
        Settings, Unproven,
    },
    identity::{Identity, RunId},
    key::PeerKey,
    secret::RootSecret,
    tls::{Credentials, HTTP_ALPN, anonymous_client_config},
};
use fltorrent_records::report::RoundReport;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::fixture::{HOUR, OTHER_RUN, RUN, report};

const FACTS: RunFacts = RunFacts {
    peers: 8,
    rounds: 4,
    min_peers: 5,
    attempt: 0,
};
pub(crate) const TOKEN: &str = "token-of-3";
const THIRD: Member = Member {
    index: 3,
    attempt: 0,
    incarnation: 0,
};
const WAIT: Duration = Duration::from_secs(7);

/// Knows a few tokens.
struct Known {
    runs: Mutex<HashMap<RunId, RunFacts>>,
    leads: AtomicBool,
    is_over: AtomicBool,
}

impl Directory for Known {
    fn facts(&self, run: RunId) -> Option<RunFacts> {
        self.runs.lock().unwrap().get(&run).copied()
    }

    async fn member(&self, run: RunId, token: &str) -> Result<Member, Unproven> {
        match token {
            TOKEN if run == RUN => Ok(THIRD),
            "token-of-the-next" => Ok(Member {
                incarnation: 1,
                ..THIRD
            }),
            TOKEN => Err(Unproven::NotOurs("its pod is of another run".into())),
            "silence" => std::future::pending().await,
            "later" => Err(Unproven::Unavailable {
                reason: "the API server is away".into(),
                retry_after: WAIT,
            }),
            _ => Err(Unproven::Unauthenticated("unknown".into())),
        }
    }

    fn span(&self, _: RunId) -> RunSpan {
        RunSpan {
            began: Some(SystemTime::now() - HOUR),
            is_over: self.is_over.load(Ordering::Relaxed),
        }
    }

    fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }
}

pub(crate) struct Operator {
    directory: Arc<Known>,
    root: RootSecret,
    pub(crate) hub: Hub,
    reported: mpsc::Receiver<RunReported>,
}

impl Operator {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let directory = Arc::new(Known {
            runs: Mutex::new([(RUN, FACTS), (OTHER_RUN, FACTS)].into()),
            leads: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
        });
        let root = RootSecret::from_bytes(&[1; 32]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, reported) = mpsc::channel(16);
        let shared = Arc::clone(&directory);
        let hub = Hub::start(listener, root.clone(), shared, settings, sender).unwrap();
        Self {
            directory,
            root,
            hub,
            reported,
        }
    }

    fn authority(&self, run: RunId) -> String {
        let authority = self.root.authority(run).unwrap();
        authority.certificate_pem().to_owned()
    }

    pub(crate) fn applicant(&self, run: RunId) -> Applicant {
        let address = self.hub.address().to_string();
        Applicant::new(&address, run, &self.authority(run)).unwrap()
    }

    fn anonymous(&self, run: RunId) -> Arc<ClientConfig> {
        anonymous_client_config(&self.authority(run), run, &[HTTP_ALPN]).unwrap()
    }

    pub(crate) fn credentials(&self, run: RunId, certificate: &str, key: PeerKey) -> Credentials {
        Credentials::new(&self.authority(run), certificate, key).unwrap()
    }

    /// The credentials of peer 3, from a certificate request.
    async fn member(&self) -> Credentials {
        let key = PeerKey::generate().unwrap();
        let (status, certificate) = self.ask(RUN, TOKEN, &key.request_pem().unwrap()).await;
        assert_eq!(status, 200, "{certificate}");
        self.credentials(RUN, &certificate, key)
    }

    async fn connect(&self, run: RunId, tls: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let name = Identity::coordinator(run).server_name();
        self.connect_by(&name, tls).await
    }

    async fn connect_by(&self, name: &str, tls: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.hub.address()).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(tls).connect(name, stream).await
    }

    async fn send(&self, run: RunId, tls: Arc<ClientConfig>, request: &[u8]) -> Answer {
        let mut stream = self.connect(run, tls).await.unwrap();
        // A server that refuses early may have closed by then.
        let _ = stream.write_all(request).await;
        Answer::read(&mut stream).await
    }

    async fn ask(&self, run: RunId, token: &str, request: &str) -> (u16, String) {
        let answer = self.asked(run, token, request).await;
        (answer.status, answer.body)
    }

    async fn asked(&self, run: RunId, token: &str, request: &str) -> Answer {
        let head = format!("authorization: Bearer {token}\r\n");
        let request = post("/v1/certificate", &head, request.as_bytes());
        self.send(run, self.anonymous(run), &request).await
    }

    async fn report(&self, client: &Credentials, report: &RoundReport) -> Answer {
        let run = client.identity().run;
        let body = serde_json::to_vec(report).unwrap();
        let tls = client.client_config(&[HTTP_ALPN]).unwrap();
        self.send(run, tls, &post("/v1/bt_complete", "", &body)).await
    }
}

struct Answer {
    status: u16,
    retry_after: Option<u64>,
    body: String,
}

impl Answer {
    async fn read(stream: &mut TlsStream<TcpStream>) -> Self {
        let mut answer = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut answer).await {}
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let wait = lines.find_map(|line| line.strip_prefix("retry-after: "));
        Self {
            status: status.map_or(0, |status| status.parse().unwrap()),
            retry_after: wait.map(|wait| wait.parse().unwrap()),
            body: body.to_owned(),
        }
    }
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: c\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn request() -> String {
    PeerKey::generate().unwrap().request_pem().unwrap()
}

#[tokio::test]
async fn a_token_brings_a_certificate_and_that_lets_report() {
    let mut operator = Operator::start().await;
    let three = operator.member().await;
    assert_eq!(three.identity(), Identity::peer(RUN, 3, 0, 0));
    three.check_own(SystemTime::now()).unwrap();
    three.check_own(SystemTime::now() + 23 * HOUR).unwrap();
    three.check_own(SystemTime::now() + 25 * HOUR).unwrap_err();

    let answer = operator.report(&three, &report(3, 0)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"new\":1,\"repeated\":0}")
    );
    let reported = operator.reported.recv().await.unwrap();
    assert_eq!((reported.run, reported.reported.report), (RUN, report(3, 0)));
    let progress = operator.hub.progress(RUN, 0).unwrap();
    assert_eq!(progress.rounds_reported(3), Some(1));
    assert!(operator.hub.progress(OTHER_RUN, 0).is_none());
    operator.hub.forget(RUN);
    assert!(operator.hub.progress(RUN, 0).is_none());
}

#[tokio::test]
async fn a_reporter_finds_its_run_by_name() {
    let mut operator = Operator::start().await;
    let three = operator.member().await;
    let tls = three.client_config(&[HTTP_ALPN]).unwrap();
    let address = operator.hub.address().to_string();
    let reporter = Reporter::start(&address, RUN, tls, JitteredBackoff::new(MAX_BACKOFF, 3)).unwrap();
    for round in 0..4 {
        reporter.report(report(3, round)).unwrap();
    }
    assert_eq!(reporter.close(HOUR).await, 0);
    for round in 0..4 {
        let reported = operator.reported.recv().await.unwrap().reported;
        assert_eq!(reported.report.round, round);
    }
}

#[tokio::test]
async fn a_reporter_shows_its_newest_certificate() {
    let mut operator = Operator::start().await;
    let address = operator.hub.address().to_string();
    let authority = operator.root.authority(RUN).unwrap();
    let key = PeerKey::generate().unwrap();
    let long_ago = SystemTime::now() - 25 * HOUR;
    let expired = authority
        .sign_peer(&key.request_pem().unwrap(), 3, 0, 0, long_ago)
        .unwrap();
    let expired = operator.credentials(RUN, &expired, key);
    let tls = |credentials: &Credentials| credentials.client_config(&[HTTP_ALPN]).unwrap();
    let reporter = Reporter::start(&address, RUN, tls(&expired), JitteredBackoff::new(MAX_BACKOFF, 3)).unwrap();
    reporter.report(report(3, 0)).unwrap();
    reporter.renew(tls(&operator.member().await));
    let reported = operator.reported.recv().await.unwrap();
    assert_eq!(reported.reported.report, report(3, 0));
    assert_eq!(reporter.close(HOUR).await, 0);
}

/// With its certificate a peer that joins later learns how far the others are, of the replica that leads.
#[tokio::test]
async fn whoever_joins_later_learns_how_far_the_run_is() {
    let operator = Operator::start().await;
    let three = operator.member().await;
    let questioner = Questioner::new(&operator.hub.address().to_string(), RUN).unwrap();
    let tls = three.client_config(&[HTTP_ALPN]).unwrap();
    let course = questioner.ask(Arc::clone(&tls)).await.unwrap();
    assert_eq!((course.rounds, course.is_over), (0, false));
    assert!(course.seconds.unwrap() >= HOUR.as_secs());
    operator.report(&three, &report(3, 1)).await;
    assert_eq!(questioner.ask(Arc::clone(&tls)).await.unwrap().rounds, 2);
    operator.directory.is_over.store(true, Ordering::Relaxed);
    assert!(questioner.ask(Arc::clone(&tls)).await.unwrap().is_over);

    let strange = questioner.ask(operator.anonymous(RUN)).await.unwrap_err();
    assert!(matches!(strange, ApplyError::Refused { status: 403, .. }), "{strange}");
    operator.directory.leads.store(false, Ordering::Relaxed);
    let later = questioner.ask(Arc::clone(&tls)).await.unwrap_err();
    assert!(
        matches!(
            later,
            ApplyError::Later {
                retry_after: Some(_),
                ..
            }
        ),
        "{later}"
    );
    operator.directory.leads.store(true, Ordering::Relaxed);
    operator.ask(RUN, "token-of-the-next", &request()).await;
    let replaced = questioner.ask(tls).await.unwrap_err();
    assert!(matches!(replaced, ApplyError::Replaced { .. }), "{replaced}");
}

#[tokio::test]
async fn each_wrong_token_is_refused_with_its_reason() {
    let operator = Operator::start().await;
    for (run, token, status, wait, message) in [
        (RUN, "foreign", 401, None, "is not valid: unknown"),
        (OTHER_RUN, TOKEN, 403, None, "its pod is of another run"),
        (RUN, "later", 503, Some(7), "the API server is away"),
    ] {
        let answer = operator.asked(run, token, &request()).await;
        assert_eq!((answer.status, answer.retry_after), (status, wait));
        assert!(answer.body.contains(message), "{}", answer.body);
    }
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    for headers in [
        String::new(),
        "authorization: Bearer \r\n".into(),
        format!("authorization: Basic {TOKEN}\r\n"),
        format!("authorization: {TOKEN}\r\n"),
        format!("authorization: Bearer {TOKEN} x\r\n"),
        format!("authorization: Bearer {long}\r\n"),
        format!("authorization: Bearer {TOKEN}\r\nauthorization: Bearer other\r\n"),
    ] {
        let bytes = post("/v1/certificate", &headers, request().as_bytes());
        let answer = operator.send(RUN, operator.anonymous(RUN), &bytes).await;
        assert_eq!(answer.status, 401, "{headers}");
        assert!(answer.body.contains("Bearer TOKEN"), "{}", answer.body);
    }
}

#[tokio::test]
async fn each_wrong_request_is_refused_with_its_reason() {
    let operator = Operator::start().await;
    let large = "x".repeat(MAX_REQUEST_BYTES + 1);
    for (body, status, message) in [
        ("", 400, "not PEM with the label"),
        ("hello", 400, "not PEM with the label"),
        (large.as_str(), 413, "more than 8192 bytes"),
    ] {
        let answer = operator.asked(RUN, TOKEN, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(message), "{}", answer.body);
    }
    let not_text = post(
        "/v1/certificate",
        &format!("authorization: Bearer {TOKEN}\r\n"),
        b"\xff\xfe",
    );
    for (request, status, message) in [
        (not_text, 400, "not text in UTF-8"),
        (b"GET /v1/certificate HTTP/1.1\r\n\r\n".to_vec(), 405, "use POST"),
        (b"POST /healthz HTTP/1.1\r\n\r\n".to_vec(), 405, "use GET"),
        (
            b"GET /metrics HTTP/1.1\r\n\r\n".to_vec(),
            404,
            "there is no /metrics; POST /v1/certificate",
        ),
        (b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), 200, "{\"status\":\"ok\"}"),
    ] {
        let answer = operator.send(RUN, operator.anonymous(RUN), &request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(message), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_name_of_no_known_run_gets_no_handshake() {
    let operator = Operator::start().await;
    let unknown = RunId::from_bytes([9; 16]);
    operator
        .connect(unknown, operator.anonymous(unknown))
        .await
        .unwrap_err();
    for name in [
        "example.org",
        &Identity::peer(RUN, 3, 0, 0).to_string(),
        &Identity::peer(RUN, 3, 0, 0).server_name(),
        "127.0.0.1",
    ] {
        operator.connect_by(name, operator.anonymous(RUN)).await.unwrap_err();
    }
    operator.connect(RUN, operator.anonymous(RUN)).await.unwrap();
    assert!(operator.hub.progress(RUN, 0).is_some());
    // It is over: from then on it is unknown, and nothing is kept of it.
    operator.directory.runs.lock().unwrap().remove(&RUN);
    operator.connect(RUN, operator.anonymous(RUN)).await.unwrap_err();
    assert!(operator.hub.progress(RUN, 0).is_none());
}

#[tokio::test]
async fn reports_without_a_certificate_or_with_a_foreign_one_count_nothing() {
    let operator = Operator::start().await;
    let body = serde_json::to_vec(&report(3, 0)).unwrap();
    let bytes = post("/v1/bt_complete", "", &body);
    let answer = operator.send(RUN, operator.anonymous(RUN), &bytes).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("/v1/certificate"), "{}", answer.body);

    let three = operator.member().await;
    assert_eq!(operator.report(&three, &report(4, 0)).await.status, 403);
    // Certificates of another run, of another secret, and of an hour ago: no answer at all.
    let long_ago = SystemTime::now() - 25 * HOUR;
    for (root, run, when) in [
        (1, OTHER_RUN, SystemTime::now()),
        (2, RUN, SystemTime::now()),
        (1, RUN, long_ago),
    ] {
        let authority = RootSecret::from_bytes(&[root; 32]).unwrap().authority(run).unwrap();
        let key = PeerKey::generate().unwrap();
        let certificate = authority.sign_peer(&key.request_pem().unwrap(), 3, 0, 0, when).unwrap();
        let client = operator.credentials(run, &certificate, key);
        let tls = Credentials::client_config(&client, &[HTTP_ALPN]).unwrap();
        let sent = match operator.connect(RUN, tls).await {
            Ok(mut stream) => {
                let _ = stream.write_all(&bytes).await;
                Answer::read(&mut stream).await.status
            }
            Err(_) => 0,
        };
        assert_eq!(sent, 0);
    }
    let progress = operator.hub.progress(RUN, 0).unwrap();
    assert_eq!(progress.rounds_reported(3), Some(0));
}

#[tokio::test]
async fn a_replica_that_does_not_lead_signs_but_takes_no_reports() {
    let operator = Operator::start().await;
    operator.directory.leads.store(false, Ordering::Relaxed);
    let three = operator.member().await;
    let answer = operator.report(&three, &report(3, 0)).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(5)));
    assert!(answer.body.contains("does not lead"), "{}", answer.body);
    operator.directory.leads.store(true, Ordering::Relaxed);
    assert_eq!(operator.report(&three, &report(3, 0)).await.status, 200);
}

/// What it says would count as its successor's.
#[tokio::test]
async fn a_process_that_was_replaced_reports_no_more() {
    let operator = Operator::start().await;
    let three = operator.member().await;
    assert_eq!(operator.report(&three, &report(3, 0)).await.status, 200);
    let key = PeerKey::generate().unwrap();
    let (status, certificate) = operator
        .ask(RUN, "token-of-the-next", &key.request_pem().unwrap())
        .await;
    assert_eq!(status, 200, "{certificate}");
    let next = operator.credentials(RUN, &certificate, key);
    let answer = operator.report(&three, &report(3, 1)).await;
    assert_eq!(answer.status, 410);
    assert!(
        answer.body.contains("incarnation 1 has a certificate"),
        "{}",
        answer.body
    );
    assert_eq!(operator.report(&next, &report(3, 1)).await.status, 200);
    // Another replica has signed for the one after that.
    let key = PeerKey::generate().unwrap();
    let authority = operator.root.authority(RUN).unwrap();
    let certificate = authority
        .sign_peer(&key.request_pem().unwrap(), 3, 0, 2, SystemTime::now())
        .unwrap();
    let last = operator.credentials(RUN, &certificate, key);
    assert_eq!(operator.report(&last, &report(3, 2)).await.status, 200);
    assert_eq!(operator.report(&next, &report(3, 3)).await.status, 410);
}

#[tokio::test]
async fn a_new_attempt_begins_anew() {
    let operator = Operator::start().await;
    let three = operator.member().await;
    assert_eq!(operator.report(&three, &report(3, 0)).await.status, 200);
    let set = |attempt| {
        let facts = RunFacts { attempt, ..FACTS };
        operator.directory.runs.lock().unwrap().insert(RUN, facts)
    };
    set(1);
    // What the last attempt had reached is no progress of the next one, before anybody of it has come here.
    assert!(operator.hub.progress(RUN, 1).is_none());
    let answer = operator.report(&three, &report(3, 1)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("attempt 0"), "{}", answer.body);
    let progress = operator.hub.progress(RUN, 1).unwrap();
    assert_eq!(progress.rounds_reported(3), Some(0));

    let authority = operator.root.authority(RUN).unwrap();
    let key = PeerKey::generate().unwrap();
    let certificate = authority
        .sign_peer(&key.request_pem().unwrap(), 3, 2, 0, SystemTime::now())
        .unwrap();
    let second = operator.credentials(RUN, &certificate, key);
    let early = RoundReport {
        attempt: 2,
        ..report(3, 0)
    };
    assert_eq!(operator.report(&second, &early).await.status, 503);
    set(2);
    assert_eq!(operator.report(&second, &early).await.status, 200);
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let settings = Settings {
        asking: Rate { burst: 2, every: HOUR },
        ..Settings::default()
    };
    let operator = Operator::with(settings).await;
    assert_eq!(operator.ask(RUN, "foreign", &request()).await.0, 401);
    assert_eq!(operator.ask(RUN, TOKEN, &request()).await.0, 200);
    let answer = operator.asked(RUN, TOKEN, &request()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.retry_after.is_some_and(|wait| wait > 3500));
}

#[tokio::test]
async fn lifetimes_are_those_of_the_settings() {
    let settings = Settings {
        certificate_lifetime: Duration::from_secs(60),
        ..Settings::default()
    };
    let operator = Operator::with(settings).await;
    let before = SystemTime::now();
    let three = operator.member().await;
    three.check_own(SystemTime::now()).unwrap();
    let later = SystemTime::now() + Duration::from_secs(61);
    three.check_own(later).unwrap_err();
    assert!(before + Duration::from_secs(59) <= three.not_after() && three.not_after() < later);
}

#[tokio::test]
async fn a_directory_without_a_word_keeps_nobody_for_ever() {
    let operator = Operator::start().await;
    let body = request();
    let head = format!(
        "POST /v1/certificate HTTP/1.1\r\nauthorization: Bearer silence\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut stream = operator.connect(RUN, operator.anonymous(RUN)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    // From here on, time passes whenever everybody waits.
    tokio::time::pause();
    let answer = Answer::read(&mut stream).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(5)));
}

#[tokio::test]
async fn strangers_before_the_handshake_do_not_stay() {
    let operator = Operator::start().await;
    let mut silent = TcpStream::connect(operator.hub.address()).await.unwrap();
    let mut babbling = TcpStream::connect(operator.hub.address()).await.unwrap();
    babbling.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut alert = Vec::new();
    let _ = babbling.read_to_end(&mut alert).await;
    tokio::time::pause();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
    tokio::time::resume();
    operator.hub.stop(HOUR).await;
}

/// A connection from an address of its own that says nothing.
pub(crate) async fn silent(from: u8, to: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// True if the other end has not closed.
pub(crate) fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn silent_strangers_keep_nobody_out() {
    let operator = Operator::start().await;
    let address = operator.hub.address();
    let mut strangers = Vec::new();
    for from in 2..6 {
        for _ in 0..MAX_STRANGERS {
            strangers.push(silent(from, address).await);
        }
    }
    // One more of an address that has its share is told so at once.
    let mut one_more = silent(2, address).await;
    assert!(!matches!(one_more.read(&mut [0; 1]).await, Ok(1..)));
    // All places are taken; who comes gets one all the same, and few have to go.
    assert_eq!(strangers.len(), MAX_CONNECTIONS);
    let three = operator.member().await;
    assert_eq!(operator.report(&three, &report(3, 0)).await.status, 200);
    let left = strangers.iter().filter(|stream| is_open(stream)).count();
    assert!(left >= MAX_CONNECTIONS - 8, "{left}");
}

#[tokio::test]
async fn a_peer_that_reports_too_often_waits_and_others_do_not() {
    let settings = Settings {
        reporting: Rate { burst: 2, every: HOUR },
        ..Settings::default()
    };
    let operator = Operator::with(settings).await;
    let three = operator.member().await;
    for round in 0..2 {
        assert_eq!(operator.report(&three, &report(3, round)).await.status, 200);
    }
    let answer = operator.report(&three, &report(3, 2)).await;
    assert_eq!(answer.status, 429);
    assert!(answer.retry_after.is_some_and(|wait| wait > 3500));
    let authority = operator.root.authority(RUN).unwrap();
    let key = PeerKey::generate().unwrap();
    let certificate = authority
        .sign_peer(&key.request_pem().unwrap(), 4, 0, 0, SystemTime::now())
        .unwrap();
    let four = operator.credentials(RUN, &certificate, key);
    assert_eq!(operator.report(&four, &report(4, 0)).await.status, 200);
}
