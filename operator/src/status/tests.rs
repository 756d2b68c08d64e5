mod absent;
mod figures;
mod samples;

use super::*;
use crate::life::PodState;
use samples::*;

#[test]
fn a_status_follows_an_experiment_to_its_end() {
    let validated = example();
    let none = Figures::default();
    let first = step(&ExperimentStatus::default(), Ledger::default(), &[], &none, 0);
    assert_eq!(first.phase, Some(Phase::Pending));
    assert_eq!(first.observed_generation, Some(7));
    assert_eq!(reason(&first, ConditionType::Accepted), "PlanMade");
    let started = recorded(&first, &validated, &running(), &Transition::Started, &none, at(1));
    let waits = step(&started, running(), &[PodState::Waiting, READY], &none, 2);
    assert_eq!(
        (waits.phase, waits.peers.as_ref().unwrap().text.as_str()),
        (Some(Phase::Starting), "1/2")
    );
    assert_eq!(reason(&waits, ConditionType::PeersReady), "WaitingForPeers");
    // A round is over before the last probe.
    let early = step(&waits, running(), &[PodState::Waiting, READY], &reported(1), 3);
    assert_eq!(early.phase, Some(Phase::Training));
    assert!(!early.is(ConditionType::PeersReady));
    let trains = step(&waits, running(), &[READY, READY], &reported(1), 3);
    assert_eq!(trains.phase, Some(Phase::Training));
    assert_eq!(trains.round.as_ref().unwrap().text, "1/4");
    assert_eq!(
        (trains.accuracy.as_deref(), trains.loss.as_deref()),
        (Some("0.9000"), Some("0.2000"))
    );
    assert_eq!(trains.exchanged.as_ref().unwrap().bytes, 1024);
    // A peer that is not ready for a moment does not end the training.
    let blinks = step(
        &trains,
        running(),
        &[READY, PodState::Running { ready: false }],
        &reported(2),
        4,
    );
    assert_eq!(blinks.phase, Some(Phase::Training));
    assert!(!blinks.is(ConditionType::PeersReady) && blinks.is(ConditionType::Training));
    let over = Ledger {
        stage: Stage::Complete,
        ..running()
    };
    let complete = recorded(&blinks, &validated, &over, &Transition::Completed, &reported(4), at(61));
    assert_eq!(complete.phase, Some(Phase::Complete));
    assert!(complete.is(ConditionType::Complete) && !complete.is(ConditionType::Training));
    assert_eq!(complete.peers.as_ref().unwrap().complete, 2);
    // Who waited for the end reads the last round, not the one that was written last.
    assert_eq!(complete.round.as_ref().unwrap().text, "4/4");
    assert_eq!(complete.model, Some("03".repeat(32)));
    // Later the pods may go, and the counts stay.
    let after = step(&complete, over, &[], &reported(4), 99);
    assert_eq!(
        (after.peers, after.round.unwrap().text.as_str()),
        (complete.peers, "4/4")
    );
    assert_eq!(after.model.unwrap(), "03".repeat(32));
    assert_eq!(after.end_time, complete.end_time);
}

#[test]
fn times_are_those_of_the_first_start_and_the_end() {
    let validated = example();
    let starting = Ledger {
        attempt: 1,
        begun: true,
        ..Ledger::default()
    };
    let first = recorded(
        &ExperimentStatus::default(),
        &validated,
        &starting,
        &Transition::RestartedFromScratch,
        &Figures::default(),
        at(10),
    );
    let again = recorded(
        &first,
        &validated,
        &starting,
        &Transition::RestartedFromScratch,
        &Figures::default(),
        at(20),
    );
    let failure = Failure {
        reason: "OOMKilled".into(),
        message: "exit code 137".into(),
        ..Failure::default()
    };
    let transition = Transition::GaveUp { index: 1, failure };
    let failed = Ledger {
        stage: Stage::Failed,
        restarts: 3,
        ..starting.clone()
    };
    let end = recorded(&again, &validated, &failed, &transition, &Figures::default(), at(75));
    assert_eq!((end.start_time.unwrap().0, end.end_time.unwrap().0), (at(10), at(75)));
    assert_eq!(end.duration_seconds, Some(65));
    assert_eq!(
        end.last_error.as_deref(),
        Some("peer 1 failed: OOMKilled: exit code 137")
    );
    let failed = end
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Failed")
        .unwrap();
    assert_eq!(
        failed.message,
        "peer 1 failed: OOMKilled: exit code 137; 3 restarts were used"
    );
}

