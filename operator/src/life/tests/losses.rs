//! Peers that are lost while the others go on.

use super::{
    super::*,
    world::{MIN_PEERS, PEERS, READY, World, failure},
};

fn failed(change: impl Fn(&mut Failure)) -> PodState {
    let mut failed = Failure {
        reason: "Error".into(),
        ..Failure::default()
    };
    change(&mut failed);
    PodState::Failed(failed)
}

fn names(world: &World) -> Vec<&str> {
    world.pods.keys().map(String::as_str).collect()
}

/// The last steps, by name.
fn steps(world: &World) -> Vec<&'static str> {
    let name = |transition: &Transition| match transition {
        Transition::Begins => "begins",
        Transition::Started => "started",
        Transition::Replacing { .. } => "replacing",
        Transition::Replaced { .. } => "replaced",
        Transition::Back { .. } => "back",
        Transition::Lost { .. } => "lost",
        Transition::Restarting { .. } => "restarting",
        Transition::GaveUp { .. } => "gave up",
        Transition::Completed => "completed",
        _ => "another",
    };
    world.transitions.iter().map(name).collect()
}

#[test]
fn one_that_fails_is_replaced_and_the_others_stay() {
    let mut world = World::that_goes_on(1);
    world.begin();
    world.set(2, &failure());
    world.settle();
    assert_eq!(names(&world), ["x-0-0", "x-1-0", "x-2-0-r1", "x-3-0"]);
    assert_eq!(steps(&world), ["begins", "started", "replacing", "replaced"]);
    assert_eq!((world.ledger.attempt, world.ledger.restarts), (0, 0));
    assert!(world.created.values().all(|&times| times == 1));
    // What is reported before it is ready is of the process before it.
    world.rounds.insert(2, 1);
    for state in [PodState::Waiting, PodState::Running { ready: false }] {
        world.set(2, &state);
        world.settle();
        assert_eq!(steps(&world).last(), Some(&"replaced"));
    }
    // A round gives it its budget back.
    world.set(2, &READY);
    world.settle();
    assert_eq!(steps(&world).last(), Some(&"back"));
    world.set(2, &failure());
    world.settle();
    assert_eq!(world.ledger.incarnation(2), 2);
    world.set(2, &READY);
    world.all_succeed();
    assert_eq!((world.ledger.stage, world.ledger.attempt), (Stage::Complete, 0));
}

#[test]
fn a_budget_is_of_one_peer_and_its_end_is_a_loss_of_that_peer() {
    let mut world = World::that_goes_on(1);
    world.begin();
    for index in [1, 2, 1] {
        world.set(index, &failure());
        world.now += Duration::from_secs(600);
        world.settle();
    }
    assert!(world.ledger.is_lost(1) && !world.ledger.is_lost(2));
    // Its last pod stays, for its logs.
    assert_eq!(names(&world), ["x-0-0", "x-1-0-r1", "x-2-0-r1", "x-3-0"]);
    // What it does not finish nobody waits for.
    for index in [0, 2, 3] {
        world.set(index, &PodState::Succeeded);
    }
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.lost()), (Stage::Complete, 1));
    assert_eq!(steps(&world)[6..], ["lost", "completed"]);
}

#[test]
fn what_is_taken_away_costs_nothing() {
    let mut world = World::that_goes_on(0);
    world.begin();
    world.pods.remove("x-0-0");
    world.settle();
    let leaves = world.pods.get_mut("x-1-0").unwrap();
    leaves.leaving = Some(world.now);
    leaves.disruption = Some(Failure {
        reason: "EvictionByEvictionAPI".into(),
        disrupted: true,
        ..Failure::default()
    });
    let seen = world.clone();
    // Its successor does not wait for it to be gone.
    (0..2).for_each(|_| assert!(world.reconcile(&seen, u32::MAX)));
    assert!(world.pods.contains_key("x-1-0") && world.pods.contains_key("x-1-0-r1"));
    let Some(Transition::Replacing { losses }) = world.transitions.last() else {
        panic!("{:?}", world.transitions);
    };
    assert_eq!(losses[0].failure.reason, "EvictionByEvictionAPI");
    world.set(2, &failed(|failure| failure.disrupted = true));
    world.settle();
    assert_eq!(names(&world), ["x-0-0-r1", "x-1-0-r1", "x-2-0-r1", "x-3-0"]);
    assert!(
        world
            .ledger
            .replaced
            .values()
            .all(|peer| (peer.used, peer.row) == (0, 1))
    );
}

