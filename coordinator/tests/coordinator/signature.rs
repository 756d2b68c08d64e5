//! Signed messages, checked away from any connection.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    authority::Authority,
    identity::Identity,
    signature::{SignatureError, SignatureVerifier},
    tls::Credentials,
};
use proptest::prelude::*;
use rcgen::{KeyPair, SigningKey};

use crate::fixture::{HOUR, OTHER_RUN, RUN, authority, coordinator, expired_authority, peer, peer_at};

const MESSAGE: &[u8] = b"chunk hashes of peer 3";

fn verifier(authority: &Authority) -> SignatureVerifier {
    SignatureVerifier::new(authority.certificate_pem(), authority.run(), 2).unwrap()
}

fn check(verifier: &mut SignatureVerifier, origin: &Credentials, now: SystemTime) -> Result<Identity, SignatureError> {
    verifier.verify(origin.certificate(), MESSAGE, &origin.key().sign(MESSAGE).unwrap(), now)
}

fn reason(error: SignatureError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[test]
fn a_message_is_its_signers_and_nobody_elses() {
    let authority = authority(RUN);
    let mut verifier = verifier(&authority);
    let now = SystemTime::now();
    let (three, four) = (peer(&authority, 3), peer(&authority, 4));
    // The second round finds the certificates remembered.
    for _ in 0..2 {
        assert_eq!(check(&mut verifier, &three, now), Ok(Identity::peer(RUN, 3, 0, 0)));
        assert_eq!(check(&mut verifier, &four, now), Ok(Identity::peer(RUN, 4, 0, 0)));
        let signature = three.key().sign(MESSAGE).unwrap();
        let wrong = Err(SignatureError::Signature(Identity::peer(RUN, 3, 0, 0)));
        assert_eq!(verifier.verify(three.certificate(), b"other", &signature, now), wrong);
        assert_eq!(
            verifier.verify(three.certificate(), MESSAGE, &signature[..63], now),
            wrong
        );
        assert_eq!(verifier.verify(three.certificate(), MESSAGE, &[], now), wrong);
        assert_eq!(
            verifier.verify(three.certificate(), MESSAGE, &four.key().sign(MESSAGE).unwrap(), now),
            wrong
        );
        // What TLS signs with the same key is no signed message.
        let bare = KeyPair::from_pem(&three.key().to_pem()).unwrap().sign(MESSAGE).unwrap();
        assert_eq!(verifier.verify(three.certificate(), MESSAGE, &bare, now), wrong);
    }
}

#[test]
fn more_certificates_than_are_remembered_still_hold() {
    let authority = authority(RUN);
    let mut verifier = verifier(&authority);
    let peers: Vec<_> = (0..5).map(|index| peer(&authority, index)).collect();
    for origin in peers.iter().chain(peers.iter().rev()) {
        assert_eq!(check(&mut verifier, origin, SystemTime::now()), Ok(origin.identity()));
    }
    assert_eq!(
        check(&mut verifier, &coordinator(&authority), SystemTime::now()),
        Ok(Identity::coordinator(RUN))
    );
}

#[test]
fn foreign_certificates_are_refused() {
    let mut verifier = verifier(&authority(RUN));
    let now = SystemTime::now();
    let foreign = check(&mut verifier, &peer(&authority(RUN), 3), now).unwrap_err();
    assert!(matches!(foreign, SignatureError::Chain { .. }), "{foreign:?}");
    let other_run = check(&mut verifier, &peer(&authority(OTHER_RUN), 3), now);
    assert_eq!(
        other_run,
        Err(SignatureError::OtherRun {
            found: OTHER_RUN,
            expected: RUN
        })
    );
    assert!(matches!(
        verifier.verify(b"", MESSAGE, b"", now),
        Err(SignatureError::Identity(_))
    ));
}

#[test]
fn a_certificate_holds_only_in_its_time_even_when_it_is_remembered() {
    let start = SystemTime::now() - 2 * HOUR;
    let (authority, _) = expired_authority(RUN);
    let origin = peer_at(&authority, 3, start);
    let mut verifier = verifier(&authority);
    let early = check(&mut verifier, &origin, start - Duration::from_secs(310)).unwrap_err();
    assert!(reason(early).contains("NotValidYet"));
    let before_1970 = SystemTime::UNIX_EPOCH - HOUR;
    assert!(reason(check(&mut verifier, &origin, before_1970).unwrap_err()).contains("NotValidYet"));
    for _ in 0..2 {
        assert_eq!(check(&mut verifier, &origin, start), Ok(origin.identity()));
        assert_eq!(
            check(&mut verifier, &origin, start - Duration::from_secs(290)),
            Ok(origin.identity())
        );
        let late = check(&mut verifier, &origin, start + HOUR + Duration::from_secs(1)).unwrap_err();
        assert!(reason(late).contains("Expired"));
    }
}

#[test]
fn only_an_authority_can_be_trusted() {
    for wrong in [
        "",
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(SignatureVerifier::new(wrong, RUN, 1).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_changed_certificate_is_believed(at: prop::sample::Index, flip in 1..=255_u8, garbage: Vec<u8>) {
        let authority = authority(RUN);
        let origin = peer(&authority, 3);
        let mut certificate = origin.certificate().to_vec();
        let at = at.index(certificate.len());
        certificate[at] ^= flip;
        let signature = origin.key().sign(MESSAGE).unwrap();
        let now = SystemTime::now();
        prop_assert!(verifier(&authority).verify(&certificate, MESSAGE, &signature, now).is_err());
        prop_assert!(verifier(&authority).verify(&garbage, MESSAGE, &garbage, now).is_err());
    }
}
