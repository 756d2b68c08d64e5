//! Who may connect, and what happens to those who may not, over real QUIC on loopback.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use fltorrent_coordinator::{authority::Authority, key::PeerKey, tls::Credentials};
use fltorrent_crds::plan::{LinkPlan, LivenessPlan};
use fltorrent_peer::{
    buffers::Buffers,
    transport::{CLOSE_REFUSED, Event, Link, LinkEvent, Transport, socket},
};
use fltorrent_swarm::{ChunkId, Message, PieceFault, PieceHeader, message::DecodeError};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream,
    crypto::rustls::QuicClientConfig,
    rustls::{
        self, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject};
use support::{LIFETIME, Run};
use tokio::sync::{mpsc, oneshot};

const HEADER: PieceHeader = PieceHeader {
    request: 1,
    chunk: ChunkId {
        round: 0,
        origin: 0,
        index: 0,
    },
    length: 8,
};

/// Peer 2 of a path 0 – 2 – 4 among five peers, waiting to be dialled by 4.
struct Target {
    run: Run,
    address: SocketAddr,
    events: mpsc::Receiver<Event>,
    _transport: Transport,
}

fn target() -> Target {
    target_of(&Run::new(5, vec![(0, 2), (2, 4)]).liveness())
}

fn target_of(liveness: &LivenessPlan) -> Target {
    let run = Run::new(5, vec![(0, 2), (2, 4)]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Peer 0 is dialled at an address where nobody is.
    let addresses = vec![address.into(); 5];
    let (events_in, events) = mpsc::channel(64);
    let transport = Transport::start(
        socket::wrap(socket).unwrap(),
        &run.credentials(2),
        &run.plan(),
        liveness,
        &LinkPlan::default(),
        &Buffers::new(run.layout().longest()),
        &[0, 4],
        &addresses,
        &[],
        false,
        false,
        run.config(2).limits(),
        events_in,
    )
    .unwrap();
    Target {
        run,
        address,
        events,
        _transport: transport,
    }
}

impl Target {
    /// The next thing that happens on a connection; that peer 0 is not there is of no interest.
    async fn event(&mut self) -> Event {
        loop {
            match self.events.recv().await.unwrap() {
                Event::Unreachable { .. } | Event::Stranger { .. } => {}
                event => return event,
            }
        }
    }

    async fn dial(
        &self,
        authority: &Authority,
        index: u32,
        attempt: u32,
        now: SystemTime,
    ) -> Result<Connection, String> {
        let key = PeerKey::generate().unwrap();
        let certificate = authority
            .sign_peer(&key.request_pem().unwrap(), index, attempt, 0, now)
            .unwrap();
        dial(self.address, &certificate, &key).await
    }

    async fn link(&mut self) -> (Connection, Link) {
        let (connection, link, receive) = self.reading_link().await;
        drop(receive);
        (connection, link)
    }

    /// A piece's header, and where it is said whether to read the rest.
    async fn piece_header(&mut self) -> (PieceHeader, oneshot::Sender<Option<[u8; 32]>>) {
        let Event::Link {
            event: LinkEvent::PieceHeader { header, expected },
            ..
        } = self.event().await
        else {
            panic!("expected a header")
        };
        (header, expected)
    }

    /// A link and where its messages arrive.
    async fn reading_link(&mut self) -> (Connection, Link, RecvStream) {
        let connection = self.dial(&self.run.authority, 4, 0, SystemTime::now()).await.unwrap();
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&Message::Interested.encode()).await.unwrap();
        let Event::Connected(link) = self.event().await else {
            panic!("expected a connection")
        };
        let Event::Link {
            event: LinkEvent::Message(Message::Interested),
            ..
        } = self.event().await
        else {
            panic!("expected the message")
        };
        std::mem::forget(send);
        (connection, link, receive)
    }
}

/// Takes any server, so that it is the server who refuses.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Dials and waits until the other side has had a chance to refuse.
async fn dial(address: SocketAddr, certificate: &str, key: &PeerKey) -> Result<Connection, String> {
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(client(certificate, key));
    endpoint
        .connect(address, "peer")
        .unwrap()
        .await
        .map_err(|error| error.to_string())
}

