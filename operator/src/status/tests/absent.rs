//! Peers that are absent while the others go on.

use super::{super::*, samples::*};
use crate::life::{PodState, Replaced, ReplacedState};

const ABSENT: PodState = PodState::Running { ready: false };

fn replaced(index: u32, state: ReplacedState) -> Ledger {
    let peer = Replaced {
        incarnation: 0,
        state,
        row: 1,
        since: Some(at(60)),
        reason: "Evicted".into(),
        ..Replaced::default()
    };
    Ledger {
        replaced: [(index, peer)].into(),
        ..running()
    }
}

/// Of five peers, of which a round needs three.
fn look(prior: &ExperimentStatus, ledger: &Ledger, states: &[PodState], second: i64) -> ExperimentStatus {
    let done = Applied::nothing(facts(states));
    let none = Figures::default();
    applied(prior, &of_peers(5, "seed: 1"), ledger, &done, None, &none, at(second))
}

fn stalled(status: &ExperimentStatus) -> (bool, &str, &str) {
    let found = status.condition(ConditionType::Stalled).unwrap();
    (found.status == "True", &found.reason, &found.message)
}

#[test]
fn who_is_absent_is_told_with_since_when_and_why() {
    let all = [READY, READY, READY, READY, READY];
    let trains = look(&ExperimentStatus::default(), &running(), &all, 0);
    assert_eq!((trains.phase, trains.reason.as_deref()), (Some(Phase::Training), None));
    assert_eq!(stalled(&trains), (false, "NotStalled", "no peer is absent"));

    let mut states = all.clone();
    states[3] = ABSENT;
    let ledger = replaced(3, ReplacedState::Replaced);
    let absent = look(&trains, &ledger, &states, 61);
    assert_eq!(
        (absent.phase, absent.reason.as_deref()),
        (Some(Phase::Training), Some("PeerAbsent"))
    );
    let said = "peer 3 is absent since 1970-01-01T00:01:00Z (Evicted), and pod x-3-0 takes its place";
    assert_eq!(stalled(&absent), (true, "PeerAbsent", said));
    assert!(absent.is(ConditionType::Training));

    // It has caught up: nobody is absent, whether it has finished a round or not.
    let back = look(&absent, &ledger, &all, 62);
    assert!(!stalled(&back).0);
    assert_eq!(back.reason, None);
    // One that was not replaced and is not ready for a moment is not told.
    assert!(!stalled(&look(&back, &running(), &states, 63)).0);
}

#[test]
fn nobody_waits_for_a_peer_that_joins_later() {
    let plan = of_peers(5, "churn: [{event: join, peers: [3], round: 3}]");
    assert_eq!(plan.plan.joins, [3].into());
    let look = |ledger: &Ledger, states: &[PodState]| {
        let facts = Facts {
            joins: plan.plan.joins.clone(),
            ..facts(states)
        };
        let none = Figures::default();
        let done = Applied::nothing(facts);
        applied(&ExperimentStatus::default(), &plan, ledger, &done, None, &none, at(1))
    };
    let mut states = [READY, READY, READY, ABSENT, READY];
    // Also when its pod was replaced meanwhile.
    for ledger in [running(), replaced(3, ReplacedState::Replaced)] {
        let status = look(&ledger, &states);
        assert_eq!((status.phase, status.reason.as_deref()), (Some(Phase::Training), None));
        let ready = status.condition(ConditionType::PeersReady).unwrap();
        let said = "4 of 5 peers are ready or complete; yet to join: 1";
        assert_eq!((ready.reason.as_str(), ready.message.as_str()), ("AllReady", said));
        assert!(!stalled(&status).0);
    }
    states[1] = ABSENT;
    let status = look(&running(), &states);
    assert_eq!(reason(&status, ConditionType::PeersReady), "WaitingForPeers");
    assert_eq!(status.phase, Some(Phase::Starting));
    let all = look(&running(), &[READY, READY, READY, READY, READY]);
    assert!(
        !all.condition(ConditionType::PeersReady)
            .unwrap()
            .message
            .contains("join")
    );
}

