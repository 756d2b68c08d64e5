use fltorrent_coordinator::ending::EndState;
use fltorrent_records::verdict::{Offence, Verdict};
use serde_json::{Value, json};

use super::*;

fn pod(status: &Value) -> Pod {
    seal::tests::pod(3, 1, status)
}

fn of(pod: &Pod) -> PodFacts {
    facts(pod, "u", &seal::tests::root()).unwrap()
}

#[test]
fn only_pods_of_the_experiment_are_looked_at() {
    let mut pod = pod(&json!({"phase": "Running"}));
    let found = of(&pod);
    assert_eq!(
        (found.index, found.attempt, found.incarnation, found.leaving),
        (3, 1, 0, None)
    );
    assert!(found.sealed);
    assert_eq!(found.state, PodState::Running { ready: false });
    assert_eq!(facts(&pod, "another", &seal::tests::root()), None);
    pod.metadata.labels.as_mut().unwrap().remove(names::INDEX);
    assert!(!of(&pod).sealed);
}

#[test]
fn a_failure_says_how() {
    let ended = json!([{"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {
        "exitCode": 2, "reason": "Error", "message": "error: no data\n", "finishedAt": "2026-01-02T03:04:05Z"}}}]);
    let failed = pod(&json!({"phase": "Failed", "containerStatuses": ended}));
    let PodState::Failed(failure) = of(&failed).state else {
        panic!()
    };
    assert_eq!(failure.reason, "Error");
    assert_eq!(failure.message, "exit code 2: error: no data");
    assert_eq!(failure.at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    let evicted = pod(&json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}));
    let PodState::Failed(failure) = of(&evicted).state else {
        panic!()
    };
    assert_eq!(
        (failure.reason.as_str(), failure.message.as_str(), failure.at),
        ("Evicted", "The node was low on memory.", None)
    );
}

