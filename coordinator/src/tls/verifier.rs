//! One rule for both directions of a handshake: the other side is a member of this run.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{KeyUsage, ring::ED25519};

use crate::signature::{SignatureError, TrustedAuthority};

const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[ED25519],
    mapping: &[(SignatureScheme::ED25519, &[ED25519])],
};

/// Verifies certificates of a run's members, of servers also that they are whom the client dialled.
#[derive(Debug)]
pub(super) struct RunVerifier {
    authority: TrustedAuthority,
    /// True if a server takes clients without a certificate; one that is shown has to hold.
    is_open: bool,
}

impl RunVerifier {
    pub(super) const fn new(authority: TrustedAuthority) -> Self {
        Self {
            authority,
            is_open: false,
        }
    }

    /// The same one for a server that takes clients without a certificate too.
    pub(super) fn opened(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            is_open: true,
        }
    }

    /// Whether others take a certificate as a peer's.
    pub(super) fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), SignatureError> {
        self.authority
            .verify(certificate, KeyUsage::client_auth(), now)
            .map(|_| ())
    }
}

/// How signatures of a handshake are checked, which both of rustls' traits ask.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(PeerIncompatible::Tls12NotOffered.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &ALGORITHMS)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            ALGORITHMS.supported_schemes()
        }
    };
}

impl ServerCertVerifier for RunVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let identity = self
            .authority
            .verify(end_entity, KeyUsage::server_auth(), now)
            .map_err(refusal)?;
        let found = identity.server_name();
        if server_name.to_str() != found {
            let expected = server_name.to_owned();
            return Err(CertificateError::NotValidForNameContext {
                expected,
                presented: vec![found],
            }
            .into());
        }
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for RunVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.is_open
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.authority
            .verify(end_entity, KeyUsage::client_auth(), now)
            .map_err(refusal)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}

/// The reason in the words of rustls, which choose the alert that the other side sees.
fn refusal(error: SignatureError) -> Error {
    match &error {
        SignatureError::Chain {
            reason: webpki::Error::CertExpired { .. },
            ..
        } => CertificateError::Expired,
        SignatureError::Chain {
            reason: webpki::Error::CertNotValidYet { .. },
            ..
        } => CertificateError::NotValidYet,
        SignatureError::Chain {
            reason: webpki::Error::UnknownIssuer,
            ..
        } => CertificateError::UnknownIssuer,
        SignatureError::Chain {
            reason: webpki::Error::InvalidSignatureForPublicKey,
            ..
        } => CertificateError::BadSignature,
        _ => CertificateError::Other(OtherError(Arc::new(error))),
    }
    .into()
}