#[test]
fn too_few_are_a_pause() {
    let all = [READY, READY, READY, READY, READY];
    let trains = look(&ExperimentStatus::default(), &running(), &all, 0);
    let few = [READY, READY, ABSENT, ABSENT, ABSENT];
    let mut ledger = running();
    for index in 2..5 {
        ledger
            .replaced
            .extend(replaced(index, ReplacedState::Replaced).replaced);
    }
    // Not ready for a moment is not absent.
    assert_eq!(look(&trains, &running(), &few, 1).phase, Some(Phase::Training));
    let paused = look(&trains, &ledger, &few, 1);
    assert_eq!(
        (paused.phase, paused.reason.as_deref()),
        (Some(Phase::Paused), Some("BelowMinPeers"))
    );
    let (holds, _, said) = stalled(&paused);
    assert!(
        holds && said.starts_with("2 of 5 peers take part, and a round needs 3: they wait for others, and fail about "),
        "{said}"
    );
    let pause = &paused.condition(ConditionType::Paused).unwrap().message;
    assert!(said.starts_with(&format!("{pause}; peer 2 is absent since ")), "{said}");
    // It says the same until it is over.
    assert_eq!(look(&paused, &ledger, &few, 5).conditions, paused.conditions);
    let again = look(&paused, &ledger, &all, 2);
    assert_eq!((again.phase, again.reason.as_deref()), (Some(Phase::Training), None));
    // Before they have all been there they are not waited for like that.
    let starts = look(&ExperimentStatus::default(), &ledger, &few, 0);
    assert_eq!(starts.phase, Some(Phase::Starting));
    // Peers that do not reach each other say so themselves.
    let figures = Figures::default().with_pause(Some(2));
    let done = Applied::nothing(facts(&all));
    let split = applied(
        &trains,
        &of_peers(5, "seed: 1"),
        &running(),
        &done,
        None,
        &figures,
        at(1),
    );
    assert_eq!(
        (split.phase, split.reason.as_deref()),
        (Some(Phase::Paused), Some("BelowMinPeers"))
    );
}

#[test]
fn whoever_is_lost_is_counted_and_the_others_complete() {
    let ledger = replaced(4, ReplacedState::Lost);
    let mut states = vec![READY; 5];
    states[4] = PodState::Failed(Failure::default());
    let prior = ExperimentStatus::default();
    let trains = look(&prior, &running(), &vec![READY; 5], 0);
    let lost = look(&trains, &ledger, &states, 1);
    assert_eq!(
        stalled(&lost),
        (true, "PeerLost", "peer 4 is lost since 1970-01-01T00:01:00Z (Evicted)")
    );
    let peers = lost.peers.clone().unwrap();
    assert_eq!((peers.ready, peers.failed, peers.text.as_str()), (4, 1, "4/5"));
    // Its pod may be gone.
    let mut gone = facts(&states);
    gone.pods.pop();
    let done = Applied::nothing(gone);
    let none = Figures::default();
    let later = applied(&lost, &of_peers(5, "seed: 1"), &ledger, &done, None, &none, at(2));
    assert_eq!(later.peers, lost.peers);

    let over = ledger.in_stage(Stage::Complete);
    let validated = of_peers(5, "seed: 1");
    let complete = recorded(&lost, &validated, &over, &Transition::Completed, &none, at(3));
    let peers = complete.peers.clone().unwrap();
    assert_eq!((peers.complete, peers.failed), (4, 1));
    let said = &complete.condition(ConditionType::Complete).unwrap().message;
    assert_eq!(said, "all peers have completed but 1, which were lost");
    assert!(!stalled(&complete).0);
    assert_eq!((complete.phase, complete.reason), (Some(Phase::Complete), None));
}

#[test]
fn a_failure_is_told_until_its_peer_is_back() {
    let validated = of_peers(5, "seed: 1");
    let loss = |disrupted| Loss {
        index: 3,
        failure: Failure {
            reason: "OOMKilled".into(),
            disrupted,
            ..Failure::default()
        },
    };
    let none = Figures::default();
    let ledger = replaced(3, ReplacedState::Replacing);
    let step = |disrupted| {
        let transition = Transition::Replacing {
            losses: vec![loss(disrupted)],
        };
        let prior = ExperimentStatus::default();
        recorded(&prior, &validated, &ledger, &transition, &none, at(1))
    };
    assert_eq!(step(true).last_error, None);
    let failed = step(false);
    assert_eq!(failed.last_error.as_deref(), Some("peer 3 failed: OOMKilled"));
    assert_eq!(failed.replaced.len(), 1);
    let mut back = ledger.clone();
    let peer = back.replaced.get_mut(&3).unwrap();
    (peer.row, peer.state) = (0, ReplacedState::Replaced);
    let transition = Transition::Back { peers: vec![3] };
    assert_eq!(
        recorded(&failed, &validated, &back, &transition, &none, at(2)).last_error,
        None
    );
}
