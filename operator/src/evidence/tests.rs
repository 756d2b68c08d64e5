use fltorrent_coordinator::ending::EndState;
use fltorrent_crds::manifest;
use serde_json::{from_value, json};
use std::sync::Arc;

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

fn pod(index: u32, attempt: u32, checkpoints: &[u32]) -> Pod {
    let mut ending = Ending::new(EndState::Stopped, "1");
    ending.checkpoints = checkpoints.to_vec();
    from_value(json!({
        "metadata": {
            "name": format!("x-{index}-{attempt}"),
            "labels": {crate::names::INDEX: index.to_string(), crate::names::ATTEMPT: attempt.to_string()},
            "ownerReferences": [{"apiVersion": "a", "kind": "FLTorrentExperiment", "name": "x", "uid": "u", "controller": true}],
        },
        "status": {"phase": "Failed", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 1, "message": ending.to_message()}}}]},
    }))
    .unwrap()
}

fn after(pods: &[Pod]) -> Endings {
    let evidence = Evidence::default();
    pods.iter().for_each(|pod| evidence.see(pod));
    evidence.of("u")
}

#[test]
fn the_newest_common_checkpoint_is_gone_on_from() {
    let validated = validated(EVERY, CLAIM);
    let first = Ledger::default();
    let of = |endings: Endings, ledger, done| endings.checkpoint(&validated, ledger, done);
    let all = after(&[pod(0, 0, &[6, 4]), pod(1, 0, &[4, 2]), pod(2, 0, &[6, 4])]);
    assert_eq!(of(all.clone(), first, 0), Some(4));
    // What one of them could not say is left to the others, and to the reports.
    assert_eq!(
        of(after(&[pod(0, 0, &[6, 4]), pod(1, 0, &[])]), first, 0),
        Some(6)
    );
    assert_eq!(of(Endings::default(), first, 5), Some(4));
    assert_eq!(of(Endings::default(), first, 1), None);
    assert_eq!(
        of(after(&[pod(0, 0, &[8, 6]), pod(1, 0, &[4, 2])]), first, 9),
        None
    );
    // Where an attempt began in vain, the next does not begin.
    let began = Ledger { resume: 4, ..first };
    assert_eq!(
        of(after(&[pod(0, 1, &[4, 2]), pod(1, 1, &[])]), began, 4),
        None
    );
    assert_eq!(of(all, began, 4), Some(4));
}

#[test]
fn only_what_outlives_a_pod_counts() {
    let seen = after(&[pod(0, 0, &[4]), pod(1, 0, &[4]), pod(2, 0, &[4])]);
    let of = |validated: &Validated| seen.checkpoint(validated, Ledger::default(), 4);
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
    let evidence = Evidence::default();
    evidence.see(&pod(0, 0, &[2]));
    evidence.forget("u");
    assert_eq!(evidence.of("u"), Endings::default());
}
