mod cluster;

use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use fltorrent_coordinator::{
    hub::{Directory, Hub, Member, RunFacts, RunSpan, Settings, Unproven},
    identity::RunId,
    secret::RootSecret,
};
use fltorrent_crds::{Experiment, manifest, status::Stage};
use hyper::{Method, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::{
    Client,
    core::DeserializeGuard,
    runtime::{reflector::store, watcher::Event},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use super::*;
use crate::{
    build::Site,
    config::PeerUser,
    endings::EndingStore,
    events::EventPublisher,
    metrics::Metrics,
    planner::Planner,
    test_api,
    validate::{ValidateError, validate},
    watch::{self, Triggers},
};
use cluster::Cluster;

/// A hub that nobody talks to.
struct Nobody;

impl Directory for Nobody {
    fn facts(&self, _: RunId) -> Option<RunFacts> {
        None
    }

    async fn member(&self, _: RunId, _: &str) -> Result<Member, Unproven> {
        Err(Unproven::NotOurs("nobody asks".to_owned()))
    }

    fn span(&self, _: RunId) -> RunSpan {
        RunSpan::default()
    }

    fn leads(&self) -> bool {
        true
    }
}

async fn context(client: Client, planner: Planner) -> Context {
    let root = RootSecret::generate().unwrap();
    let metrics = Arc::new(Metrics::new());
    let tools = Tools {
        site: Site {
            namespace: "home".into(),
            service: "operator".into(),
            port: 8443,
            cluster_domain: "cluster.local".into(),
            peer_image: "peer".into(),
            peer_cuda_image: "peer-cuda".into(),
            peer_user: PeerUser::default(),
        },
        root: root.clone(),
        metrics: Arc::clone(&metrics),
        runs: Arc::default(),
        endings: Arc::new(EndingStore::new(root.clone())),
        rooms: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (reported, _) = mpsc::channel(1);
    let hub = Hub::start(listener, root, Arc::new(Nobody), Settings::default(), reported);
    let publisher = EventPublisher::new(client.clone(), "a".into(), metrics);
    Context::new(client, tools, publisher, planner, store().0, Arc::new(hub.unwrap()))
}

fn experiment(uid: &str) -> Experiment {
    let text = "{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {name: x}, spec: {groups: [{name: p, count: 2}, \
         {name: q, count: 3}], topology: {type: mesh}, model: {type: mlp, mlp: {hidden: [8]}}, data: {type: digits}, training: {rounds: 7}}}";
    let mut experiment = manifest::parse(text).unwrap();
    experiment.metadata.namespace = Some("team".into());
    experiment.metadata.uid = Some(uid.into());
    experiment.metadata.generation = Some(1);
    experiment.metadata.resource_version = Some("5".into());
    experiment
}

/// One experiment behind an API server that compares versions.
fn server(object: Arc<Mutex<Value>>) -> Client {
    test_api::client(move |asked| {
        let mut object = object.lock().unwrap();
        if asked.method == Method::PATCH {
            let stands = &object["metadata"]["resourceVersion"];
            if asked.body["metadata"]["resourceVersion"] != *stands {
                return ready(test_api::refusal(StatusCode::CONFLICT, "Conflict"));
            }
            let next: u32 = stands.as_str().unwrap().parse().unwrap();
            object["metadata"]["resourceVersion"] = (next + 1).to_string().into();
            object["status"] = asked.body["status"].clone();
        }
        ready(Some((StatusCode::OK, object.clone())))
    })
}

/// It led, slept while another replica led and wrote, and wakes: what the other wrote stays, and is gone on from.
#[tokio::test]
async fn a_leader_that_wakes_overwrites_nobody() {
    let experiment = experiment("u");
    let object = Arc::new(Mutex::new(serde_json::to_value(&experiment).unwrap()));
    let context = context(server(Arc::clone(&object)), Planner::start().unwrap()).await;

    let mut status = context.status(&experiment).await.unwrap();
    status.attempt = 1;
    context.write(&experiment, &status, None).await.unwrap();
    assert_eq!(object.lock().unwrap()["status"]["attempt"], 1);

    {
        let mut object = object.lock().unwrap();
        object["metadata"]["resourceVersion"] = "9".into();
        object["status"]["attempt"] = 4.into();
    }
    status.attempt = 2;
    let error = context.write(&experiment, &status, None).await.unwrap_err();
    assert_eq!(error.reason(), "Conflict");
    assert_eq!(object.lock().unwrap()["status"]["attempt"], 4);

    let mut status = context.status(&experiment).await.unwrap();
    assert_eq!(status.attempt, 4);
    status.attempt = 5;
    context.write(&experiment, &status, None).await.unwrap();
    assert_eq!(object.lock().unwrap()["status"]["attempt"], 5);
}

/// A user changes the spec, which gives the experiment another version with the same status: that is no conflict.
#[tokio::test]
async fn a_change_of_the_spec_is_no_conflict() {
    let mut experiment = experiment("u");
    let object = Arc::new(Mutex::new(serde_json::to_value(&experiment).unwrap()));
    let context = context(server(Arc::clone(&object)), Planner::start().unwrap()).await;
    let mut status = context.status(&experiment).await.unwrap();
    status.attempt = 1;
    context.write(&experiment, &status, None).await.unwrap();

    object.lock().unwrap()["metadata"]["resourceVersion"] = "30".into();
    experiment.metadata.resource_version = Some("30".into());
    experiment.status = Some(status.clone());
    let mut status = context.status(&experiment).await.unwrap();
    status.attempt = 2;
    context.write(&experiment, &status, None).await.unwrap();
    assert_eq!(object.lock().unwrap()["status"]["attempt"], 2);
}

/// Also what fails is planned once a generation.
#[tokio::test]
async fn a_plan_is_made_once_a_generation() {
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let planner = Planner::with(move |experiment| {
        count.fetch_add(1, Ordering::Relaxed);
        match experiment.metadata.generation {
            Some(1) => Err(ValidateError::Plan("it is wrong".into())),
            Some(2) => panic!("it is a fault"),
            _ => validate(experiment),
        }
    });
    let client = test_api::client(|_| ready(None));
    let context = context(client, planner.unwrap()).await;
    for (generation, reason) in [(1, Some("InvalidManifest")), (2, Some("PlanPanicked")), (3, None)] {
        let mut experiment = experiment("u");
        experiment.metadata.generation = Some(generation);
        let experiment = Arc::new(experiment);
        for _ in 0..3 {
            let planned = context.validated(&experiment).await;
            assert_eq!(planned.err().map(|error| error.reason()), reason);
        }
        assert_eq!(i64::from(made.load(Ordering::Relaxed)), generation);
    }
}

/// Who only follows makes no plan; a run that has ended, or whose experiment has gone unseen, is forgotten, and none while the list that it
/// comes with is still coming.
#[tokio::test]
async fn runs_are_known_without_a_plan_and_forgotten() {
    let planner = Planner::with(|_| panic!("a plan is made"));
    let client = test_api::client(|_| ready(None));
    let context = context(client, planner.unwrap()).await;
    let (there, mut writer) = store();
    let (queue, _queued) = mpsc::unbounded_channel();
    let triggers = Triggers::new(queue, tokio::sync::watch::channel(false).1);
    let mut tell = |event: Event<Watched>| {
        writer.apply_watcher_event(&event);
        watch::experiment(&context, &triggers, &there, &event);
    };
    let listed = |uid: &str| {
        let mut experiment = experiment(uid);
        experiment.metadata.name = Some(format!("x-{uid}"));
        if uid == "b" {
            experiment.status = Some(ExperimentStatus {
                stage: Some(Stage::Complete),
                ..ExperimentStatus::default()
            });
        }
        Event::InitApply(DeserializeGuard(Ok(experiment)))
    };
    let left = || {
        // As it is done every few seconds, whatever happens.
        context.forget_others(&there);
        let mut left = context.tools.runs.uids();
        left.sort_unstable();
        left
    };
    tell(Event::Init);
    ["a", "b", "c"].into_iter().for_each(|uid| tell(listed(uid)));
    assert_eq!(left(), ["a", "c"]);
    tell(Event::InitDone);
    assert_eq!(left(), ["a", "c"]);
    let known = context.tools.runs.get(RunId::of_experiment("a")).unwrap();
    assert_eq!((known.facts.peers, known.facts.rounds), (5, 7));
    // The watch breaks off and begins anew.
    tell(Event::Init);
    ["a", "b", "d"].into_iter().for_each(|uid| tell(listed(uid)));
    assert_eq!(left(), ["a", "c", "d"]);
    tell(Event::InitDone);
    assert_eq!(left(), ["a", "d"]);
    assert_eq!(there.state().len(), 3);
}

/// A whole look whose plan panics: the experiment's condition says so, and no other is asked of anything.
#[tokio::test]
async fn a_panic_is_one_experiments_condition() {
    let experiment = experiment("u");
    let object = Arc::new(Mutex::new(serde_json::to_value(&experiment).unwrap()));
    let planner = Planner::with(|_| panic!("a fault of ours"));
    let context = Arc::new(context(server(Arc::clone(&object)), planner.unwrap()).await);
    let watched = Arc::new(DeserializeGuard(Ok(experiment)));
    reconcile(watched, Arc::clone(&context)).await.unwrap();
    let status = object.lock().unwrap()["status"].clone();
    let accepted = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "Accepted")
        .unwrap();
    assert_eq!(accepted["reason"], json!("PlanPanicked"));
    let message = accepted["message"].as_str().unwrap();
    assert!(message.contains("a fault of ours"), "{message}");
}

/// An experiment of four peers in the cluster, each with a claim for its checkpoints.
fn put(cluster: &Cluster, name: &str) {
    let claim = json!({"type": "newClaim", "newClaim": {"size": "1Gi"}});
    let mut object = serde_json::to_value(experiment(&format!("of-{name}"))).unwrap();
    object["metadata"]["name"] = json!(name);
    object["spec"]["groups"] = json!([{"name": "p", "count": 4}]);
    object["spec"]["kubernetes"]["storage"]["checkpoints"] = claim;
    cluster.put("fltorrentexperiments", &object);
}

/// As if it had begun an attempt that goes on after so many rounds, of which no pod is there yet.
fn begin(cluster: &Cluster, name: &str, resume: u32) {
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let begun = ExperimentStatus {
        stage: Some(Stage::Starting),
        start_time: Some(Time(start)),
        resumed_after: resume,
        ..ExperimentStatus::default()
    };
    cluster.change("fltorrentexperiments", name, |object| {
        object["status"] = serde_json::to_value(&begun).unwrap();
    });
}

fn reason(result: Result<Action, ReconcileError>) -> &'static str {
    result.map_or_else(|error| error.reason(), |_| "")
}

const CLAIMS: &str = "persistentvolumeclaims";

/// Room for four claims, of which somebody has one: neither of two experiments keeps a part of its own, so that either runs once there is
/// room for one. What was there before is kept, whoever has made it.
#[tokio::test]
async fn claims_that_are_not_all_there_are_given_back() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    cluster.quota(CLAIMS, 4);
    let kept = json!({"metadata": {"name": "a-checkpoints-2"}});
    cluster.put(CLAIMS, &kept);
    for name in ["a", "b"] {
        put(&cluster, name);
    }
    cluster.put(CLAIMS, &json!({"metadata": {"name": "other"}}));
    for name in ["a", "b", "a"] {
        assert_eq!(reason(cluster.look(&context, name).await), "QuotaExceeded");
        assert_eq!(cluster.names(CLAIMS), ["a-checkpoints-2", "other"]);
        let status = cluster.get("fltorrentexperiments", name)["status"].clone();
        assert_eq!(status["reason"], "QuotaExceeded");
        let said = status["lastError"].as_str().unwrap();
        assert!(said.contains("spec.kubernetes.storage"), "{said}");
        // It waits, and nothing of it is fixed.
        assert_eq!(status["startTime"], Value::Null);
        assert_eq!(reason(cluster.look(&context, name).await), "");
        context.tools.rooms.leave(&format!("of-{name}"));
    }
    cluster.remove(CLAIMS, "other");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names(CLAIMS).len(), 4);
    assert_eq!(cluster.names("pods").len(), 4);
    assert_eq!(reason(cluster.look(&context, "b").await), "QuotaExceeded");
    assert_eq!(cluster.names(CLAIMS).len(), 4);
}