#[test]
fn who_left_or_proves_something_is_not_replaced() {
    for state in [
        failed(|failure| failure.of_no_use = true),
        failed(|failure| failure.permanent = true),
    ] {
        let mut world = World::that_goes_on(9);
        world.begin();
        world.set(3, &state);
        world.settle();
        assert_eq!(steps(&world).last(), Some(&"lost"));
        assert_eq!(names(&world), ["x-0-0", "x-1-0", "x-2-0", "x-3-0"]);
    }
    // With too few left, a proof is the end.
    let mut world = World::that_goes_on(9);
    world.begin();
    for index in 0..=(PEERS - MIN_PEERS) {
        world.set(index, &failed(|failure| failure.permanent = true));
        world.settle();
    }
    assert_eq!(
        (world.ledger.stage, steps(&world).last()),
        (Stage::Failed, Some(&"gave up"))
    );
}

#[test]
fn with_too_few_left_all_begin_again() {
    let mut world = World::that_goes_on(1);
    world.begin();
    world.checkpoint = Some(4);
    for index in [0, 0, 1, 1, 2, 2] {
        world.set(index, &READY);
        world.set(index, &failure());
        world.now += Duration::from_secs(600);
        world.settle();
    }
    let expected = Ledger {
        stage: Stage::Running,
        attempt: 1,
        restarts: 1,
        resume: 4,
        begun: true,
        ..Ledger::default()
    };
    assert_eq!(world.ledger, expected);
    assert_eq!(names(&world), ["x-0-1", "x-1-1", "x-2-1", "x-3-1"]);
    // The budget of all is used up as well.
    world.trains = false;
    (0..PEERS).for_each(|index| world.set(index, &failure()));
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Failed);
}

#[test]
fn when_nobody_is_left_who_has_the_model_all_begin_again() {
    // All pods are deleted at once: nobody had a part in it.
    let mut world = World::that_goes_on(0);
    world.begin();
    world.pods.clear();
    world.settle();
    assert_eq!(
        (world.ledger.attempt, world.ledger.restarts, world.pods.len()),
        (1, 0, 4)
    );
    // One after the other, before the first that was replaced has caught up.
    let mut world = World::that_goes_on(0);
    world.begin();
    for name in ["x-0-0", "x-1-0", "x-2-0"] {
        world.pods.remove(name);
        world.settle();
    }
    assert_eq!(world.ledger.attempt, 0);
    world.pods.remove("x-3-0");
    world.settle();
    assert_eq!(world.ledger.attempt, 1);
    // A restart of all, one by one, is none of the whole.
    let mut world = World::that_goes_on(0);
    world.begin();
    for index in 0..PEERS {
        world.pods.remove(&format!("x-{index}-0"));
        world.settle();
        world.set(index, &READY);
    }
    world.settle();
    assert_eq!((world.ledger.attempt, world.ledger.replacements()), (0, 4));
}

/// All that begin anew in one round, as the manifest says, do so in each attempt.
#[test]
fn all_that_begin_anew_take_a_restart() {
    let mut world = World::that_goes_on(1);
    world.begin();
    let anew = failed(|failure| (failure.disrupted, failure.anew) = (true, true));
    // One alone costs nothing.
    world.set(1, &anew);
    world.settle();
    let replaced = &world.ledger.replaced[&1];
    assert_eq!((replaced.used, replaced.incarnation), (0, 1));
    (0..PEERS).for_each(|index| world.set(index, &anew));
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.attempt, world.ledger.restarts),
        (Stage::Running, 1, 1)
    );
    (0..PEERS).for_each(|index| world.set(index, &anew));
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.restarts), (Stage::Failed, 1));
}

