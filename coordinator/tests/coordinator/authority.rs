//! What the authority signs, and what it refuses.

use std::time::{Duration, SystemTime};

use fltorrent_coordinator::{
    authority::{Authority, AuthorityError, MAX_LIFETIME, MAX_REQUEST_BYTES},
    identity::{Identity, IdentityError, RunId, identity_of},
    key::PeerKey,
    secret::RootSecret,
    tls::{Credentials, HTTP_ALPN, OwnError, TlsError},
};
use proptest::prelude::*;
use rcgen::{CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::fixture::{HOUR, OTHER_RUN, RUN, authority};

/// Made with `openssl req -new -newkey rsa:2048 -nodes -subj /`; its private key was thrown away.
const RSA_REQUEST: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIICRTCCAS0CAQAwADCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAM65
T7YTAXCIsyVxg2r/SVmRJvqcNJv4Oru9zvkleJ4T6bTvh510xPbL9s4jNQnaG6aJ
6v+l1pAbtoo27QP/QGYp/rHBj3QR3cswsyXkVQ7M97EUELd3ce2SffbG5EZdnBXM
7zsMQk71JWDGZu8YBa1CLUf/VxqRYQ/5c23/lQWGFUaf9W+qqwUUnd2i5y1YfE1H
Av2TDmBTEhAcKtyD68l0av8qYf9fIF3cDBtkHmb7A8i+b8W2Gzege46cG7fCpasn
umbxC/TSCUIHFZ7X1CxOSsCFPQCPSOnK2+HOo3VTDZB0KgkyIyqA+9MkqJoKu5YP
NAkX9uxxzRVmma1xPnECAwEAAaAAMA0GCSqGSIb3DQEBCwUAA4IBAQBM8O6xt6SJ
AAT9WoGwU6SJo9Kq2rijEmZ0bLPZXLvw6ewAGjytGWyFqeSdKIvGR28ih2ELhTwT
QndVFdqX2uQVBGS7d1znRWtMudOy50ix2hAuyLr+2+KP31jGht9iw+aQmax3Isgn
dusnGuMlSs3WAgM8q3GasdN9hssqBqFTGTdM3V2FPGX52W7nqTw/01d6tnpdwqdD
YQFYY8nk+8QbcGw34KJbufZWfUFs52NhnqfC76HBASZf4nkH+ENL1BglgULejxUY
ytU0sYVcjXxX2mgHPRzitzpqp6jxcvvP0iQyZxgu8QReMR3WOZ4VfI9tlud2dIF/
gUXk9UpP2PnJ
-----END CERTIFICATE REQUEST-----
";

fn sign(authority: &Authority, request: &str) -> Result<String, AuthorityError> {
    authority.sign_peer(request, 3, 1, 0, SystemTime::now())
}

/// The request as DER, changed, and as PEM again.
fn with_der(request: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes())
        .unwrap()
        .to_vec();
    change(&mut der);
    pem(&der)
}

fn pem(der: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE REQUEST-----\n");
    for group in der.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = digits[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text + "\n-----END CERTIFICATE REQUEST-----\n"
}

#[test]
fn only_the_key_is_taken_from_a_request() {
    let authority = authority(RUN);
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new([Identity::coordinator(RUN).to_string()]).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let request = params.serialize_request(&pair).unwrap().pem().unwrap();

    let certificate = CertificateDer::from_pem_slice(sign(&authority, &request).unwrap().as_bytes()).unwrap();
    assert_eq!(identity_of(&certificate), Ok(Identity::peer(RUN, 3, 1, 0)));
    let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
    assert_eq!(parsed.public_key().subject_public_key.as_ref(), pair.public_key_raw());
    assert!(!parsed.is_ca());
    let usage = parsed.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let extended = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
}

#[test]
fn validity_is_that_of_the_authority_with_some_tolerance_before() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let authority = Authority::generate(RUN, HOUR, start).unwrap();
    let request = PeerKey::generate().unwrap().request_pem().unwrap();
    let certificate = authority.sign_peer(&request, 0, 0, 0, start + HOUR / 2).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let validity = X509Certificate::from_der(&certificate).unwrap().1.validity.clone();
    assert_eq!(validity.not_before.timestamp(), 2_000_000_000 + 1800 - 300);
    assert_eq!(validity.not_after.timestamp(), 2_000_000_000 + 3600);
    let late = authority.sign_peer(&request, 0, 0, 0, start + HOUR);
    assert!(matches!(late, Err(AuthorityError::Expired(RUN))));
}