/// A claim that is on its way out is not counted on: whoever mounts it would wait for ever.
#[tokio::test]
async fn a_claim_that_goes_is_waited_for() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    put(&cluster, "a");
    let goes = json!({"metadata": {"name": "a-checkpoints-1", "deletionTimestamp": "2026-01-02T03:04:05Z"}});
    cluster.put(CLAIMS, &goes);
    assert_eq!(reason(cluster.look(&context, "a").await), "FormerObjects");
    assert_eq!(cluster.names("pods"), Vec::<String>::new());
    cluster.remove(CLAIMS, "a-checkpoints-1");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names("pods").len(), 4);
}

/// While something of another experiment is made in the namespace, claims wait.
#[tokio::test]
async fn claims_of_one_experiment_are_made_at_a_time_in_a_namespace() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    put(&cluster, "a");
    let gate = context.tools.rooms.enter("team", "another", Instant::now());
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names(CLAIMS), Vec::<String>::new());
    drop(gate);
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names(CLAIMS).len(), 4);
}

/// Not one pod fits: the manifest can be changed as before.
#[tokio::test]
async fn where_not_one_pod_fits_nothing_has_begun() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    cluster.quota("pods", 0);
    put(&cluster, "a");
    assert_eq!(reason(cluster.look(&context, "a").await), "QuotaExceeded");
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    let found = (&status["startTime"], &status["phase"], &status["attempt"]);
    assert_eq!(found, (&Value::Null, &json!("Pending"), &json!(0)));
}

