//! The operator's secret and its seals on pods.

use fltorrent_coordinator::{
    identity::RunId,
    secret::{RootSecret, SECRET_BYTES, SealedPod, SecretError},
};

const POD: SealedPod<'static> = SealedPod {
    namespace: "team",
    name: "mnist-3-0",
    uid: "1b0d6a52-53f0-4b46-8a51-0f6d8c1f2b77",
    experiment: "8ecb3a3e-6b1f-4f51-9d1c-3a5d2c1f7a10",
    index: 3,
    attempt: 0,
    incarnation: 0,
};

fn secret(byte: u8) -> RootSecret {
    RootSecret::from_bytes(&[byte; SECRET_BYTES]).unwrap()
}

#[test]
fn secrets_are_random_of_one_length_and_not_shown() {
    let (one, two) = (RootSecret::generate().unwrap(), RootSecret::generate().unwrap());
    assert_ne!(one.as_bytes(), two.as_bytes());
    assert_eq!(
        RootSecret::from_bytes(one.as_bytes()).unwrap().as_bytes(),
        one.as_bytes()
    );
    assert_eq!(format!("{one:?}"), "RootSecret(not shown)");
    for found in [0, 31, 33, 64] {
        let error = RootSecret::from_bytes(&vec![1; found]).unwrap_err();
        assert_eq!(error, SecretError::Length { found });
    }
}

#[test]
fn a_seal_is_of_one_pod_and_one_secret() {
    let seal = secret(1).seal(&POD);
    assert!(secret(1).is_sealed(&POD, &seal));
    assert!(!secret(2).is_sealed(&POD, &seal));
    for other in [
        SealedPod {
            namespace: "teams",
            ..POD
        },
        SealedPod {
            name: "mnist-4-0",
            ..POD
        },
        // A copy of it is another pod.
        SealedPod { uid: "a-copy", ..POD },
        SealedPod {
            experiment: "another",
            ..POD
        },
        SealedPod { index: 4, ..POD },
        SealedPod { attempt: 1, ..POD },
        SealedPod { incarnation: 1, ..POD },
        // The same letters, cut elsewhere.
        SealedPod {
            namespace: "teamm",
            name: "nist-3-0",
            ..POD
        },
    ] {
        assert!(!secret(1).is_sealed(&other, &seal), "{other:?}");
    }
    for wrong in ["", "0", &seal[1..], &seal.to_uppercase(), &format!("{seal}0")] {
        assert!(!secret(1).is_sealed(&POD, wrong), "{wrong}");
    }
}

/// A seal or a key that changes with the version would lock out pods that run.
#[test]
fn what_is_derived_is_pinned() {
    let run = RunId::of_experiment(POD.experiment);
    let authority = secret(1).authority(run).unwrap();
    // Of the certificate, the part with the serial number, which is a hash of the key, and the first date.
    let certificate = authority.certificate_pem().lines().nth(1);
    assert_eq!(
        [
            secret(1).seal(&POD),
            run.to_string(),
            certificate.unwrap_or_default().to_owned()
        ],
        [
            "7a767b4bdd7ac3cfb65cf148d2744ee04a45e05c254deb8ec6eb68fdc017a67d",
            "2cd068bceda03ad784330a30ec4c46ca",
            "MIIBezCCAS2gAwIBAgIUILC6tGoSM/RGmpCYQxVXTyjy8jcwBQYDK2VwMDkxNzA1",
        ]
    );
}
