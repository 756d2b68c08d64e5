//! Peers that fail, pods that go, and what outlives them.

use super::{
    super::*,
    world::{World, failure},
};

#[test]
fn a_failure_restarts_all_within_the_budget() {
    let mut world = World::new(2);
    world.settle();
    for (restarts, checkpoint) in [(1, None), (2, Some(3))] {
        world.checkpoint = checkpoint;
        world.set(2, &failure());
        world.settle();
        let expected = Ledger {
            stage: Stage::Running,
            attempt: restarts,
            restarts,
            resume: checkpoint.unwrap_or(0),
            begun: true,
            ..Ledger::default()
        };
        assert_eq!(world.ledger, expected);
        assert_eq!(world.pods.len(), 4);
    }
    world.set(1, &failure());
    world.set(3, &PodState::Succeeded);
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Failed);
    // What has ended stays, for its logs.
    let left: Vec<_> = world.pods.keys().cloned().collect();
    assert_eq!(left, ["x-1-2", "x-3-2"]);
    assert!(matches!(
        world.transitions[..],
        [
            Transition::Begins,
            Transition::Started,
            Transition::Restarting { index: 2, .. },
            Transition::RestartedFromScratch,
            Transition::Started,
            Transition::Restarting { index: 2, .. },
            Transition::ResumedFromCheckpoint { rounds: 3 },
            Transition::Started,
            Transition::GaveUp { index: 1, .. },
        ]
    ));
}

#[test]
fn the_first_failure_is_told() {
    let mut world = World::new(0);
    world.settle();
    let at = |second| {
        PodState::Failed(Failure {
            at: Some(Timestamp::from_second(second).unwrap()),
            ..Failure::default()
        })
    };
    world.set(
        2,
        &PodState::Failed(Failure {
            at: Some(Timestamp::from_second(-101).unwrap()),
            blames: true,
            ..Failure::default()
        }),
    );
    world.set(3, &at(-100));
    world.set(0, &at(-99));
    world.set(1, &failure());
    world.settle();
    assert!(matches!(world.transitions[2], Transition::GaveUp { index: 3, .. }));
}

#[test]
fn a_restart_waits_longer_each_time() {
    let at = Timestamp::UNIX_EPOCH;
    let ledger = Ledger {
        stage: Stage::Running,
        restarts: 2,
        ..Ledger::default()
    };
    let mut world = World::new(9);
    world.settle();
    world.set(
        0,
        &PodState::Failed(Failure {
            at: Some(at),
            ..Failure::default()
        }),
    );
    let after = |seconds| {
        let now = Timestamp::from_second(seconds).unwrap();
        decide(&ledger, &world.facts(), now)
    };
    let again = |seconds| Decision::wait(Duration::from_secs(seconds));
    assert_eq!(after(0), again(8));
    assert_eq!(after(7), again(1));
    assert!(matches!(after(8), Decision::Record { .. }));
    // A node whose clock is ahead does not hold it up: nothing has ended later than it was seen.
    let noticed = |second: Option<i64>| {
        let mut facts = world.facts();
        facts.pods[0].state = PodState::Failed(Failure {
            at: Some(Timestamp::from_second(3600).unwrap()),
            noticed: second.map(|second| Timestamp::from_second(second).unwrap()),
            ..Failure::default()
        });
        {
            let ledger = ledger.clone();
            move |seconds| decide(&ledger, &facts, Timestamp::from_second(seconds).unwrap())
        }
    };
    assert_eq!(noticed(Some(0))(1), again(7));
    assert!(matches!(noticed(Some(0))(8), Decision::Record { .. }));
    assert!(matches!(noticed(None)(0), Decision::Record { .. }));
    // Nor does one whose clock is behind take the pause away.
    let mut facts = world.facts();
    facts.pods[0].state = PodState::Failed(Failure {
        at: Some(Timestamp::from_second(-3600).unwrap()),
        noticed: Some(at),
        ..Failure::default()
    });
    assert_eq!(decide(&ledger, &facts, at), again(8));
}

/// The kubelet of a peer that only heard of a conviction may tell first; a restart would be in vain.
#[test]
fn who_is_blamed_may_say_why_before_anything_follows() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let blames = PodState::Failed(Failure {
        blames: true,
        noticed: Some(at(0)),
        ..Failure::default()
    });
    let wait = |seconds| Decision::wait(Duration::from_secs(seconds));
    for budget in [0, 9] {
        let mut world = World::new(budget);
        world.settle();
        world.set(0, &blames);
        let after = |world: &World, second| decide(&world.ledger, &world.facts(), at(second));
        assert_eq!(after(&world, 0), wait(15));
        assert_eq!(after(&world, 14), wait(1));
        assert!(matches!(after(&world, 15), Decision::Record { .. }));
        // A proof ends it at once, and so does the first that blames nobody once its own pause is over.
        let proof = PodState::Failed(Failure {
            permanent: true,
            noticed: Some(at(3)),
            ..Failure::default()
        });
        let mut proven = world.clone();
        proven.set(1, &proof);
        let Decision::Record { transition, .. } = after(&proven, 3) else {
            panic!("it waits for what is there");
        };
        assert!(matches!(transition, Transition::GaveUp { index: 1, .. }));
        // A pod that is gone is a cause too.
        world.pods.remove("x-3-0");
        let Decision::Record { transition, .. } = after(&world, 1) else {
            panic!("it waits for a pod that is gone");
        };
        assert!(matches!(
            transition,
            Transition::GaveUp { index: 3, .. } | Transition::Restarting { index: 3, .. }
        ));
    }
}