#[test]
fn who_was_lost_before_does_not_pay_for_what_others_suffer() {
    let mut world = World::that_goes_on(0);
    world.begin();
    world.set(3, &failure());
    world.settle();
    assert!(world.ledger.is_lost(3) && world.pods.contains_key("x-3-0"));
    world.pods.retain(|name, _| name == "x-3-0");
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.attempt, world.ledger.restarts),
        (Stage::Running, 1, 0)
    );
}

/// Its pod was gone before it was seen to have ended well.
#[test]
fn a_finished_peers_next_pod_does_not_outlive_the_run() {
    let mut world = World::that_goes_on(0);
    world.begin();
    world.pods.remove("x-1-0");
    world.settle();
    world.set(1, &READY);
    world.finished.insert((0, 1));
    for index in [0, 2, 3] {
        world.set(index, &PodState::Succeeded);
    }
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Complete);
    assert_eq!(names(&world), ["x-0-0", "x-2-0", "x-3-0"]);
}

/// Before anything is trained, one that has not begun can begin it.
#[test]
fn one_that_fails_at_the_start_is_replaced() {
    let mut world = World::that_goes_on(1);
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    let seen = world.clone();
    assert!(world.reconcile(&seen, 2));
    assert_eq!(
        (names(&world), world.ledger.stage),
        (vec!["x-0-0", "x-1-0"], Stage::Starting)
    );
    world.set(0, &failure());
    world.settle();
    assert_eq!(names(&world), ["x-0-0-r1", "x-1-0", "x-2-0", "x-3-0"]);
    assert_eq!((world.ledger.stage, world.ledger.attempt), (Stage::Running, 0));
}

#[test]
fn who_does_not_come_back_waits_longer_each_time() {
    let mut world = World::that_goes_on(9);
    world.begin();
    let mut waited = Vec::new();
    for _ in 0..4 {
        world.set(0, &failure());
        let mut seconds = 0;
        while let Decision::Act { again, .. } = decide(&world.ledger, &world.facts(), world.now) {
            let rest = again.unwrap();
            seconds += rest.as_secs();
            world.now += rest;
        }
        waited.push(seconds);
        world.settle();
    }
    assert_eq!(waited, [0, 2, 4, 8]);
    // One that ran for long has waited.
    world.now += Duration::from_secs(600);
    world.set(0, &failure());
    assert!(matches!(
        decide(&world.ledger, &world.facts(), world.now),
        Decision::Record { .. }
    ));
}

#[test]
fn who_comes_after_the_end_is_not_waited_for() {
    let mut world = World::that_goes_on(9);
    world.begin();
    world.pods.remove("x-0-0");
    world.settle();
    (1..3).for_each(|index| world.set(index, &PodState::Succeeded));
    // A pod that has finished may go.
    world.pods.remove("x-1-0");
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Running);
    assert!(world.ledger.is_lost(0) && !world.pods.contains_key("x-0-0-r1"));
    // One that still runs is given some time.
    world.late_from = Some(world.now + Duration::from_secs(90));
    let Decision::Act { again, .. } = decide(&world.ledger, &world.facts(), world.now) else {
        panic!("it is not waited for");
    };
    assert_eq!(again, Some(Duration::from_secs(90)));
    world.now += Duration::from_secs(90);
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.lost()), (Stage::Complete, 2));
    assert_eq!(names(&world), ["x-2-0"]);
}