#[test]
fn what_is_refused_or_cannot_be_applied_says_so() {
    let validated = example();
    let refused = refused(
        &ExperimentStatus::default(),
        2,
        "InvalidManifest",
        "groups: is empty",
        at(0),
    );
    // Nothing will come of it as it is: who waits for the end has it.
    assert_eq!(refused.phase, Some(Phase::Failed));
    assert_eq!(refused.reason.as_deref(), Some("InvalidManifest"));
    assert!(refused.is(ConditionType::Failed) && !refused.is(ConditionType::Accepted));
    assert_eq!(refused.end_time, Some(Time(at(0))));
    // Once it is corrected it begins after all, and nothing is left of that.
    let corrected = recorded(
        &refused,
        &validated,
        &running(),
        &Transition::Begins,
        &Figures::default(),
        at(1),
    );
    assert!(corrected.is(ConditionType::Accepted) && !corrected.is(ConditionType::Failed));
    assert_eq!((corrected.end_time, corrected.last_error), (None, None));
    let error = ApplyError::Foreign {
        kind: "Service",
        name: "x".into(),
    };
    let facts = facts(&[]);
    let taken = unapplied(&refused, &validated, &Ledger::default(), &facts, &error, at(1));
    assert!(taken.is(ConditionType::Accepted));
    assert_eq!(reason(&taken, ConditionType::PeersReady), "NameTaken");
    assert_eq!(
        (taken.phase, taken.reason.as_deref()),
        (Some(Phase::Pending), Some("NameTaken"))
    );
    assert!(
        taken
            .last_error
            .as_ref()
            .unwrap()
            .starts_with("the Service x exists and does not belong to this experiment")
    );
    // After the end it is not how the experiment ended.
    let ended = Ledger {
        stage: Stage::Complete,
        begun: true,
        ..Ledger::default()
    };
    let before = step(&refused, ended.clone(), &[], &Figures::default(), 2);
    let later = unapplied(&before, &validated, &ended, &facts, &error, at(3));
    assert_eq!(later.last_error, None);
    // What has passed is not told any more.
    let goes_on = step(&taken, running(), &[], &Figures::default(), 2);
    assert_eq!(goes_on.last_error, None);
}

/// What runs is not ended by a later manifest that cannot be built.
#[test]
fn a_running_experiment_outlives_a_manifest_that_is_refused() {
    let none = Figures::default();
    let runs = step(&ExperimentStatus::default(), running(), &[READY, READY], &none, 0);
    let refused = refused(&runs, 8, "InvalidManifest", "kubernetes: wrong", at(1));
    assert_eq!(
        (refused.phase, refused.reason.as_deref()),
        (Some(Phase::Training), Some("InvalidManifest"))
    );
    assert!(!refused.is(ConditionType::Failed) && refused.end_time.is_none());
}

#[test]
fn a_passed_trouble_is_not_told_of_what_is_complete() {
    let validated = example();
    let failure = Failure {
        reason: "OOMKilled".into(),
        ..Failure::default()
    };
    let again = Ledger {
        stage: Stage::Draining,
        attempt: 1,
        restarts: 1,
        ..running()
    };
    let transition = Transition::Restarting { index: 0, failure };
    let none = Figures::default();
    let restarts = recorded(
        &ExperimentStatus::default(),
        &validated,
        &again,
        &transition,
        &none,
        at(0),
    );
    let stage = Stage::Running;
    let trains = step(&restarts, again.in_stage(stage), &[], &none, 1);
    assert!(trains.last_error.unwrap().contains("OOMKilled"));
    let stage = Stage::Complete;
    let ends = recorded(
        &restarts,
        &validated,
        &again.in_stage(stage),
        &Transition::Completed,
        &reported(4),
        at(2),
    );
    assert_eq!((ends.last_error, ends.reason), (None, None));
    assert!(ends.end_time.is_some());
}

/// Out of quota, unschedulable and invalid are told apart at a glance.
#[test]
fn who_waits_for_room_says_so_and_can_be_changed() {
    let validated = example();
    let status = kube::core::Status {
        code: 403,
        message: "exceeded quota: few".into(),
        ..kube::core::Status::default()
    };
    let error = kube::Error::Api(Box::new(status));
    let error = ApplyError::api(crate::apply::Doing::Create, "Pod", "x-1-0", error);
    assert!(error.is_no_room());
    let starting = Ledger {
        begun: true,
        ..Ledger::default()
    };
    let prior = ExperimentStatus::default();
    let facts = facts(&[PodState::Waiting]);
    let refused = unapplied(&prior, &validated, &starting, &facts, &error, at(0));
    let back = Ledger {
        attempt: 1,
        ..Ledger::default()
    };
    let none = Figures::default();
    let given = recorded(&refused, &validated, &back, &Transition::GaveBack, &none, at(1));
    for (status, started) in [(&refused, true), (&given, false)] {
        assert_eq!(status.phase, Some(Phase::Pending));
        assert_eq!(status.reason.as_deref(), Some("QuotaExceeded"));
        assert!(status.last_error.is_some());
        assert_eq!(status.start_time.is_some(), started);
    }
}

/// Where all peers are needed, before it is started again: its peers have failed, so it does not train.
#[test]
fn who_has_failed_does_not_train() {
    let validated = of_peers(2, "failurePolicy: {onPeerLoss: fail}");
    let step = |prior: &ExperimentStatus, states: &[PodState], second| {
        let done = Applied::nothing(facts(states));
        applied(prior, &validated, &running(), &done, None, &reported(1), at(second))
    };
    let trains = step(&ExperimentStatus::default(), &[READY, READY], 0);
    assert_eq!(trains.phase, Some(Phase::Training));
    let failed = PodState::Failed(Failure::default());
    let waits = step(&trains, &[failed, READY], 1);
    assert_eq!(
        (waits.phase, waits.reason.as_deref()),
        (Some(Phase::Starting), Some("PeerFailed"))
    );
    assert!(!waits.is(ConditionType::Training));
}
