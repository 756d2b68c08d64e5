//! Mutual TLS 1.3 under a run's authority, for HTTPS here and for QUIC between peers.
//!
//! Both sides must show a certificate that the authority signed for this run and that is valid now. A client also refuses a server that
//! is not the one it dialled (see [`Identity::server_name`]); a server takes any member of the run, and then has to look at
//! [`identity_of`] for who it is. Sessions are not resumed, since resumption would outlive a certificate.

mod verifier;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ClientConfig, ConfigBuilder, ServerConfig,
    client::{Resumption, WantsClientCert},
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite},
    },
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    identity::{Identity, IdentityError, RunId, identity_of},
    key::PeerKey,
    signature::{SignatureError, TrustedAuthority},
};
use verifier::RunVerifier;

/// The application protocol (ALPN) of reports to the coordinator.
pub const HTTP_ALPN: &[u8] = b"http/1.1";

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TlsError {
    #[error("the certificate is not PEM with the label `CERTIFICATE`")]
    CertificatePem(#[source] rustls_pki_types::pem::Error),
    #[error("the certificate names no member of a run")]
    Identity(#[from] IdentityError),
    #[error("the authority's certificate is refused")]
    Authority(#[from] SignatureError),
    #[error("the certificate and the private key cannot be used together")]
    Key(#[source] rustls::Error),
}

/// Why others would not believe the own certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum OwnError {
    #[error("this machine's certificate has expired; create new keys, or check this machine's clock (date -u)")]
    Expired,
    #[error(
        "this machine's certificate is not valid yet; compare its clock (date -u) with that of the machine that created the keys"
    )]
    NotYetValid,
    #[error(
        "this machine's certificate was not signed by the authority beside it; copy the whole folder of one `fltorrent keys init`"
    )]
    Foreign(#[source] SignatureError),
    #[error(transparent)]
    Key(#[from] TlsError),
}

impl From<SignatureError> for OwnError {
    fn from(error: SignatureError) -> Self {
        match &error {
            SignatureError::Chain { reason, .. } => match reason {
                webpki::Error::CertExpired { .. } => Self::Expired,
                webpki::Error::CertNotValidYet { .. } => Self::NotYetValid,
                _ => Self::Foreign(error),
            },
            _ => Self::Foreign(error),
        }
    }
}

/// Certificate and key of a member of a run, with the authority that it trusts.
#[derive(Debug)]
pub struct Credentials {
    identity: Identity,
    certificate: CertificateDer<'static>,
    key: PeerKey,
    verifier: Arc<RunVerifier>,
}

impl Credentials {
    /// A key, the certificate for it, and the certificate of the authority that signed it. The run is the one that the certificate names.
    ///
    /// # Errors
    /// When a certificate cannot be read or names no identity.
    pub fn new(authority_pem: &str, certificate_pem: &str, key: PeerKey) -> Result<Self, TlsError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(TlsError::CertificatePem)?;
        let identity = identity_of(&certificate)?;
        let authority = TrustedAuthority::from_pem(identity.run, authority_pem)?;
        Ok(Self {
            identity,
            certificate,
            key,
            verifier: Arc::new(RunVerifier::new(authority)),
        })
    }

    /// Checks that the own certificate is what others will believe at `now`.
    ///
    /// # Errors
    /// When it is not the authority's, or out of its time.
    pub fn check_own(&self, now: SystemTime) -> Result<(), OwnError> {
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.verifier.check(&self.certificate, now)?;
        // What is checked here is that key and certificate belong together.
        self.server_config(&[])?;
        Ok(())
    }

    /// The end of the certificate's validity.
    pub fn not_after(&self) -> SystemTime {
        let seconds =
            X509Certificate::from_der(&self.certificate).map_or(0, |(_, parsed)| parsed.validity.not_after.timestamp());
        UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// The identity that the certificate names.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The own certificate, to send along with what [`key`](Self::key) signed.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The own key.
    pub const fn key(&self) -> &PeerKey {
        &self.key
    }

    /// A server that takes only members of this run, with these application protocols, the preferred one first.
    ///
    /// # Errors
    /// When certificate and key do not belong together.
    pub fn server_config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        self.serving(Arc::clone(&self.verifier), alpn)
    }

    /// As [`server_config`](Self::server_config), but clients may come without a certificate too: they have none before they have asked
    /// for it.
    ///
    /// # Errors
    /// When certificate and key do not belong together.
    pub fn open_server_config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        self.serving(Arc::new(self.verifier.opened()), alpn)
    }

    fn serving(&self, verifier: Arc<RunVerifier>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Key)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.key.private_key_der())
            .map_err(TlsError::Key)?;
        config.alpn_protocols = owned(alpn);
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// A client that takes only the member of this run that it dials by [`Identity::server_name`], with these application protocols, the
    /// preferred one first.
    ///
    /// # Errors
    /// When certificate and key do not belong together.
    pub fn client_config(&self, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
        let mut config = believing(&self.verifier)?
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.private_key_der())
            .map_err(TlsError::Key)?;
        config.alpn_protocols = owned(alpn);
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// A client that has no certificate yet and takes only the member of the run that it dials by [`Identity::server_name`].
///
/// # Errors
/// When the text is no authority's certificate.
pub fn anonymous_client_config(authority_pem: &str, run: RunId, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let authority = TrustedAuthority::from_pem(run, authority_pem)?;
    let mut config = believing(&Arc::new(RunVerifier::new(authority)))?.with_no_client_auth();
    config.alpn_protocols = owned(alpn);
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn believing(verifier: &Arc<RunVerifier>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Key)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as _))
}

/// *ring*, with AES-128-GCM first: the fastest suite where AES is in hardware, and the one that QUIC's first packets need anyway.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
}

fn owned(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}
