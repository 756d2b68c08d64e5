//! Who can talk to whom.

use std::sync::Arc;

use fltorrent_coordinator::{
    identity::{Identity, identity_of},
    tls::Credentials,
};
use rustls::{CipherSuite, ClientConfig, ProtocolVersion, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::fixture::{OTHER_RUN, RUN, authority, coordinator, coordinator_at, expired_authority, peer, peer_at};

const ALPN: &[&[u8]] = &[b"test"];

/// A handshake and a byte in both directions; each side's view of the other, or its error.
async fn shake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    dialled: &str,
) -> (Result<Identity, String>, Result<Identity, String>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(dialled.to_owned()).unwrap();
    let server = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"s").await?;
        stream.read_u8().await?;
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), Some(ALPN[0]));
        Ok::<_, std::io::Error>(identity_of(&session.peer_certificates().unwrap()[0]).unwrap())
    };
    let client = async {
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        stream.write_all(b"c").await?;
        stream.read_u8().await?;
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(
            session.negotiated_cipher_suite().unwrap().suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
        );
        Ok::<_, std::io::Error>(identity_of(&session.peer_certificates().unwrap()[0]).unwrap())
    };
    let (server, client) = tokio::join!(server, client);
    (
        server.map_err(|error| error.to_string()),
        client.map_err(|error| error.to_string()),
    )
}

async fn between(server: &Credentials, client: &Credentials) -> (Result<Identity, String>, Result<Identity, String>) {
    let dialled = server.identity().server_name();
    shake(
        server.server_config(ALPN).unwrap(),
        client.client_config(ALPN).unwrap(),
        &dialled,
    )
    .await
}

fn assert_refused(side: Result<Identity, String>, reason: &str) {
    let error = side.unwrap_err();
    assert!(error.contains(reason), "{error} has not {reason}");
}

#[tokio::test]
async fn members_of_a_run_know_each_other() {
    let authority = authority(RUN);
    let (three, four, coordinator) = (peer(&authority, 3), peer(&authority, 4), coordinator(&authority));
    for (server, client) in [
        (&three, &four),
        (&four, &three),
        (&coordinator, &three),
        (&three, &coordinator),
    ] {
        let seen = between(server, client).await;
        assert_eq!(seen, (Ok(client.identity()), Ok(server.identity())));
    }
}

#[tokio::test]
async fn a_foreign_authority_is_refused_by_both_sides() {
    let (ours, foreign) = (authority(RUN), authority(RUN));
    // A client with two minds shows the foreign certificate but believes ours, and so gets as far as the server's check.
    let (server, client) = between(&coordinator(&ours), &peer(&foreign, 3)).await;
    assert_refused(client, "invalid peer certificate");
    server.unwrap_err();
    let foreign_client = with_trust_in(&ours, &foreign);
    let name = Identity::coordinator(RUN).server_name();
    let (server, client) = shake(coordinator(&ours).server_config(ALPN).unwrap(), foreign_client, &name).await;
    assert_refused(server, "invalid peer certificate");
    client.unwrap_err();
}

/// Peer 3 as `signed_by` knows it, which believes another authority.
fn with_trust_in(
    believed: &fltorrent_coordinator::authority::Authority,
    signed_by: &fltorrent_coordinator::authority::Authority,
) -> Arc<ClientConfig> {
    let key = fltorrent_coordinator::key::PeerKey::generate().unwrap();
    let certificate = signed_by
        .sign_peer(&key.request_pem().unwrap(), 3, 0, 0, std::time::SystemTime::now())
        .unwrap();
    Credentials::new(believed.certificate_pem(), &certificate, key)
        .unwrap()
        .client_config(ALPN)
        .unwrap()
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_both_sides() {
    let (authority, then) = expired_authority(RUN);
    let (server, client) = between(&coordinator_at(&authority, then), &peer_at(&authority, 3, then)).await;
    assert_refused(client, "Expired");
    server.unwrap_err();
    let name = Identity::coordinator(RUN).server_name();
    let ours = crate::fixture::authority(RUN);
    let key = fltorrent_coordinator::key::PeerKey::generate().unwrap();
    let old = authority.sign_peer(&key.request_pem().unwrap(), 3, 0, 0, then).unwrap();
    let client = Credentials::new(ours.certificate_pem(), &old, key)
        .unwrap()
        .client_config(ALPN)
        .unwrap();
    let server = {
        let (key, certificate) = ours.issue_coordinator(std::time::SystemTime::now()).unwrap();
        // This server believes the old authority, so that only the client's time is wrong.
        Credentials::new(authority.certificate_pem(), &certificate, key)
            .unwrap()
            .server_config(ALPN)
            .unwrap()
    };
    let (server, client) = shake(server, client, &name).await;
    assert_refused(server, "Expired");
    client.unwrap_err();
}

#[tokio::test]
async fn who_answers_must_be_who_was_dialled() {
    let authority = authority(RUN);
    let (three, four) = (peer(&authority, 3), peer(&authority, 4));
    for dialled in [
        Identity::peer(RUN, 5, 0, 0),
        Identity::coordinator(RUN),
        Identity::peer(OTHER_RUN, 3, 0, 0),
    ] {
        let configs = (three.server_config(ALPN).unwrap(), four.client_config(ALPN).unwrap());
        let (server, client) = shake(configs.0, configs.1, &dialled.server_name()).await;
        assert_refused(client, "not valid for name");
        server.unwrap_err();
    }
    let (server, client) = between(&three, &peer(&crate::fixture::authority(OTHER_RUN), 4)).await;
    assert_refused(client, "OtherRun");
    server.unwrap_err();
}

#[tokio::test]
async fn no_certificate_and_older_tls_are_refused() {
    let authority = authority(RUN);
    let server = coordinator(&authority);
    let name = Identity::coordinator(RUN).server_name();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    for (versions, reason) in [
        (&[&rustls::version::TLS13], "peer sent no certificates"),
        (&[&rustls::version::TLS12], "peer is incompatible"),
    ] {
        let mut nameless = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous))
            .with_no_client_auth();
        nameless.alpn_protocols = vec![ALPN[0].to_vec()];
        let (server, client) = shake(server.server_config(ALPN).unwrap(), Arc::new(nameless), &name).await;
        assert_refused(server, reason);
        client.unwrap_err();
    }
}

#[tokio::test]
async fn other_protocols_are_refused() {
    let authority = authority(RUN);
    let (server, client) = (coordinator(&authority), peer(&authority, 3));
    let client = client.client_config(&[b"other"]).unwrap();
    let (server, client) = shake(
        server.server_config(ALPN).unwrap(),
        client,
        &server.identity().server_name(),
    )
    .await;
    assert_refused(server, "known protocol");
    client.unwrap_err();
}

/// Takes any server, so that only the server's checks are left.
#[derive(Debug)]
struct Credulous;

impl rustls::client::danger::ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}
