use serde_json::{Value, from_value, json};

use super::*;

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
    assert_eq!(
        (good.name.as_str(), good.uid.as_str()),
        ("x-3-1", "pod-uid")
    );
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
        (|status: &mut Value| {
            status["user"]["username"] = "system:serviceaccount:other:default".into()
        }) as fn(&mut Value),
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
    let root = RootSecret::generate().unwrap();
    let known = Known {
        namespace: "team".into(),
        name: "x".into(),
        uid: "u".into(),
        generation: 1,
        fixed: true,
        facts: RunFacts {
            peers: 8,
            rounds: 2,
            attempt: 1,
        },
    };
    let claim = Claim {
        name: "x-3-1".into(),
        uid: "pod-uid".into(),
    };
    let seal = |experiment, index| {
        root.seal(&SealedPod {
            namespace: "team",
            name: "x-3-1",
            experiment,
            index,
            attempt: 1,
        })
    };
    let pod = |uid: &str, index: &str, seal: &str| -> Pod {
        from_value(json!({"metadata": {
            "name": "x-3-1", "uid": uid,
            "labels": {names::INDEX: index, names::ATTEMPT: "1"},
            "annotations": {names::SEAL: seal},
        }}))
        .unwrap()
    };
    let ours = pod("pod-uid", "3", &seal("u", 3));
    let found = member(&root, &known, &claim, Some(&ours)).unwrap();
    assert_eq!(
        found,
        Member {
            index: 3,
            attempt: 1
        }
    );
    let mut unsealed = ours.clone();
    unsealed.metadata.annotations = None;
    for wrong in [
        None,
        Some(pod("another", "3", &seal("u", 3))),
        Some(pod("pod-uid", "4", &seal("u", 3))),
        Some(pod("pod-uid", "x", &seal("u", 3))),
        Some(pod("pod-uid", "3", &seal("v", 3))),
        Some(pod("pod-uid", "3", "")),
        Some(unsealed),
    ] {
        let error = member(&root, &known, &claim, wrong.as_ref()).unwrap_err();
        assert!(matches!(error, Unproven::NotOurs(_)), "{wrong:?}");
    }
}