/// Its node does not answer, so that its pod never goes: nothing waits for that.
#[test]
fn a_pod_on_a_dead_node_holds_nothing_up() {
    let mut world = World::that_goes_on(0);
    world.begin();
    let stuck = |world: &mut World, name: &str| {
        let pod = world.pods.get_mut(name).unwrap();
        pod.leaving = Some(world.now);
        pod.clone()
    };
    let step = |world: &mut World| {
        let seen = world.clone();
        world.reconcile(&seen, u32::MAX)
    };
    stuck(&mut world, "x-0-0");
    while step(&mut world) {}
    assert!(world.pods.contains_key("x-0-0-r1") && world.pods.contains_key("x-0-0"));
    for index in 0..PEERS {
        world.set(index, &PodState::Succeeded);
    }
    while step(&mut world) {}
    assert_eq!(world.ledger.stage, Stage::Complete);

    // Where all are needed, the next attempt waits for it no longer than for others.
    let mut world = World::new(1);
    world.begin();
    let dead = stuck(&mut world, "x-0-0");
    while step(&mut world) {}
    world.pods.retain(|name, _| *name == dead.name);
    while step(&mut world) {}
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Draining, 1));
    world.now += GONE;
    while step(&mut world) {}
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Running, 5));
}

#[test]
fn one_that_finds_no_room_gives_nothing_back() {
    let mut world = World::that_goes_on(0);
    world.begin();
    world.pods.remove("x-3-0");
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    assert!(world.ledger.is_due(3));
    assert_eq!(give_back(&world.ledger, &world.facts()), None);
}

#[test]
fn a_lost_status_does_not_lose_who_was_replaced() {
    let mut world = World::that_goes_on(1);
    world.begin();
    world.set(2, &failure());
    world.settle();
    world.ledger = Ledger::default();
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.incarnation(2)), (Stage::Running, 1));
    assert_eq!(names(&world), ["x-0-0", "x-1-0", "x-2-0-r1", "x-3-0"]);
}

#[test]
fn suspended_and_resumed_all_begin_as_the_first_again() {
    let mut world = World::that_goes_on(0);
    world.begin();
    world.pods.remove("x-1-0");
    world.settle();
    world.suspend = true;
    world.settle();
    assert!(world.ledger.replaced.is_empty());
    world.suspend = false;
    world.settle();
    assert_eq!(names(&world), ["x-0-1", "x-1-1", "x-2-1", "x-3-1"]);
}

/// Where the first loss ends the attempt, nobody is replaced.
#[test]
fn where_all_are_needed_all_begin_again() {
    let mut world = World::new(1);
    world.begin();
    world.pods.remove("x-1-0");
    world.settle();
    assert_eq!((world.ledger.attempt, world.ledger.restarts), (1, 1));
    assert!(world.ledger.replaced.is_empty());
}

/// A failure, an eviction and an end, with the operator killed at three places.
fn run_through(kills: &[u32]) -> World {
    let mut world = World::that_goes_on(1);
    let mut kills = kills.iter().copied();
    let mut settle = |world: &mut World| world.settle_though_killed(&mut kills);
    settle(&mut world);
    (0..PEERS).for_each(|index| world.set(index, &READY));
    world.trains = true;
    world.set(2, &failure());
    settle(&mut world);
    world.pods.get_mut("x-1-0").unwrap().leaving = Some(world.now);
    settle(&mut world);
    (1..3).for_each(|index| world.set(index, &READY));
    world.rounds = [(1, 1), (2, 1)].into();
    settle(&mut world);
    (0..PEERS).for_each(|index| world.set(index, &PodState::Succeeded));
    settle(&mut world);
    world
}

#[test]
fn killed_after_any_call_it_replaces_the_same() {
    let whole = run_through(&[]);
    assert_eq!((whole.ledger.stage, whole.ledger.attempt), (Stage::Complete, 0));
    assert_eq!(names(&whole), ["x-0-0", "x-1-0-r1", "x-2-0-r1", "x-3-0"]);
    assert!(whole.created.values().all(|&times| times == 1));
    for first in 0..9 {
        for second in 0..9 {
            for third in 0..5 {
                let killed = run_through(&[first, second, third, 0, first, 1, second, 0, 1]);
                assert_eq!(
                    (&killed.ledger, &killed.pods, &killed.created, killed.calls),
                    (&whole.ledger, &whole.pods, &whole.created, whole.calls)
                );
            }
        }
    }
}
