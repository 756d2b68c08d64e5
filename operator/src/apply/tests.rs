use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::life::Facts;
use crate::seal;
use crate::test_api;

fn facts() -> Facts {
    Facts {
        suspend: false,
        budget: 0,
        peers: 0,
        pods: Vec::new(),
        checkpoint: None,
        disagreement: None,
    }
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

/// Who is ended keeps its pod, and with it its logs.
#[tokio::test]
async fn a_pod_is_ended_by_its_deadline() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let client = test_api::client(move |request| {
        let known = request.path.contains("x-0-0");
        seen.lock()
            .unwrap()
            .push((request.method.clone(), request.body.clone()));
        std::future::ready(match known {
            true => Some((StatusCode::OK, request.body)),
            false => test_api::refusal(StatusCode::NOT_FOUND, "NotFound"),
        })
    });
    let applier = Applier::new(client, seal::tests::root(), Arc::new(Metrics::new()));
    let end = ["x-0-0", "gone"].map(|name| (name.to_owned(), Some("o".to_owned())));
    let desired = Desired {
        end: end.into(),
        ..desired()
    };
    let make = |_| panic!("none is made");
    applier.apply(desired, facts(), make).await.unwrap();
    let patch = json!({"metadata": {"uid": "o"}, "spec": {"activeDeadlineSeconds": 1}});
    let expected = (Method::PATCH, patch);
    assert_eq!(*asked.lock().unwrap(), [expected.clone(), expected]);
}
