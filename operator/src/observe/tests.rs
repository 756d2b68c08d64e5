use serde_json::{Value, from_value, json};

use super::*;

fn pod(status: &Value) -> Pod {
    from_value(json!({
        "metadata": {
            "name": "x-3-1",
            "labels": {names::INDEX: "3", names::ATTEMPT: "1"},
            "ownerReferences": [{"apiVersion": "fltorrent.io/v1alpha1", "kind": "FLTorrentExperiment", "name": "x", "uid": "u", "controller": true}],
        },
        "status": status,
    }))
    .unwrap()
}

#[test]
fn only_pods_of_the_experiment_are_looked_at() {
    let mut pod = pod(&json!({"phase": "Running"}));
    let found = facts(&pod, "u").unwrap();
    assert_eq!((found.index, found.attempt, found.leaving), (3, 1, false));
    assert_eq!(found.state, PodState::Running { ready: false });
    assert_eq!(facts(&pod, "another"), None);
    pod.metadata.labels.as_mut().unwrap().remove(names::INDEX);
    assert_eq!(facts(&pod, "u"), None);
}

#[test]
fn a_failure_says_how() {
    let ended = json!([{"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {
        "exitCode": 2, "reason": "Error", "message": "error: no data\n", "finishedAt": "2026-01-02T03:04:05Z"}}}]);
    let failed = pod(&json!({"phase": "Failed", "containerStatuses": ended}));
    let PodState::Failed(failure) = facts(&failed, "u").unwrap().state else {
        panic!()
    };
    assert_eq!(failure.reason, "Error");
    assert_eq!(failure.message, "exit code 2: error: no data");
    assert_eq!(failure.at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    let evicted = pod(
        &json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}),
    );
    let PodState::Failed(failure) = facts(&evicted, "u").unwrap().state else {
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

#[test]
fn a_peer_that_ended_well_is_complete_before_its_pod_says_so() {
    let ended = |code: i32| {
        pod(
            &json!({"phase": "Running", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": code}}}]}),
        )
    };
    assert_eq!(facts(&ended(0), "u").unwrap().state, PodState::Succeeded);
    // How it failed is known with the phase.
    let failed = facts(&ended(1), "u").unwrap().state;
    assert_eq!(failed, PodState::Running { ready: false });
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
        let (before, trouble) = (facts(&pod, "u"), worst([&pod]));
        prune(&mut pod);
        assert_eq!((facts(&pod, "u"), worst([&pod])), (before, trouble));
        assert_eq!(pod.status.unwrap().pod_ip, None);
    }
}