#[test]
fn lifetimes_are_bounded() {
    for lifetime in [
        Duration::ZERO,
        Duration::from_millis(999),
        MAX_LIFETIME + Duration::from_secs(1),
        Duration::MAX,
    ] {
        let made = Authority::generate(RUN, lifetime, SystemTime::now());
        assert!(matches!(made, Err(AuthorityError::Lifetime(found)) if found == lifetime));
    }
}

#[test]
fn requests_with_a_foreign_signature_or_kind_of_key_are_refused() {
    let authority = authority(RUN);
    let good = PeerKey::generate().unwrap().request_pem().unwrap();
    sign(&authority, &with_der(&good, |_| {})).unwrap();

    let forged = with_der(&good, |der| *der.last_mut().unwrap() ^= 1);
    assert!(matches!(
        sign(&authority, &forged),
        Err(AuthorityError::Request(
            rcgen::Error::InvalidCertificationRequestSignature
        ))
    ));
    // The key of one request under the signature of another.
    let other = PeerKey::generate().unwrap().request_pem().unwrap();
    let other = CertificateSigningRequestDer::from_pem_slice(other.as_bytes()).unwrap();
    let mixed = with_der(&good, |der| {
        let signature = der.len() - 64;
        der[signature..].copy_from_slice(&other[other.len() - 64..]);
    });
    assert!(matches!(sign(&authority, &mixed), Err(AuthorityError::Request(_))));

    assert!(matches!(sign(&authority, RSA_REQUEST), Err(AuthorityError::RequestKey)));
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ecdsa = CertificateParams::default()
        .serialize_request(&ecdsa)
        .unwrap()
        .pem()
        .unwrap();
    assert!(matches!(sign(&authority, &ecdsa), Err(AuthorityError::RequestKey)));
}

#[test]
fn garbage_is_refused() {
    let authority = authority(RUN);
    let good = PeerKey::generate().unwrap().request_pem().unwrap();
    for wrong in ["", "hello", authority.certificate_pem(), &good[..good.len() / 2]] {
        assert!(
            matches!(sign(&authority, wrong), Err(AuthorityError::RequestPem(_))),
            "{wrong}"
        );
    }
    let large = good + &" ".repeat(MAX_REQUEST_BYTES);
    assert!(matches!(sign(&authority, &large), Err(AuthorityError::RequestTooLarge { found }) if found == large.len()));
}

#[test]
fn credentials_must_belong_together() {
    let authority = authority(RUN);
    let key = PeerKey::generate().unwrap();
    let certificate = sign(&authority, &key.request_pem().unwrap()).unwrap();
    let of = |authority: &str, certificate: &str, key| Credentials::new(authority, certificate, key);

    let good = of(authority.certificate_pem(), &certificate, key).unwrap();
    assert_eq!(good.identity(), Identity::peer(RUN, 3, 1, 0));
    assert_eq!(identity_of(good.certificate()), Ok(good.identity()));

    let foreign_key = of(authority.certificate_pem(), &certificate, PeerKey::generate().unwrap()).unwrap();
    assert!(matches!(foreign_key.server_config(&[HTTP_ALPN]), Err(TlsError::Key(_))));
    assert!(matches!(foreign_key.client_config(&[HTTP_ALPN]), Err(TlsError::Key(_))));

    let no_certificate = of(authority.certificate_pem(), "", PeerKey::generate().unwrap());
    assert!(matches!(no_certificate, Err(TlsError::CertificatePem(_))));
    let nobody = of(
        authority.certificate_pem(),
        authority.certificate_pem(),
        PeerKey::generate().unwrap(),
    );
    assert!(matches!(
        nobody,
        Err(TlsError::Identity(IdentityError::NameCount { found: 0 }))
    ));
    let no_authority = of("", &certificate, PeerKey::generate().unwrap());
    assert!(matches!(no_authority, Err(TlsError::Authority(_))));
}

