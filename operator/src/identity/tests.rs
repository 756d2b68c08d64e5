use kube::ResourceExt;
use serde_json::{Value, from_value, json};

use super::*;
use crate::names;

fn review(change: impl Fn(&mut Value)) -> TokenReviewStatus {
    let mut status = json!({
        "authenticated": true,
        "audiences": ["fltorrent.io"],
        "user": {
            "username": "system:serviceaccount:team:default",
            "extra": {POD_NAME: ["x-3-1"], POD_UID: ["pod-uid"]},
        },
    });
    change(&mut status);
    from_value(status).unwrap()
}

#[test]
fn a_token_is_believed_only_with_all_that_belongs_to_it() {
    let good = claim(&review(|_| {}), "team").unwrap();
    assert_eq!((good.name.as_str(), good.uid.as_str()), ("x-3-1", "pod-uid"));
    let refused = |change: fn(&mut Value)| claim(&review(change), "team").unwrap_err();
    for change in [
        (|status: &mut Value| status["authenticated"] = false.into()) as fn(&mut Value),
        |status| status["audiences"] = json!([]),
        |status| status["audiences"] = json!(["https://kubernetes.default.svc"]),
        |status| *status = json!({}),
    ] {
        assert!(matches!(refused(change), Unproven::Unauthenticated(_)));
    }
    for change in [
        (|status: &mut Value| status["user"]["username"] = "system:serviceaccount:other:default".into())
            as fn(&mut Value),
        |status| status["user"]["username"] = "system:serviceaccount:teams:default".into(),
        |status| status["user"]["username"] = "admin".into(),
        |status| status["user"]["extra"] = json!({}),
        |status| status["user"]["extra"][POD_UID] = json!(["a", "b"]),
    ] {
        assert!(matches!(refused(change), Unproven::NotOurs(_)));
    }
}

#[test]
fn a_pod_is_a_peer_only_under_our_seal() {
    let root = seal::tests::root();
    let known = Known {
        namespace: "team".into(),
        name: "x".into(),
        uid: "u".into(),
        facts: RunFacts {
            peers: 8,
            rounds: 2,
            min_peers: 5,
            attempt: 1,
        },
        began: None,
    };
    let claim = Claim {
        name: "x-3-1".into(),
        uid: "uid-3-1".into(),
    };
    let ours = seal::tests::pod(3, 1, &json!({}));
    let found = member(&root, &known, &claim, Some(&ours)).unwrap();
    let expected = Member {
        index: 3,
        attempt: 1,
        incarnation: 0,
    };
    assert_eq!(found, expected);
    let third = seal::tests::pod_of(3, 1, 2, &json!({}));
    let of_third = Claim {
        name: "x-3-1-r2".into(),
        uid: "uid-3-1-r2".into(),
    };
    let found = member(&root, &known, &of_third, Some(&third)).unwrap();
    assert_eq!(found.incarnation, 2);
    let forged = |change: fn(&mut Pod)| {
        let mut pod = ours.clone();
        change(&mut pod);
        Some(pod)
    };
    let uid = "v".into();
    let error = member(&root, &Known { uid, ..known.clone() }, &claim, Some(&ours)).unwrap_err();
    assert!(matches!(error, Unproven::NotOurs(_)), "{error}");
    for wrong in [
        None,
        forged(|pod| pod.metadata.uid = Some("another".into())),
        forged(|pod| pod.metadata.namespace = Some("elsewhere".into())),
        forged(|pod| {
            pod.labels_mut().insert(names::INDEX.into(), "4".into());
        }),
        forged(|pod| {
            pod.labels_mut().remove(names::INDEX);
        }),
        // The place of the next process is not for the taking.
        forged(|pod| {
            pod.labels_mut().insert(names::INCARNATION.into(), "1".into());
        }),
        forged(|pod| {
            pod.labels_mut().insert(names::INCARNATION.into(), "-1".into());
        }),
        forged(|pod| {
            pod.annotations_mut().insert(names::SEAL.into(), "".into());
        }),
        forged(|pod| pod.metadata.owner_references = None),
    ] {
        let error = member(&root, &known, &claim, wrong.as_ref()).unwrap_err();
        assert!(matches!(error, Unproven::NotOurs(_)), "{wrong:?}");
    }
    // A copy of it, with its seal, is another pod and gets nothing.
    let copy = forged(|pod| pod.metadata.uid = Some("copy".into()));
    let claim_of_copy = Claim {
        uid: "copy".into(),
        ..claim
    };
    let error = member(&root, &known, &claim_of_copy, copy.as_ref()).unwrap_err();
    assert!(error.to_string().contains("its seal is invalid"), "{error}");
    let unsealed = forged(|pod| pod.metadata.annotations = None);
    let claim = Claim {
        uid: "uid-3-1".into(),
        ..claim_of_copy
    };
    let error = member(&root, &known, &claim, unsealed.as_ref()).unwrap_err();
    assert!(matches!(error, Unproven::Unavailable { .. }), "{error}");
}
