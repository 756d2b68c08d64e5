use std::sync::Arc;

use fltorrent_crds::manifest;
use serde_json::json;

use super::*;
use crate::validate::validate;

fn validated(checkpoint: &str, storage: &str) -> Validated {
    let text = format!(
        "{{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {{name: x}}, spec: {{groups: [{{name: p, count: 3}}], \
         topology: {{type: mesh}}, model: {{type: mlp, mlp: {{hidden: [8]}}}}, data: {{type: digits}}, checkpoint: {checkpoint}, \
         kubernetes: {{storage: {{checkpoints: {storage}}}}}}}}}"
    );
    let mut experiment = manifest::parse(&text).unwrap();
    experiment.metadata.namespace = Some("team".into());
    experiment.metadata.uid = Some("u".into());
    validate(Arc::new(experiment)).unwrap()
}

const EVERY: &str = "{type: periodic, periodic: {everyRounds: 2}}";
const CLAIM: &str = "{type: claim, claim: {claimName: kept}}";

fn ending(checkpoints: &[u32]) -> Ending {
    let mut ending = Ending::new(EndState::Stopped, "1");
    ending.rounds = 99;
    ending.checkpoints = checkpoints.to_vec();
    ending
}

fn ended(index: u32, attempt: u32, ending: &Ending) -> Pod {
    seal::tests::pod(
        index,
        attempt,
        &json!({"phase": "Failed", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 1, "message": ending.to_message()}}}]}),
    )
}

fn pod(index: u32, attempt: u32, checkpoints: &[u32]) -> Pod {
    ended(index, attempt, &ending(checkpoints))
}

fn store() -> EndingStore {
    EndingStore::new(seal::tests::root())
}

fn after(pods: &[Pod]) -> Endings {
    let store = store();
    let see = |pod| store.see(pod, Timestamp::UNIX_EPOCH);
    pods.iter().for_each(see);
    store.of("u")
}

#[test]
fn only_what_the_operator_has_made_is_heard() {
    let genuine = [pod(0, 0, &[4]), pod(1, 0, &[4])];
    let expected = after(&genuine);
    let forged = |change: fn(&mut Pod)| {
        let mut pod = pod(1, 0, &[2]);
        change(&mut pod);
        pod
    };
    let all = [
        // Who may make pods in another namespace knows the experiment's UID, and copies what is there.
        forged(|pod| pod.metadata.namespace = Some("elsewhere".into())),
        forged(|pod| pod.metadata.uid = Some("another".into())),
        forged(|pod| pod.metadata.annotations = None),
        forged(|pod| {
            let labels = pod.metadata.labels.as_mut().unwrap();
            labels.insert(crate::names::ATTEMPT.into(), u32::MAX.to_string());
        }),
    ];
    assert_eq!(after(&all), Endings::default());
    assert_eq!(after(&[&genuine[..], &all[..]].concat()), expected);
}

#[test]
fn a_failure_is_noticed_once() {
    let store = store();
    let at = |second| Timestamp::from_second(second).unwrap();
    store.see(&pod(0, 0, &[]), at(5));
    store.see(&pod(0, 0, &[]), at(9));
    assert_eq!(store.of("u").noticed(0, 0, 0), Some(at(5)));
    assert_eq!(store.of("u").noticed(0, 1, 0), None);
    assert_eq!(store.of("u").noticed(1, 0, 0), None);
}

