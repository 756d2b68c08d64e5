//! The authority of one run: it alone says which key is which peer's. Its own key is never written anywhere.
//!
//! A launcher makes a new one for each run. The operator derives those of all its runs from one secret
//! ([`RootSecret::authority`](crate::secret::RootSecret::authority)), so that a replica or a restarted operator has the same one.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType,
};
use rustls_pki_types::{
    CertificateSigningRequestDer, PrivatePkcs8KeyDer,
    pem::{self, PemObject},
};

use crate::{
    identity::{Identity, Role, RunId},
    key::{KeyError, PeerKey},
};

/// Validity starts this much before the signing, for machines whose clocks disagree.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The longest life of an authority: runs are short, and dates stay within what certificates can say.
pub const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Time that a certificate of a derived authority is valid, unless [`Authority::signing_for`] says otherwise.
pub const DEFAULT_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Seconds from 1970 to the end of year 9999, by which X.509 says that something has no end of its own (RFC 5280, 4.1.2.5).
const NO_END: Duration = Duration::from_secs(253_402_300_799);

/// PKCS#8 header of the 32 bytes of an Ed25519 seed (RFC 8410, 7).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The largest certificate request that is read, in bytes of PEM.
pub const MAX_REQUEST_BYTES: usize = 8192;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum AuthorityError {
    #[error("an authority cannot live for {} s; from 1 to {} s are possible", .0.as_secs(), MAX_LIFETIME.as_secs())]
    Lifetime(Duration),
    #[error("a certificate cannot live for {} s; from 1 to {} s are possible", .0.as_secs(), MAX_LIFETIME.as_secs())]
    CertificateLifetime(Duration),
    #[error("no key could be made")]
    Key(#[from] KeyError),
    #[error("the certificate request has {found} bytes; at most {MAX_REQUEST_BYTES} are read")]
    RequestTooLarge { found: usize },
    #[error("the certificate request is not PEM with the label `CERTIFICATE REQUEST`")]
    RequestPem(#[source] pem::Error),
    #[error("the certificate request is refused")]
    Request(#[source] rcgen::Error),
    #[error("the certificate request shows a key that is not Ed25519; make it with `PeerKey`")]
    RequestKey,
    #[error("the authority of run {0} has expired; start a new run")]
    Expired(RunId),
    #[error("the certificate could not be signed")]
    Sign(#[source] rcgen::Error),
}

/// Signs the certificates of one run.
pub struct Authority {
    run: RunId,
    not_after: SystemTime,
    /// Time that what it signs is valid; none: as long as itself.
    signs_for: Option<Duration>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a new key, valid until `now + lifetime`. What it signs ends with it.
    ///
    /// # Errors
    /// When the lifetime is zero or longer than [`MAX_LIFETIME`], or no key can be made.
    pub fn generate(run: RunId, lifetime: Duration, now: SystemTime) -> Result<Self, AuthorityError> {
        let not_after = possible(lifetime)
            .and_then(|lifetime| now.checked_add(lifetime))
            .ok_or(AuthorityError::Lifetime(lifetime))?;
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(KeyError::Generate)?;
        Self::with_key(run, key, now - CLOCK_TOLERANCE, not_after, None)
    }

    /// The authority with the key of this Ed25519 seed. It has no end of its own, its certificate is always the same, byte for byte, and
    /// what it signs is valid for [`DEFAULT_CERTIFICATE_LIFETIME`].
    pub(crate) fn from_seed(run: RunId, seed: &[u8; 32]) -> Result<Self, AuthorityError> {
        let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_ED25519[..], seed].concat());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519).map_err(KeyError::Parse)?;
        let (start, end) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + NO_END);
        Self::with_key(run, key, start, end, Some(DEFAULT_CERTIFICATE_LIFETIME))
    }

    fn with_key(
        run: RunId,
        key: KeyPair,
        not_before: SystemTime,
        not_after: SystemTime,
        signs_for: Option<Duration>,
    ) -> Result<Self, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(format!("FLTorrent run {run}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let certificate_pem = params.self_signed(&key).map_err(AuthorityError::Sign)?.pem();
        Ok(Self {
            run,
            not_after,
            signs_for,
            certificate_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// The same authority, signing for so long from now on; what it signs still ends with it.
    ///
    /// # Errors
    /// When the lifetime is zero or longer than [`MAX_LIFETIME`].
    pub fn signing_for(self, lifetime: Duration) -> Result<Self, AuthorityError> {
        let signs_for = Some(possible(lifetime).ok_or(AuthorityError::CertificateLifetime(lifetime))?);
        Ok(Self { signs_for, ..self })
    }

    /// The run whose peers it signs.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The authority's certificate, which every peer needs.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate (PEM) of a process of a peer, for the key in a request. Nothing but the key is taken from the request.
    ///
    /// # Errors
    /// When the request is too large, is not PEM, cannot be decoded, is not signed by its own key, or the key is not Ed25519; when the
    /// authority has expired.
    pub fn sign_peer(
        &self,
        request_pem: &str,
        index: u32,
        attempt: u32,
        incarnation: u32,
        now: SystemTime,
    ) -> Result<String, AuthorityError> {
        if request_pem.len() > MAX_REQUEST_BYTES {
            return Err(AuthorityError::RequestTooLarge {
                found: request_pem.len(),
            });
        }
        let request =
            CertificateSigningRequestDer::from_pem_slice(request_pem.as_bytes()).map_err(AuthorityError::RequestPem)?;
        let key = CertificateSigningRequestParams::from_der(&request)
            .map_err(AuthorityError::Request)?
            .public_key;
        if PublicKeyData::algorithm(&key) != &PKCS_ED25519 {
            return Err(AuthorityError::RequestKey);
        }
        self.sign(&key, Identity::peer(self.run, index, attempt, incarnation), now)
    }

    /// A key and certificate (PEM) for the run's coordinator.
    ///
    /// # Errors
    /// When no key can be made or the authority has expired.
    pub fn issue_coordinator(&self, now: SystemTime) -> Result<(PeerKey, String), AuthorityError> {
        let key = PeerKey::generate()?;
        let certificate = self.sign(key.pair(), Identity::coordinator(self.run), now)?;
        Ok((key, certificate))
    }

    fn sign(&self, key: &impl PublicKeyData, identity: Identity, now: SystemTime) -> Result<String, AuthorityError> {
        if now >= self.not_after {
            return Err(AuthorityError::Expired(self.run));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(match identity.role {
            Role::Peer { index, attempt, .. } => format!("FLTorrent peer {index} attempt {attempt}"),
            Role::Coordinator => "FLTorrent coordinator".into(),
        });
        let name = identity.to_string().try_into().map_err(AuthorityError::Sign)?;
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - CLOCK_TOLERANCE).into();
        let end = self.signs_for.map(|lifetime| now + lifetime);
        params.not_after = end.unwrap_or(self.not_after).min(self.not_after).into();
        Ok(params.signed_by(key, &self.issuer).map_err(AuthorityError::Sign)?.pem())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Authority({}, key not shown)", self.run)
    }
}

/// A lifetime that certificates can have.
fn possible(lifetime: Duration) -> Option<Duration> {
    (1..=MAX_LIFETIME.as_secs())
        .contains(&lifetime.as_secs())
        .then_some(lifetime)
}

fn common_name(name: String) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