/// Pods were refused, and that the others are given back could not be written: the next look does, also while it waits for room.
#[tokio::test]
async fn what_could_not_be_given_back_is_given_back_with_the_next_look() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    cluster.quota("pods", 2);
    put(&cluster, "a");
    begin(&cluster, "a", 0);
    cluster.stick(Some("status"));
    assert_eq!(reason(cluster.look(&context, "a").await), "ApiUnavailable");
    assert_eq!(cluster.names("pods"), ["a-0-0", "a-1-0"]);
    cluster.stick(None);
    let waits = context.tools.rooms.rest("of-a", Instant::now());
    assert!(waits.is_some());
    // One that was not sealed yet goes first.
    for _ in 0..3 {
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    assert_eq!(cluster.names("pods"), Vec::<String>::new());
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    assert_eq!(status["startTime"], Value::Null);
}

/// A user who corrects the manifest again and again fights with nobody: each generation is applied at once.
#[tokio::test]
async fn a_users_own_changes_are_no_fight() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    let clear = || {
        for pod in cluster.names("pods") {
            cluster.remove("pods", &pod);
        }
    };
    put(&cluster, "a");
    begin(&cluster, "a", 3);
    for generation in 1..12 {
        cluster.change("fltorrentexperiments", "a", |object| {
            object["metadata"]["generation"] = json!(generation);
            object["spec"]["kubernetes"]["egressPorts"] = json!([9000 + generation]);
        });
        assert_eq!(reason(cluster.look(&context, "a").await), "");
        assert_eq!(cluster.names("pods").len(), 4);
        clear();
        let policy = cluster.get("networkpolicies", "a").to_string();
        assert!(policy.contains(&(9000 + generation).to_string()), "{policy}");
    }
    // Somebody deletes a policy again and again: no pod starts before it is there again.
    for made in [4, 0, 0] {
        cluster.remove("networkpolicies", "a");
        assert!(context.drifted("of-a", "team", "NetworkPolicy", "a", None));
        assert_eq!(reason(cluster.look(&context, "a").await), "");
        assert_eq!(cluster.names("pods").len(), made);
        assert_eq!(cluster.names("networkpolicies").len(), made / 4);
        clear();
    }
}