/// A peer was replaced: what its later pod came to counts, in whatever order that is seen.
#[test]
fn of_two_pods_of_a_peer_the_later_one_is_heard() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut done = ending(&[8]);
    done.state = EndState::Completed;
    let status = json!({"phase": "Succeeded", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": done.to_message()}}}]});
    let (first, second) = (pod(0, 0, &[4]), seal::tests::pod_of(0, 0, 1, &status));
    for order in [[&first, &second], [&second, &first]] {
        let store = store();
        order
            .iter()
            .zip([5, 9])
            .for_each(|(pod, second)| store.see(pod, at(second)));
        let endings = store.of("u");
        assert_eq!(endings.of_attempt(0).unwrap()[&0].checkpoints, [8]);
        assert!(endings.noticed(0, 0, 1).is_some() && endings.noticed(0, 0, 0).is_none());
        assert_eq!(endings.finished(0).into_keys().collect::<Vec<_>>(), [0]);
        assert!(endings.finished(1).is_empty());
    }
}

#[test]
fn models_that_differ_are_told_with_their_peers() {
    let with = |index, byte| {
        let mut ending = ending(&[]);
        ending.state = EndState::Completed;
        ending.model_hash = Some(ModelHash::from_bytes([byte; 32]));
        ended(index, 0, &ending)
    };
    let same = after(&[with(0, 1), with(1, 1), with(2, 1)]);
    assert_eq!(same.disagreement(0, 3), None);
    let differ = after(&[with(0, 1), with(1, 2), with(2, 1)]);
    let told = differ.disagreement(0, 3).unwrap();
    let expected = format!(
        "the peers ended with different models: {} at peer 0, 2; {} at peer 1; none of them is the result",
        "01".repeat(32),
        "02".repeat(32)
    );
    assert_eq!(told, expected);
    assert_eq!(differ.disagreement(1, 3), None, "it is of another attempt");
    // A peer that leaves no ending, or one without a model, hides nobody else's.
    let mut silent = ending(&[]);
    silent.state = EndState::Completed;
    let expected = format!(
        "the peers ended with different models: {} at peer 0; {} at peer 1; none of them is the result",
        "01".repeat(32),
        "02".repeat(32)
    );
    for third in [None, Some(ended(2, 0, &silent))] {
        let pods: Vec<_> = [with(0, 1), with(1, 2)].into_iter().chain(third).collect();
        assert_eq!(after(&pods).disagreement(0, 3), Some(expected.clone()));
    }
    // One that did not end well has no model of the run.
    let mut stopped = silent;
    stopped.state = EndState::Stopped;
    stopped.model_hash = Some(ModelHash::from_bytes([3; 32]));
    let two = [with(0, 1), with(1, 1), ended(2, 0, &stopped)];
    assert_eq!(after(&two).disagreement(0, 3), None);
}

#[test]
fn the_newest_common_checkpoint_is_gone_on_from() {
    let validated = validated(EVERY, CLAIM);
    let first = Ledger::default();
    let of = |endings: Endings, ledger: &Ledger, done| endings.checkpoint(&validated, ledger, done);
    let all = after(&[pod(0, 0, &[6, 4]), pod(1, 0, &[4, 2]), pod(2, 0, &[6, 4])]);
    assert_eq!(of(all.clone(), &first, 0), Some(4));
    // What one of them could not say is left to the others, and to the reports.
    assert_eq!(of(after(&[pod(0, 0, &[6, 4]), pod(1, 0, &[])]), &first, 0), Some(6));
    assert_eq!(of(Endings::default(), &first, 5), Some(4));
    assert_eq!(of(Endings::default(), &first, 1), None);
    assert_eq!(of(after(&[pod(0, 0, &[8, 6]), pod(1, 0, &[4, 2])]), &first, 9), None);
    // Where an attempt began in vain, the next does not begin.
    let began = Ledger {
        resume: 4,
        ..first.clone()
    };
    assert_eq!(of(after(&[pod(0, 1, &[4, 2]), pod(1, 1, &[])]), &began, 4), None);
    assert_eq!(of(all, &began, 4), Some(4));
}

/// An experiment was deleted, corrected and applied again under its name: its claims have checkpoints of before.
#[test]
fn what_an_earlier_experiment_left_is_not_gone_on_from() {
    let validated = validated(EVERY, CLAIM);
    let left = |rounds, checkpoints: &[u32]| {
        let mut ending = ending(checkpoints);
        ending.rounds = rounds;
        after(&[ended(0, 0, &ending), ended(1, 0, &ending), ended(2, 0, &ending)])
    };
    let of = |endings: Endings| endings.checkpoint(&validated, &Ledger::default(), 0);
    assert_eq!(of(left(0, &[6, 4])), None);
    assert_eq!(of(left(1, &[6, 4])), None);
    assert_eq!(of(left(4, &[6, 4])), Some(4));
}

#[test]
fn only_what_outlives_a_pod_counts() {
    let seen = after(&[pod(0, 0, &[4]), pod(1, 0, &[4]), pod(2, 0, &[4])]);
    let of = |validated: &Validated| seen.checkpoint(validated, &Ledger::default(), 4);
    assert_eq!(of(&validated("{type: none}", CLAIM)), None);
    assert_eq!(of(&validated(EVERY, "{type: emptyDir}")), None);
    assert_eq!(of(&validated(EVERY, CLAIM)), Some(4));
}

#[test]
fn the_latest_attempt_counts() {
    let seen = after(&[pod(0, 1, &[8]), pod(1, 0, &[2]), pod(2, 1, &[8])]);
    assert_eq!(seen.of_attempt(0), None);
    let peers: Vec<_> = seen.of_attempt(1).unwrap().keys().copied().collect();
    assert_eq!(peers, [0, 2]);
    let store = store();
    store.see(&pod(0, 0, &[2]), Timestamp::UNIX_EPOCH);
    store.forget("u");
    assert_eq!(store.of("u"), Endings::default());
}
