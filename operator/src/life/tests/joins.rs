//! Peers that join when the others have begun.

use std::collections::BTreeSet;

use super::{
    super::*,
    world::{READY, World},
};

/// All are ready but peer 3, which joins later.
fn without_the_last(budget: u32) -> World {
    let mut world = World::that_goes_on(budget);
    world.joins = [3].into();
    world.settle();
    (0..3).for_each(|index| world.set(index, &READY));
    world
}

/// Whoever waits to join has no model: the others cannot go on from it, and all begin again.
#[test]
fn nobody_goes_on_from_a_peer_that_has_yet_to_join() {
    for (waits, attempt) in [(true, 1), (false, 0)] {
        let mut world = without_the_last(1);
        let late = PodState::Running { ready: !waits };
        world.set(3, &late);
        world.trains = true;
        world.settle();
        let waiting = BTreeSet::from_iter(waits.then_some(3));
        assert_eq!(to_join(&world.ledger, &world.facts()), waiting);
        assert_eq!(waiting, absent(&world.ledger, &world.facts()));
        for pod in ["x-0-0", "x-1-0", "x-2-0"] {
            world.pods.remove(pod);
        }
        world.settle();
        assert_eq!(world.ledger.attempt, attempt);
    }
}

/// The others have finished before its time came: it says so when it ends, and is lost.
#[test]
fn who_never_joins_is_lost_and_the_others_complete() {
    let mut world = without_the_last(1);
    world.set(3, &PodState::Running { ready: false });
    world.trains = true;
    (0..3).for_each(|index| world.set(index, &PodState::Succeeded));
    world.settle();
    assert_eq!(world.ledger.stage, Stage::Running);
    world.set(
        3,
        &PodState::Failed(Failure {
            of_no_use: true,
            ..Failure::default()
        }),
    );
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.lost()), (Stage::Complete, 1));
    assert!(to_join(&world.ledger, &world.facts()).is_empty());
}

/// Evicted while it waits: its next pod waits likewise.
#[test]
fn the_next_pod_of_a_peer_that_has_yet_to_join_waits_likewise() {
    let mut world = without_the_last(0);
    world.trains = true;
    world.pods.remove("x-3-0");
    world.settle();
    assert!(world.pods.contains_key("x-3-0-r1"));
    world.set(3, &PodState::Running { ready: false });
    assert_eq!(to_join(&world.ledger, &world.facts()), [3].into());
    // It has joined, and catches up again.
    world.rounds.insert(3, 4);
    assert!(to_join(&world.ledger, &world.facts()).is_empty());
    assert_eq!(absent(&world.ledger, &world.facts()), [3].into());
}
