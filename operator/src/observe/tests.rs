use fltorrent_coordinator::ending::{EndState, Offence, Verdict};
use serde_json::{Value, json};

use super::*;
use crate::names;

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
    assert_eq!((found.index, found.attempt, found.leaving), (3, 1, false));
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
    let evicted = pod(
        &json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}),
    );
    let PodState::Failed(failure) = of(&evicted).state else {
        panic!()
    };
    assert_eq!(
        (
            failure.reason.as_str(),
            failure.message.as_str(),
            failure.at
        ),
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
    let ended = |code| {
        pod(&json!({"phase": "Running", "containerStatuses": [container("trainer", Some(code))]}))
    };
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
fn a_verdict_is_for_good() {
    let mut ending = Ending::new(EndState::Failed, "1");
    ending.error = Some("peer 2 signed two updates for round 4".into());
    let failure = |ending: &Ending| {
        let state = json!({"terminated": {"exitCode": 1, "message": ending.to_message()}});
        let trainer = json!({"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        match of(&pod(
            &json!({"phase": "Failed", "containerStatuses": [trainer]}),
        ))
        .state
        {
            PodState::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    };
    assert!(!failure(&ending).hopeless);
    ending.convict(Verdict {
        offence: Offence::Equivocation,
        origin: Some(2),
        round: 4,
    });
    let proven = failure(&ending);
    assert!(proven.hopeless && proven.message.ends_with("for round 4"));
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
    assert!(trouble.message.ends_with("and 1 more pods likewise"));
}

#[test]
fn what_is_pruned_is_not_looked_at() {
    for mut pod in [
        waits("ErrImagePull"),
        pod(
            &json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": [
        {"type": "Ready", "status": "True"}]}),
        ),
    ] {
        let (before, trouble) = (of(&pod), worst([&pod]));
        prune(&mut pod);
        assert_eq!((of(&pod), worst([&pod])), (before, trouble));
        assert_eq!(pod.status.unwrap().pod_ip, None);
    }
}