/// A container that has ended, or that runs.
fn container(name: &str, code: Option<i32>) -> Value {
    let state = match code {
        Some(code) => json!({"terminated": {"exitCode": code, "reason": "Error"}}),
        None => json!({"running": {}}),
    };
    json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

#[test]
fn a_peer_that_ended_well_is_complete_before_its_pod_says_so() {
    let ended = |code| pod(&json!({"phase": "Running", "containerStatuses": [container("trainer", Some(code))]}));
    assert_eq!(of(&ended(0)).state, PodState::Succeeded);
    // How it failed is known with the phase.
    let failed = of(&ended(1)).state;
    assert_eq!(failed, PodState::Running { ready: false });
}

#[test]
fn a_sidecar_hides_no_end() {
    let with = |phase: &str, trainer, sidecar| {
        let all = [container("trainer", trainer), container("proxy", sidecar)];
        of(&pod(&json!({"phase": phase, "containerStatuses": all}))).state
    };
    assert_eq!(with("Running", Some(0), None), PodState::Succeeded);
    let PodState::Failed(failure) = with("Running", Some(1), None) else {
        panic!()
    };
    assert_eq!(failure.message, "exit code 1");
    // A peer that was complete stays so, whatever its sidecar does then.
    assert_eq!(with("Failed", Some(0), Some(1)), PodState::Succeeded);
    let runs = PodState::Running { ready: false };
    assert_eq!(with("Running", None, Some(1)), runs);
}

#[test]
fn what_is_beside_a_peer_that_ended_lingers_until_it_is_told_to_end() {
    let with = |phase: &str, trainer, sidecar| {
        let all = [container("trainer", trainer), container("proxy", sidecar)];
        pod(&json!({"phase": phase, "containerStatuses": all}))
    };
    for (phase, trainer, sidecar, lingers) in [
        ("Running", Some(0), None, true),
        ("Running", Some(1), None, true),
        ("Running", None, None, false),
        ("Running", Some(0), Some(0), false),
        ("Failed", Some(0), None, false),
    ] {
        let found = of(&with(phase, trainer, sidecar));
        assert_eq!(found.lingers, lingers, "{phase} {trainer:?} {sidecar:?}");
    }
    // A deadline of somebody else's is not ours.
    let deadline = |seconds| {
        let mut pod = with("Running", Some(0), None);
        pod.spec = Some(PodSpec {
            active_deadline_seconds: Some(seconds),
            ..PodSpec::default()
        });
        prune(&mut pod);
        pod
    };
    assert!(of(&deadline(3600)).lingers);
    assert!(!of(&deadline(ENDS_NOW)).lingers);
}

/// The pod's phase after that says nothing of its peer.
#[test]
fn a_pod_that_was_told_to_end_ended_as_its_peer_did() {
    let ended = |code, told| {
        let all = [container("trainer", Some(code)), container("proxy", Some(143))];
        let mut pod = pod(&json!({"phase": "Failed", "reason": "DeadlineExceeded",
            "message": "Pod was active on the node longer than the specified deadline", "containerStatuses": all}));
        pod.spec = Some(PodSpec {
            active_deadline_seconds: Some(if told { ENDS_NOW } else { 60 }),
            ..PodSpec::default()
        });
        of(&pod).state
    };
    assert_eq!(ended(0, true), PodState::Succeeded);
    let said = |told| match ended(1, told) {
        PodState::Failed(failure) => (failure.reason, failure.message),
        other => panic!("{other:?}"),
    };
    assert_eq!(said(true), ("Error".into(), "exit code 1".into()));
    assert_eq!(said(false).0, "DeadlineExceeded");
}

/// Thousands of pods that others have made and filled are nothing in memory.
#[test]
fn what_others_may_fill_is_pruned() {
    let mut pod = pod(&json!({"phase": "Running"}));
    let before = of(&pod);
    let full = "x".repeat(1 << 18);
    let metadata = &mut pod.metadata;
    let annotations = metadata.annotations.as_mut().unwrap();
    annotations.insert("example.org/full".into(), full.clone());
    metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("example.org/label".into(), "x".into());
    metadata.finalizers = Some(vec![full.clone()]);
    let mut other = metadata.owner_references.clone().unwrap();
    other[0].controller = None;
    metadata.owner_references.as_mut().unwrap().extend(other);
    prune(&mut pod);
    assert_eq!(of(&pod), before);
    let left = |map: &Option<BTreeMap<String, String>>| -> Vec<String> {
        map.iter().flat_map(BTreeMap::keys).cloned().collect()
    };
    assert_eq!(left(&pod.metadata.annotations), [names::SEAL]);
    let labels = [names::ATTEMPT, names::EXPERIMENT, names::INCARNATION, names::INDEX];
    assert_eq!(left(&pod.metadata.labels), labels);
    assert_eq!(pod.metadata.owner_references.as_ref().unwrap().len(), 1);
    assert_eq!(pod.metadata.finalizers, None);
    // Nor is a seal taken for one that none of ours is like.
    let annotations = pod.metadata.annotations.as_mut().unwrap();
    annotations.insert(names::SEAL.into(), full);
    prune(&mut pod);
    assert_eq!(left(&pod.metadata.annotations), Vec::<String>::new());
}

#[test]
fn a_verdict_is_for_good() {
    let mut ending = Ending::new(EndState::Failed, "1");
    ending.error = Some("peer 2 signed two updates for round 4".into());
    let failure = |ending: &Ending| {
        let state = json!({"terminated": {"exitCode": 1, "message": ending.to_message()}});
        let trainer =
            json!({"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        match of(&pod(&json!({"phase": "Failed", "containerStatuses": [trainer]}))).state {
            PodState::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    };
    assert!(!failure(&ending).permanent);
    ending.convict(Verdict {
        offence: Offence::Equivocation,
        origin: Some(2),
        round: 4,
    });
    let proven = failure(&ending);
    assert!(proven.permanent && proven.message.ends_with("for round 4"));
}

#[test]
fn what_fails_before_the_trainer_is_named() {
    let waits = json!({"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "PodInitializing"}}});
    let status = json!({"phase": "Failed", "containerStatuses": [waits],
        "initContainerStatuses": [container("first", Some(0)), container("mesh", Some(3))]});
    let mut pod = pod(&status);
    prune(&mut pod);
    let PodState::Failed(failure) = of(&pod).state else {
        panic!()
    };
    assert_eq!(failure.message, "container mesh: exit code 3");
}

fn waits(reason: &str) -> Pod {
    pod(
        &json!({"phase": "Pending", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "it said so"}}}]}),
    )
}

#[test]
fn trouble_says_what_to_do() {
    assert_eq!(worst([&waits("ContainerCreating")]), None);
    for (kind, reason) in [
        ("ErrImageNeverPull", "ImageUnavailable"),
        ("CreateContainerConfigError", "MissingReference"),
        ("RunContainerError", "ContainerRefused"),
    ] {
        let trouble = worst([&waits(kind)]).unwrap();
        assert_eq!(trouble.reason, reason);
        assert!(trouble.message.contains(kind) && trouble.message.contains("it said so"));
    }
    let full = pod(&json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]}));
    let trouble = worst([&full, &full, &waits("ContainerCreating")]).unwrap();
    assert_eq!(trouble.reason, "Unschedulable");
    assert!(trouble.message.contains("Insufficient cpu"));
    assert!(trouble.message.ends_with("and 1 more pods"));
}