fn client(certificate: &str, key: &PeerKey) -> ClientConfig {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes()).unwrap());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_client_auth_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![b"fltorrent/1".to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// The first packet of a handshake that never goes on, from an address of its own.
fn knock(target: &Target) -> std::net::UdpSocket {
    let (key, certificate) = target.run.authority.issue_coordinator(SystemTime::now()).unwrap();
    let now = Instant::now();
    let mut endpoint = quinn_proto::Endpoint::new(Arc::default(), None, false, None);
    let (_, mut connection) = endpoint
        .connect(now, client(&certificate, &key), target.address, "peer")
        .unwrap();
    let mut packet = Vec::new();
    let transmit = connection.poll_transmit(now, 1, &mut packet).unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&packet[..transmit.size], target.address).unwrap();
    socket
}

fn refusal(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code, CLOSE_REFUSED.into());
            String::from_utf8_lossy(&close.reason).into_owned()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_neighbour_that_dials_is_taken() {
    let mut target = target();
    let (_connection, link) = target.link().await;
    assert_eq!(link.peer(), 4);
}

#[tokio::test]
async fn half_open_handshakes_keep_no_neighbour_out() {
    let mut target = target();
    let sockets: Vec<_> = (0..40).map(|_| knock(&target)).collect();
    let (_connection, link) = target.link().await;
    assert_eq!(link.peer(), 4);
    drop(sockets);
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends_before_the_connection_would() {
    let liveness = LivenessPlan {
        heartbeat_timeout: Duration::from_secs(3600),
        ..Run::new(1, vec![]).liveness()
    };
    let mut target = target_of(&liveness);
    let _socket = knock(&target);
    // Neighbours that are not there are told of, too.
    loop {
        if let Event::Stranger { reason, .. } = target.events.recv().await.unwrap()
            && reason == "it did not end its handshake within 5s"
        {
            break;
        }
    }
}

#[tokio::test]
async fn a_neighbour_that_reads_late_gets_all_messages_however_many_there_are() {
    const COUNT: u32 = 20_000;
    let mut target = target();
    let (_connection, link, mut receive) = target.reading_link().await;
    let mut bytes = 0;
    for round in 0..COUNT {
        bytes += link.send(&Message::Complete { round });
    }
    link.fence();
    // Nobody has read anything until now.
    let mut left = usize::try_from(bytes).unwrap();
    while left > 0 {
        let chunk = receive.read_chunk(usize::MAX, true).await.unwrap().unwrap();
        left -= chunk.bytes.len();
    }
    let Event::Link {
        event: LinkEvent::Drained,
        ..
    } = target.event().await
    else {
        panic!("expected to hear that they were taken")
    };
}

#[tokio::test]
async fn members_who_are_no_neighbours_are_told_so() {
    let target = target();
    let now = SystemTime::now();
    for (index, attempt, expected) in [
        (1, 0, "peer 1 is not a neighbour of peer 2"),
        (0, 0, "peer 0 has to wait to be dialled"),
        (4, 3, "it belongs to attempt 3 of the run, this peer to attempt 0"),
    ] {
        let connection = target.dial(&target.run.authority, index, attempt, now).await.unwrap();
        assert_eq!(refusal(&connection.closed().await), expected);
    }
    let (key, certificate) = target.run.authority.issue_coordinator(now).unwrap();
    let connection = dial(target.address, &certificate, &key).await.unwrap();
    assert_eq!(refusal(&connection.closed().await), "its certificate is not a peer's");
}

#[tokio::test]
async fn strangers_do_not_get_through_the_handshake() {
    let target = target();
    let now = SystemTime::now();
    let foreign = Authority::generate(target.run.id, LIFETIME, now).unwrap();
    let other_run = Run::new(5, vec![]).authority;
    let long_ago = now - 10 * LIFETIME;
    let expired = Authority::generate(target.run.id, LIFETIME, long_ago).unwrap();
    for (authority, when) in [(&foreign, now), (&other_run, now), (&expired, long_ago)] {
        let error = match target.dial(authority, 4, 0, when).await {
            // The client may be through before the server has looked at its certificate.
            Ok(connection) => connection.closed().await.to_string(),
            Err(error) => error,
        };
        assert!(error.contains("aborted by peer"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_the_peer_is_not_believed() {
    let run = Run::new(2, vec![(0, 1)]);
    // At peer 0's address sits somebody with a certificate for peer 1.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (ignored, _ignored) = mpsc::channel(8);
    let start = |socket, credentials: &Credentials, neighbours: &[u32], events| {
        let limits = run.config(1).limits();
        Transport::start(
            socket,
            credentials,
            &run.plan(),
            &run.liveness(),
            &LinkPlan::default(),
            &Buffers::new(100),
            neighbours,
            &[address.into(), address.into()],
            &[],
            false,
            false,
            limits,
            events,
        )
        .unwrap()
    };
    let _impostor = start(socket::wrap(socket).unwrap(), &run.credentials(1), &[], ignored);
    let (events_in, mut events) = mpsc::channel(8);
    let own = socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let _transport = start(own, &run.credentials(1), &[0], events_in);
    let Event::Unreachable { peer: 0, reason } = events.recv().await.unwrap() else {
        panic!("expected a failure")
    };
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = socket::bind(address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("UDP {address} cannot be bound: is another process using that port?")
    );
}

#[tokio::test]
async fn garbage_on_the_control_stream_is_reported_once() {
    let mut target = target();
    let connection = target
        .dial(&target.run.authority, 4, 0, SystemTime::now())
        .await
        .unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0, 0, 0, 1, 99, 0, 0, 0, 1, 98]).await.unwrap();
    let Event::Connected(_link) = target.event().await else {
        panic!("expected a connection")
    };
    let Event::Link {
        event: LinkEvent::Garbage(error),
        ..
    } = target.event().await
    else {
        panic!("expected garbage")
    };
    assert_eq!(error, DecodeError::UnknownId(99));
    connection.close(0u32.into(), b"");
    let Event::Link {
        event: LinkEvent::Closed(_),
        ..
    } = target.event().await
    else {
        panic!("expected the end")
    };
}

#[tokio::test]
async fn a_piece_is_read_when_it_was_asked_for_and_compared_with_its_hash() {
    let mut target = target();
    let (connection, _link) = target.link().await;
    // The longer one is hashed on another thread.
    for length in [8, 300_000] {
        let sent = Bytes::from(vec![7; length as usize]);
        let right = *blake3::hash(&sent).as_bytes();
        let infinite = Bytes::from(vec![0xff; length as usize]);
        let signed = *blake3::hash(&infinite).as_bytes();
        for (bytes, hash, expected) in [
            (&sent, None, None),
            (&sent, Some(right), Some(Ok(sent.clone()))),
            (&sent, Some([0; 32]), Some(Err(PieceFault::Corrupt))),
            (&infinite, Some(signed), Some(Err(PieceFault::NotFinite))),
        ] {
            let header = PieceHeader { length, ..HEADER };
            let mut stream = connection.open_uni().await.unwrap();
            stream.write_all(&header.encode()).await.unwrap();
            let (seen, answer) = target.piece_header().await;
            assert_eq!(seen, header);
            answer.send(hash).unwrap();
            let Some(expected) = expected else {
                assert!(stream.stopped().await.unwrap().is_some(), "the stream is stopped");
                continue;
            };
            stream.write_all(bytes).await.unwrap();
            let Event::Link {
                event: LinkEvent::Piece { header: seen, data, .. },
                ..
            } = target.event().await
            else {
                panic!("expected a piece")
            };
            assert_eq!((seen, data), (header, expected));
        }
    }
}

#[tokio::test]
async fn a_piece_that_ends_early_fails() {
    let mut target = target();
    let (connection, _link) = target.link().await;
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&HEADER.encode()).await.unwrap();
    stream.write_all(&[7; 3]).await.unwrap();
    stream.finish().unwrap();
    target.piece_header().await.1.send(Some([0; 32])).unwrap();
    let Event::Link {
        event: LinkEvent::PieceFailed { request: 1 },
        ..
    } = target.event().await
    else {
        panic!("expected a failure")
    };
}