/// Who makes an object in a namespace of theirs that names another one's experiment has nothing of it applied again.
#[tokio::test]
async fn what_is_in_another_namespace_is_no_drift() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    put(&cluster, "a");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    let version = cluster.get("services", "a")["metadata"]["resourceVersion"].clone();
    let drifted = |namespace, version| context.drifted("of-a", namespace, "Service", "a", version);
    assert!(!drifted("team", version.as_str()));
    assert!(!drifted("elsewhere", Some("77")));
    assert!(!drifted("team", version.as_str()));
    assert!(drifted("team", Some("77")));
}

/// All pods of an experiment are made, run and are ready.
async fn train(cluster: &Cluster, context: &Arc<Context>, name: &str) {
    put(cluster, name);
    for _ in 0..3 {
        assert_eq!(reason(cluster.look(context, name).await), "");
        cluster.names("pods").iter().for_each(|pod| becomes_ready(cluster, pod));
    }
    let status = cluster.get("fltorrentexperiments", name)["status"].clone();
    assert_eq!(
        (&status["stage"], &status["phase"]),
        (&json!("Running"), &json!("Training"))
    );
}

fn becomes_ready(cluster: &Cluster, pod: &str) {
    cluster.change("pods", pod, |pod| {
        pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    });
}

fn uids(cluster: &Cluster, resource: &str) -> Vec<(String, Value)> {
    let uid = |name: String| {
        let uid = cluster.get(resource, &name)["metadata"]["uid"].clone();
        (name, uid)
    };
    cluster.names(resource).into_iter().map(uid).collect()
}