#[test]
fn what_is_pruned_is_not_looked_at() {
    for mut pod in [
        waits("ErrImagePull"),
        pod(&json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": [
        {"type": "Ready", "status": "True"}]})),
    ] {
        let (before, trouble) = (of(&pod), worst([&pod]));
        prune(&mut pod);
        assert_eq!((of(&pod), worst([&pod])), (before, trouble));
        assert_eq!(pod.status.unwrap().pod_ip, None);
    }
}

/// What the cluster or a user takes away costs no restart, whatever its process said at last.
#[test]
fn who_is_taken_away_has_not_failed_by_itself() {
    let code = |code: i32, reason: &str, message: &str| {
        let state = json!({"terminated": {"exitCode": code, "reason": reason, "message": message}});
        json!([{"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}])
    };
    let failed = |status: &Value, leaves: bool| {
        let mut pod = pod(status);
        pod.metadata.deletion_timestamp = leaves.then_some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            jiff::Timestamp::UNIX_EPOCH,
        ));
        prune(&mut pod);
        match of(&pod).state {
            PodState::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    };
    let mut stopped = Ending::new(EndState::Stopped, "1");
    stopped.error = Some("stopped by SIGTERM".into());
    let stopped = stopped.to_message();
    let target = json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "make room"}]);
    let ended = |code_of: i32, reason: &str, message: &str| json!({"phase": "Failed", "containerStatuses": code(code_of, reason, message)});
    let told = |reason: &str, message: &str| json!({"phase": "Failed", "reason": reason, "message": message});
    let mut targeted = ended(1, "Error", "");
    targeted["conditions"] = target.clone();
    let out_of_memory = told("Evicted", "The node was low on resource: memory.");
    let out_of_cpu = told("OutOfcpu", "Node didn't have enough resource: cpu");
    let own_limit = told("Evicted", "Usage of EmptyDir volume \"tmp\" exceeds the limit \"1Mi\".");
    for (status, leaves, disrupted) in [
        (ended(1, "Error", ""), false, false),
        (ended(1, "Error", ""), true, false),
        (ended(137, "Error", ""), false, false),
        (ended(137, "Error", ""), true, true),
        (ended(137, "OOMKilled", ""), true, false),
        (ended(130, "Error", &stopped), true, true),
        (ended(130, "Error", &stopped), false, false),
        (targeted, false, true),
        (out_of_memory, false, true),
        (out_of_cpu, false, true),
        // As the manifest says.
        (ended(6, "Error", ""), false, true),
        // It would fill its limit again.
        (own_limit, false, false),
    ] {
        let failure = failed(&status, leaves);
        assert_eq!(failure.disrupted, disrupted, "{status} {leaves}");
        assert_eq!(failure.anew, status == ended(6, "Error", ""), "{status} {leaves}");
    }
    let mut evicted = pod(&json!({"phase": "Running", "conditions": target}));
    prune(&mut evicted);
    let told = of(&evicted).disruption.unwrap();
    assert_eq!(
        (told.reason.as_str(), told.message.as_str(), told.disrupted),
        ("PreemptionByScheduler", "make room", true)
    );
    assert_eq!(of(&pod(&json!({"phase": "Running"}))).disruption, None);
}

#[test]
fn who_has_left_or_comes_too_late_is_not_replaced() {
    let failed = |code: i32, ending: Option<&Ending>| {
        let message = ending.map(Ending::to_message);
        let state = json!({"terminated": {"exitCode": code, "reason": "Error", "message": message}});
        let trainer =
            json!({"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        match of(&pod(&json!({"phase": "Failed", "containerStatuses": [trainer]}))).state {
            PodState::Failed(failure) => failure.of_no_use,
            other => panic!("{other:?}"),
        }
    };
    let left = Ending::new(EndState::Left, "1");
    let mut over = Ending::new(EndState::Failed, "1");
    assert_eq!(
        [1, 4, 5, 137].map(|code| failed(code, None)),
        [false, true, true, false]
    );
    // A peer that crashes as the manifest says leaves its word before.
    assert!(failed(137, Some(&left)));
    assert!(!failed(1, Some(&over)));
    over.is_final = true;
    assert!(failed(5, Some(&over)));
}