/// A service mesh's proxy runs on beside a peer that has ended, and holds what the pod was given.
#[test]
fn what_outlives_its_peer_is_ended_and_stays() {
    let lingering = |failed: bool| {
        let mut world = World::new(0);
        world.settle();
        for pod in world.pods.values_mut() {
            pod.state = PodState::Succeeded;
            pod.lingers = true;
        }
        if failed {
            world.set(2, &failure());
            world.pods.get_mut("x-2-0").unwrap().state = failure();
        }
        world
    };
    for (failed, stage) in [(false, Stage::Complete), (true, Stage::Failed)] {
        let mut world = lingering(failed);
        world.settle();
        assert_eq!((world.ledger.stage, world.pods.len()), (stage, 4));
        assert!(world.pods.values().all(|pod| !pod.lingers));
    }
    // One of others is not changed.
    let mut world = lingering(false);
    world.pods.get_mut("x-1-0").unwrap().sealed = false;
    world.ledger.stage = Stage::Complete;
    world.settle();
    assert!(world.pods["x-1-0"].lingers);
}

/// Somebody has replaced the root secret: no pod that is there is one of ours any more.
#[test]
fn pods_under_another_seal_are_told_as_such_and_keep_their_logs() {
    let mut world = World::new(0);
    world.settle();
    world.set(0, &PodState::Succeeded);
    for pod in world.pods.values_mut() {
        pod.sealed = false;
    }
    let mut ended = world.clone();
    world.settle();
    let Some(Transition::GaveUp { index: 0, failure }) = world.transitions.last() else {
        panic!("{:?}", world.transitions);
    };
    assert!(failure.message.contains("fltorrent-operator-root"));
    let left = |world: &World| world.pods.keys().cloned().collect::<Vec<_>>();
    assert_eq!(left(&world), ["x-0-0"]);
    ended.ledger.stage = Stage::Complete;
    ended.settle();
    assert_eq!(left(&ended), ["x-0-0"]);
}

#[test]
fn an_attempt_that_has_no_next_one_is_the_last() {
    let mut world = World::new(5);
    world.ledger.attempt = u32::MAX;
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Running);
    world.suspend = true;
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Suspended, 0));
    world.suspend = false;
    world.settle();
    world.set(0, &failure());
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Failed);
}

#[test]
fn a_pod_that_is_not_sealed_is_nothing_but_in_the_way() {
    let mut world = World::new(1);
    world.settle();
    let forged = |name: &str, attempt| PodFacts {
        name: name.into(),
        index: 0,
        attempt,
        incarnation: 0,
        sealed: false,
        state: failure(),
        lingers: false,
        leaving: None,
        disruption: None,
    };
    // Of a later attempt, of this one, of no peer: none of them is believed, all of them go.
    for (name, attempt) in [("x-0-9", u32::MAX), ("other", 0)] {
        world.pods.insert(name.into(), forged(name, attempt));
    }
    let before = world.ledger.clone();
    world.settle();
    assert_eq!((&world.ledger, world.pods.len()), (&before, 4));
    // A peer whose pod was replaced by another is gone.
    world.pods.insert("x-0-0".into(), forged("x-0-0", 0));
    world.settle();
    assert_eq!((world.ledger.attempt, world.ledger.stage), (1, Stage::Running));
    // One that the operator created and did not come to seal is made again.
    let mut world = World::new(0);
    for _ in 0..2 {
        let seen = world.clone();
        assert!(world.reconcile(&seen, 1));
    }
    world.pods.get_mut("x-0-0").unwrap().sealed = false;
    world.pods.get_mut("x-0-0").unwrap().state = PodState::Waiting;
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Running, 4));
    assert_eq!(world.created["x-0-0"], 2);
    assert!(world.pods.values().all(|pod| pod.sealed));
}

/// A shrunk case: one that runs and is not sealed goes for both reasons, and is deleted once.
#[test]
fn a_pod_is_deleted_once() {
    let mut world = World::new(0);
    world.settle();
    world.pods.get_mut("x-1-0").unwrap().sealed = false;
    world.pods.remove("x-2-0");
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Failed, 0));
}

/// A peer has signed two updates for one round, say: the others end with the proof, and it itself may say anything.
#[test]
fn what_is_proven_is_not_tried_again() {
    let mut world = World::new(5);
    world.settle();
    let proof = Failure {
        blames: true,
        permanent: true,
        ..Failure::default()
    };
    world.set(0, &failure());
    world.set(2, &PodState::Failed(proof));
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.restarts), (Stage::Failed, 0));
    assert!(matches!(world.transitions[2], Transition::GaveUp { index: 2, .. }));
}

#[test]
fn peers_that_end_with_different_models_have_failed() {
    let mut world = World::new(5);
    world.settle();
    world.disagreement = Some("who has which".into());
    world.all_succeed();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Failed, 4));
    let message = "who has which".to_owned();
    assert_eq!(world.transitions[2..], [Transition::ModelsDiffer { message }]);
}

#[test]
fn a_pod_that_somebody_deletes_is_a_failure() {
    let mut world = World::new(1);
    world.settle();
    world.pods.remove("x-3-0");
    world.settle();
    assert_eq!((world.ledger.attempt, world.ledger.restarts), (1, 1));
    world.pods.get_mut("x-0-1").unwrap().leaving = Some(Timestamp::UNIX_EPOCH);
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    assert_eq!(world.ledger.stage, Stage::Failed);
    // But not one that had finished.
    let mut world = World::new(0);
    world.settle();
    world.set(0, &PodState::Succeeded);
    world.pods.get_mut("x-0-0").unwrap().leaving = Some(Timestamp::UNIX_EPOCH);
    let seen = world.clone();
    assert!(!world.reconcile(&seen, u32::MAX));
}