/// One pod goes: it is replaced under the next name, and nobody else notices.
#[tokio::test]
async fn a_pod_that_is_gone_is_replaced_alone() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    train(&cluster, &context, "a").await;
    let mut before = uids(&cluster, "pods");
    before.remove(2);
    cluster.remove("pods", "a-2-0");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names("pods"), ["a-0-0", "a-1-0", "a-2-0-r1", "a-3-0"]);
    let pod = cluster.get("pods", "a-2-0-r1");
    assert_eq!(pod["metadata"]["labels"]["fltorrent.io/incarnation"], "1");
    assert_eq!(pod["spec"]["hostname"], "peer-2");
    let mut after = uids(&cluster, "pods");
    after.remove(2);
    assert_eq!(after, before);
    // Who it is and why is told while it is not back.
    for _ in 0..2 {
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    let told = |status: &Value| {
        let all = status["conditions"].as_array().unwrap().iter();
        let mut stalled = all.filter(|condition| condition["type"] == "Stalled");
        let stalled = stalled.next().unwrap().clone();
        (
            stalled["status"].clone(),
            stalled["message"].as_str().unwrap().to_owned(),
        )
    };
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    let (holds, said) = told(&status);
    assert_eq!(
        (holds, &status["phase"], &status["reason"]),
        (json!("True"), &json!("Training"), &json!("PeerAbsent"))
    );
    assert!(
        said.starts_with("peer 2 is absent since ") && said.contains("a-2-0-r1"),
        "{said}"
    );
    assert_eq!((&status["attempt"], &status["restarts"]), (&json!(0), &json!(0)));
    becomes_ready(&cluster, "a-2-0-r1");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    assert_eq!(told(&status), (json!("False"), "no peer is absent".to_owned()));
}

