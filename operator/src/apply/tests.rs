use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::{life::Facts, seal, test_api};

fn facts() -> Facts {
    Facts::default()
}

fn desired() -> Desired {
    Desired {
        uid: "u".into(),
        name: "x".into(),
        namespace: "team".into(),
        objects: None,
        made: Arc::default(),
        delete: Vec::new(),
        end: Vec::new(),
        create: Vec::new(),
    }
}

/// A manifest may give each of 10,000 pods half a megabyte: they are built as they are sent, and never more than are under way.
#[tokio::test]
async fn a_pod_is_built_when_it_is_sent() {
    const PEERS: u32 = 300;
    let there = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (sent, full) = (Arc::clone(&there), "x".repeat(4096));
    let client = test_api::client(move |asked| {
        let sent = Arc::clone(&sent);
        async move {
            tokio::task::yield_now().await;
            if asked.method == Method::PATCH {
                sent.fetch_sub(1, SeqCst);
            }
            Some((StatusCode::OK, asked.body))
        }
    });
    let applier = Applier::new(client, seal::tests::root(), Arc::new(Metrics::new()));
    let desired = Desired {
        create: (0..PEERS).collect(),
        ..desired()
    };
    let make = |index| {
        most.fetch_max(there.fetch_add(1, SeqCst) + 1, SeqCst);
        let mut pod = seal::tests::pod(index, 0, &Value::Null);
        let annotations = (0..32).map(|n| (format!("example.org/{n}"), full.clone()));
        pod.metadata.annotations = Some(annotations.collect());
        Ok(pod)
    };
    applier.apply(desired, facts(), make).await.unwrap();
    assert_eq!((there.load(SeqCst), most.load(SeqCst)), (0, PARALLEL));
}

/// Who is ended keeps its pod, and with it its logs; it is deleted only where a pod gets no deadline.
#[tokio::test]
async fn a_pod_is_ended_by_its_deadline() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let client = test_api::client(move |request| {
        let name = request.path.split(['/', '?']).nth(6).unwrap().to_owned();
        let mut seen = seen.lock().unwrap();
        seen.push((request.method.clone(), name.clone(), request.body.clone()));
        std::future::ready(match name.as_str() {
            "gone" => test_api::refusal(StatusCode::NOT_FOUND, "NotFound"),
            "refused" if request.method == Method::PATCH => {
                test_api::refusal(StatusCode::FORBIDDEN, "exceeded quota: terminating")
            }
            _ => Some((StatusCode::OK, request.body)),
        })
    });
    let applier = Applier::new(client, seal::tests::root(), Arc::new(Metrics::new()));
    let end = ["x-0-0", "gone", "refused"].map(|name| (name.to_owned(), Some("o".to_owned())));
    let desired = Desired {
        end: end.into(),
        ..desired()
    };
    let make = |_| panic!("none is made");
    applier.apply(desired, facts(), make).await.unwrap();
    let patch = json!({"metadata": {"uid": "o"}, "spec": {"activeDeadlineSeconds": 1}});
    let asked = asked.lock().unwrap();
    let patched = asked.iter().filter(|(method, ..)| *method == Method::PATCH);
    let patched: Vec<_> = patched.map(|(_, name, body)| (&**name, body)).collect();
    let all = ["x-0-0", "gone", "refused"].map(|name| (name, &patch));
    assert_eq!(patched, all);
    let deleted: Vec<_> = asked.iter().skip(3).collect();
    let [(Method::DELETE, name, body)] = deleted[..] else {
        panic!("{deleted:?}");
    };
    assert_eq!((name.as_str(), &body["preconditions"]["uid"]), ("refused", &json!("o")));
}
