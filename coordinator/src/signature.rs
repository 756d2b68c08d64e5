//! What peers sign for others to check many hops away: a message, its signature, and its origin's certificate under the run's authority.

use std::{
    collections::{HashMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use rustls_pki_types::{
    CertificateDer, TrustAnchor, UnixTime,
    pem::{self, PemObject},
};
use webpki::{EndEntityCert, KeyUsage, ring::ED25519};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    identity::{Identity, IdentityError, RunId, identity_of},
    key::SIGNATURE_CONTEXT,
};

/// Why a certificate or a signature is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum SignatureError {
    #[error("the authority's certificate is not PEM with the label `CERTIFICATE`: {0}")]
    AuthorityPem(String),
    #[error("the authority's certificate cannot be read")]
    Authority(#[source] webpki::Error),
    #[error("the certificate names no member of a run")]
    Identity(#[from] IdentityError),
    #[error("the certificate is of run {found}, but this is run {expected}")]
    OtherRun { found: RunId, expected: RunId },
    #[error("the certificate does not hold under the authority of run {run}")]
    Chain {
        run: RunId,
        #[source]
        reason: webpki::Error,
    },
    #[error("the signature is not by {0}")]
    Signature(Identity),
}

/// The certificate of a run's authority, and the checks that rest on it.
#[derive(Clone, Debug)]
pub(crate) struct TrustedAuthority {
    run: RunId,
    anchor: TrustAnchor<'static>,
}

impl TrustedAuthority {
    pub(crate) fn from_pem(run: RunId, pem: &str) -> Result<Self, SignatureError> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error: pem::Error| SignatureError::AuthorityPem(error.to_string()))?;
        let anchor = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(SignatureError::Authority)?
            .to_owned();
        Ok(Self { run, anchor })
    }

    /// The identity in a certificate that this authority signed for this use and that is valid now.
    pub(crate) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<Identity, SignatureError> {
        let identity = identity_of(certificate)?;
        if identity.run != self.run {
            return Err(SignatureError::OtherRun {
                found: identity.run,
                expected: self.run,
            });
        }
        EndEntityCert::try_from(certificate)
            .and_then(|parsed| {
                parsed
                    .verify_for_usage(
                        &[ED25519],
                        std::slice::from_ref(&self.anchor),
                        &[],
                        now,
                        usage,
                        None,
                        None,
                    )
                    .map(|_| ())
            })
            .map_err(|reason| SignatureError::Chain { run: self.run, reason })?;
        Ok(identity)
    }
}

/// Checks signed messages of one run's peers. It remembers certificates that it has verified, so that a message costs one signature check
/// and not two.
#[derive(Debug)]
pub struct SignatureVerifier {
    authority: TrustedAuthority,
    capacity: usize,
    verified: HashMap<CertificateDer<'static>, Verified>,
    oldest_first: VecDeque<CertificateDer<'static>>,
}

#[derive(Clone, Copy, Debug)]
struct Verified {
    identity: Identity,
    /// Seconds since 1970, both inclusive.
    valid: (i64, i64),
}

impl SignatureVerifier {
    /// A verifier under a run's authority that remembers up to `capacity` certificates; the number of peers is a good one.
    ///
    /// # Errors
    /// When the text is no authority's certificate.
    pub fn new(authority_pem: &str, run: RunId, capacity: usize) -> Result<Self, SignatureError> {
        Ok(Self {
            authority: TrustedAuthority::from_pem(run, authority_pem)?,
            capacity: capacity.max(1),
            verified: HashMap::new(),
            oldest_first: VecDeque::new(),
        })
    }

    /// Who signed a message: the holder of `certificate` (DER), which holds under the authority at `now`, made `signature` with
    /// [`PeerKey::sign`](crate::key::PeerKey::sign).
    ///
    /// # Errors
    /// When the certificate is not believed or the signature is not by its key over this message.
    pub fn verify(
        &mut self,
        certificate: &[u8],
        message: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<Identity, SignatureError> {
        let certificate = CertificateDer::from(certificate);
        let identity = self.identity(&certificate, now)?;
        EndEntityCert::try_from(&certificate)
            .and_then(|parsed| parsed.verify_signature(ED25519, &[SIGNATURE_CONTEXT, message].concat(), signature))
            .map_err(|_| SignatureError::Signature(identity))?;
        Ok(identity)
    }

    fn identity(&mut self, certificate: &CertificateDer<'_>, now: SystemTime) -> Result<Identity, SignatureError> {
        // A clock before 1970 makes every certificate one of the future, which is then what the error says.
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        if let Some(known) = self.verified.get(certificate)
            && i64::try_from(now.as_secs()).is_ok_and(|now| known.valid.0 <= now && now <= known.valid.1)
        {
            return Ok(known.identity);
        }
        let identity = self.authority.verify(certificate, KeyUsage::client_auth(), now)?;
        if let Ok((_, parsed)) = X509Certificate::from_der(certificate) {
            let valid = (
                parsed.validity.not_before.timestamp(),
                parsed.validity.not_after.timestamp(),
            );
            self.remember(certificate.clone().into_owned(), Verified { identity, valid });
        }
        Ok(identity)
    }

    fn remember(&mut self, certificate: CertificateDer<'static>, verified: Verified) {
        if self.verified.insert(certificate.clone(), verified).is_some() {
            return;
        }
        self.oldest_first.push_back(certificate);
        if self.oldest_first.len() > self.capacity
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.verified.remove(&oldest);
        }
    }
}