/// A claim goes with the pod that used it: the next pod gets a new one, and nobody else notices. What is deleted after the end stays away.
#[tokio::test]
async fn a_claim_that_is_gone_is_made_anew_alone() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    train(&cluster, &context, "a").await;
    let before = [uids(&cluster, "pods"), uids(&cluster, CLAIMS)];
    // It is there while its pod is, and so it is when the next one is made.
    cluster.change(CLAIMS, "a-checkpoints-2", |claim| {
        claim["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    });
    cluster.remove("pods", "a-2-0");
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names("pods"), ["a-0-0", "a-1-0", "a-2-0-r1", "a-3-0"]);
    cluster.remove(CLAIMS, "a-checkpoints-2");
    // Somebody else's experiment of the name, and one of another name.
    assert!(!context.lost_claim("other", "a") && !context.lost_claim("team", "b"));
    assert!(context.lost_claim("team", "a"));
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    // It is made anew whatever else has changed, and that is nobody's doing.
    cluster.remove(CLAIMS, "a-checkpoints-2");
    assert!(context.lost_claim("team", "a"));
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    for (resource, before) in ["pods", CLAIMS].into_iter().zip(before) {
        let after = uids(&cluster, resource);
        let changed: Vec<usize> = (0..4).filter(|index| after[*index] != before[*index]).collect();
        assert_eq!((after.len(), changed), (4, vec![2]), "{resource}");
    }

    for pod in cluster.names("pods") {
        cluster.change("pods", &pod, |pod| pod["status"] = json!({"phase": "Succeeded"}));
    }
    for _ in 0..2 {
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    cluster.remove(CLAIMS, "a-checkpoints-1");
    context.lost_sight_of_claims();
    assert_eq!(reason(cluster.look(&context, "a").await), "");
    assert_eq!(cluster.names(CLAIMS).len(), 3);
}

/// The namespace has no room for it: it waits, says so, and everybody else stays.
#[tokio::test]
async fn a_replacement_without_room_waits_alone() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    train(&cluster, &context, "a").await;
    cluster.quota("pods", 3);
    cluster.remove("pods", "a-2-0");
    assert_eq!(reason(cluster.look(&context, "a").await), "QuotaExceeded");
    for _ in 0..3 {
        assert_eq!(cluster.names("pods"), ["a-0-0", "a-1-0", "a-3-0"]);
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&json!("Training"), &json!("QuotaExceeded"))
    );
    cluster.quota("pods", 4);
    context.tools.rooms.leave("of-a");
    for _ in 0..2 {
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    assert_eq!(cluster.names("pods"), ["a-0-0", "a-1-0", "a-2-0-r1", "a-3-0"]);
}

/// Drains are held off while an experiment runs, and no longer.
#[tokio::test]
async fn a_disruption_budget_goes_with_the_end() {
    let cluster = Cluster::default();
    let context = cluster.context().await;
    train(&cluster, &context, "a").await;
    let budget = cluster.get("poddisruptionbudgets", "a");
    assert_eq!(budget["spec"]["minAvailable"], 3);
    // What the cluster writes into its status is no drift.
    let generation = |number: i64| {
        let metadata = ObjectMeta {
            generation: Some(number),
            resource_version: Some("99".to_owned()),
            ..ObjectMeta::default()
        };
        crate::apply::version("PodDisruptionBudget", &metadata)
    };
    let drifted = |number| {
        let version = generation(number);
        context.drifted("of-a", "team", "PodDisruptionBudget", "a", version.as_deref())
    };
    assert!(!drifted(1) && drifted(2));
    for pod in cluster.names("pods") {
        cluster.change("pods", &pod, |pod| pod["status"] = json!({"phase": "Succeeded"}));
    }
    for _ in 0..2 {
        assert_eq!(reason(cluster.look(&context, "a").await), "");
    }
    let status = cluster.get("fltorrentexperiments", "a")["status"].clone();
    assert_eq!(status["phase"], "Complete");
    assert_eq!(cluster.names("poddisruptionbudgets"), Vec::<String>::new());
}