#[test]
fn run_ids_are_random() {
    assert_ne!(RunId::random().unwrap(), RunId::random().unwrap());
}

proptest! {
    #[test]
    fn no_changed_request_is_signed_for_another_key(at: prop::sample::Index, to: u8) {
        let authority = authority(RUN);
        let key = PeerKey::generate().unwrap();
        let good = key.request_pem().unwrap();
        let changed = with_der(&good, |der| { let at = at.index(der.len()); der[at] = to; });
        if let Ok(certificate) = sign(&authority, &changed) {
            let credentials = Credentials::new(authority.certificate_pem(), &certificate, key).unwrap();
            prop_assert!(credentials.server_config(&[]).is_ok());
        }
    }

    #[test]
    fn no_request_panics(bytes: Vec<u8>, text in ".*") {
        let authority = authority(RUN);
        prop_assert!(sign(&authority, &pem(&bytes)).is_err());
        prop_assert!(sign(&authority, &text).is_err());
    }
}

fn root(byte: u8) -> RootSecret {
    RootSecret::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn a_derived_authority_is_the_same_at_every_replica() {
    let (one, two) = (root(1).authority(RUN).unwrap(), root(1).authority(RUN).unwrap());
    assert_eq!(one.certificate_pem(), two.certificate_pem());
    let key = PeerKey::generate().unwrap();
    let certificate = sign(&one, &key.request_pem().unwrap()).unwrap();
    let credentials = Credentials::new(two.certificate_pem(), &certificate, key).unwrap();
    credentials.check_own(SystemTime::now()).unwrap();
    assert_eq!(credentials.identity(), Identity::peer(RUN, 3, 1, 0));
}

#[test]
fn authorities_of_other_runs_and_other_secrets_are_others() {
    let authority = root(1).authority(RUN).unwrap();
    for other in [root(1).authority(OTHER_RUN), root(2).authority(RUN)] {
        let other = other.unwrap();
        assert_ne!(authority.certificate_pem(), other.certificate_pem());
        let key = PeerKey::generate().unwrap();
        let certificate = sign(&other, &key.request_pem().unwrap()).unwrap();
        let credentials = Credentials::new(authority.certificate_pem(), &certificate, key).unwrap();
        assert!(matches!(
            credentials.check_own(SystemTime::now()),
            Err(OwnError::Foreign(_))
        ));
    }
}

#[test]
fn a_derived_authority_signs_for_a_day_unless_told_otherwise() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let end = |authority: &Authority| {
        let request = PeerKey::generate().unwrap().request_pem().unwrap();
        let certificate = authority.sign_peer(&request, 0, 0, 0, now).unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let parsed = X509Certificate::from_der(&certificate).unwrap().1;
        parsed.validity.not_after.timestamp() - 2_000_000_000
    };
    let authority = root(1).authority(RUN).unwrap();
    assert_eq!(end(&authority), 24 * 3600);
    let authority = authority.signing_for(Duration::from_secs(60)).unwrap();
    assert_eq!(end(&authority), 60);
    // What is signed never outlives the authority.
    let short = Authority::generate(RUN, HOUR, now).unwrap();
    let short = short.signing_for(2 * HOUR).unwrap();
    assert_eq!(end(&short), 3600);
    for lifetime in [Duration::ZERO, Duration::MAX] {
        let refused = authority_for(lifetime);
        assert!(matches!(refused, Err(AuthorityError::CertificateLifetime(found)) if found == lifetime));
    }
}

fn authority_for(lifetime: Duration) -> Result<Authority, AuthorityError> {
    root(1).authority(RUN).unwrap().signing_for(lifetime)
}

#[test]
fn runs_of_experiments_differ() {
    assert_eq!(RunId::of_experiment("a"), RunId::of_experiment("a"));
    assert_ne!(RunId::of_experiment("a"), RunId::of_experiment("b"));
}
