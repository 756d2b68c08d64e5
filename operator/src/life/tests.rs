mod failures;
mod joins;
mod losses;
mod world;

use proptest::prelude::*;

use super::*;
use world::{MIN_PEERS, PEERS, World, failure};

#[test]
fn an_experiment_starts_runs_and_completes() {
    let mut world = World::new(0);
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Running, 4));
    world.all_succeed();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Complete, 4));
    assert_eq!(
        world.transitions,
        [Transition::Begins, Transition::Started, Transition::Completed]
    );
    // Once complete, always complete: the pods may go, and suspending changes nothing.
    world.pods.clear();
    world.suspend = true;
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Complete, 0));
}

#[test]
fn suspended_it_has_no_pods_and_resumed_it_goes_on() {
    let mut world = World::new(0);
    world.suspend = true;
    world.settle();
    let rests = Ledger {
        stage: Stage::Suspended,
        ..Ledger::default()
    };
    assert_eq!((&world.ledger, world.pods.len()), (&rests, 0));
    world.suspend = false;
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.attempt), (Stage::Running, 0));
    world.suspend = true;
    world.settle();
    let again = Ledger {
        attempt: 1,
        begun: true,
        ..rests
    };
    assert_eq!((&world.ledger, world.pods.len()), (&again, 0));
    world.suspend = false;
    world.checkpoint = Some(5);
    world.settle();
    let expected = Ledger {
        stage: Stage::Running,
        attempt: 1,
        resume: 5,
        begun: true,
        ..Ledger::default()
    };
    assert_eq!(world.ledger, expected);
}

#[test]
fn a_lost_status_is_made_up_for() {
    let mut world = World::new(3);
    world.settle();
    world.ledger = Ledger::default();
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.begun), (Stage::Running, true));
    world.set(0, &failure());
    world.settle();
    assert_eq!(world.ledger.attempt, 1);
    world.ledger = Ledger::default();
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.attempt), (Stage::Running, 1));
    assert!(world.created.values().all(|&times| times == 1));
}

/// The step is written before the first pod is made: who reads that nothing has begun knows that there are no pods.
#[test]
fn nothing_is_made_before_it_is_recorded_that_it_begins() {
    let mut world = World::new(0);
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    assert_eq!(
        (world.transitions.as_slice(), world.pods.len()),
        (&[Transition::Begins][..], 0)
    );
    // Who never lets it run has not begun it.
    let mut world = World::new(0);
    world.suspend = true;
    world.settle();
    assert!(!world.ledger.begun);
}

/// Four pods of two experiments where only five fit: each would wait for the other with what it has, so one gives its pods back, and comes
/// to its end when the other has.
#[test]
fn pods_that_are_not_all_there_are_given_back() {
    let mut world = World::new(0);
    world.ledger = Ledger {
        resume: 3,
        begun: true,
        ..Ledger::default()
    };
    assert_eq!(give_back(&world.ledger, &world.facts()), None);
    world.create(0);
    let Some(Decision::Record { ledger, transition }) = give_back(&world.ledger, &world.facts()) else {
        panic!("it keeps a pod that helps nobody");
    };
    let next = Ledger {
        attempt: 1,
        ..world.ledger.clone()
    };
    assert_eq!((&ledger, transition), (&next, Transition::GaveBack));
    world.ledger = ledger;
    let Decision::Act { delete, create, .. } = decide(&world.ledger, &world.facts(), Timestamp::UNIX_EPOCH) else {
        panic!("it goes on without deleting them");
    };
    assert_eq!((delete, create), (vec!["x-0-0".to_owned()], Vec::new()));
    world.settle();
    assert_eq!((world.ledger.stage, world.ledger.restarts), (Stage::Running, 0));
    assert_eq!((world.ledger.attempt, world.ledger.resume), (1, 3));
    // Without anything to go on from it is as if it had not begun.
    world.ledger = Ledger {
        attempt: 1,
        begun: true,
        ..Ledger::default()
    };
    let anew = Ledger {
        attempt: 2,
        ..Ledger::default()
    };
    let transition = Transition::GaveBack;
    let expected = Decision::Record {
        ledger: anew,
        transition,
    };
    assert_eq!(give_back(&world.ledger, &world.facts()), Some(expected));
    // Not one pod had room: nothing is there, and the manifest can be changed likewise.
    world.pods.clear();
    let Some(Decision::Record { ledger, .. }) = give_back(&world.ledger, &world.facts()) else {
        panic!("it is fixed without a pod");
    };
    assert_eq!((ledger.attempt, ledger.begun), (1, false));
    assert_eq!(give_back(&ledger, &world.facts()), None);
    // All of them are there: none is given back, whoever is refused.
    world.ledger.stage = Stage::Running;
    assert_eq!(give_back(&world.ledger, &world.facts()), None);
}

/// A script with a failure and a pause, with the operator killed at two places; to the end.
fn run_through(kills: &[u32]) -> World {
    let mut world = World::new(1);
    let mut kills = kills.iter().copied();
    let mut settle = |world: &mut World| world.settle_though_killed(&mut kills);
    settle(&mut world);
    world.set(2, &failure());
    settle(&mut world);
    world.suspend = true;
    settle(&mut world);
    world.suspend = false;
    settle(&mut world);
    (0..PEERS).for_each(|index| world.set(index, &PodState::Succeeded));
    settle(&mut world);
    world
}

#[test]
fn killed_after_any_call_it_ends_the_same() {
    let whole = run_through(&[]);
    assert_eq!(
        whole.ledger,
        Ledger {
            stage: Stage::Complete,
            attempt: 2,
            restarts: 1,
            begun: true,
            ..Ledger::default()
        }
    );
    assert!(whole.created.values().all(|&times| times == 1));
    assert_eq!(whole.created.len(), 12);
    for first in 0..13 {
        for second in 0..13 {
            for third in 0..6 {
                let killed = run_through(&[first, second, third, 0, first]);
                assert_eq!(
                    (&killed.ledger, &killed.pods, &killed.created, killed.calls),
                    (&whole.ledger, &whole.pods, &whole.created, whole.calls)
                );
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Reconcile { age: usize, calls: u32 },
    Collect,
    State(u32, u8),
    Vanish(u32),
    Unseal(u32),
    Rounds(u32, u32),
    Trains(bool),
    Time(u64),
    Suspend(bool),
    Checkpoint(u32),
    NoRoom,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0_usize..6, 0_u32..10).prop_map(|(age, calls)| Happens::Reconcile { age, calls }),
        2 => Just(Happens::Collect),
        3 => (0..PEERS, 0_u8..4).prop_map(|(index, state)| Happens::State(index, state)),
        1 => (0..PEERS).prop_map(Happens::Vanish),
        1 => (0..PEERS).prop_map(Happens::Unseal),
        1 => any::<bool>().prop_map(Happens::Suspend),
        1 => (0..PEERS, 0_u32..9).prop_map(|(index, rounds)| Happens::Rounds(index, rounds)),
        1 => any::<bool>().prop_map(Happens::Trains),
        1 => (0_u64..200).prop_map(Happens::Time),
        1 => (0_u32..9).prop_map(Happens::Checkpoint),
        1 => Just(Happens::NoRoom),
    ]
}

proptest! {
    /// Whatever happens in whatever order, seen late and with the operator killed at any call: never two pods of a peer, never more
    /// restarts than allowed, attempts only grow, and left alone it comes to rest with all pods or with none.
    #[test]
    fn any_order_of_events_comes_to_rest(
        script in prop::collection::vec(happens(), 0..120),
        budget in 0_u32..4,
        goes_on in any::<bool>(),
    ) {
        let mut world = World { goes_on, ..World::new(budget) };
        let mut past = vec![world.clone()];
        for event in script {
            let before = world.ledger.clone();
            match event {
                Happens::Reconcile { age, calls } => {
                    let seen = past[past.len().saturating_sub(age + 1)].clone();
                    world.reconcile(&seen, calls);
                }
                Happens::Collect => world.collect(),
                Happens::State(index, state) => world.set(index, &match state {
                    0 => PodState::Running { ready: false },
                    1 => PodState::Running { ready: true },
                    2 => PodState::Succeeded,
                    _ => failure(),
                }),
                Happens::Vanish(index) => world.pods.retain(|_, pod| pod.index != index),
                // Its operator was killed before it had sealed the pod.
                Happens::Unseal(index) => {
                    let of_peer = |pod: &&mut PodFacts| pod.index == index;
                    world.pods.values_mut().filter(of_peer).for_each(|pod| pod.sealed = false);
                }
                Happens::Rounds(index, rounds) => drop(world.rounds.insert(index, rounds)),
                Happens::Time(seconds) => world.now += Duration::from_secs(seconds),
                Happens::Trains(trains) => world.trains = trains,
                Happens::Suspend(suspend) => world.suspend = suspend,
                Happens::Checkpoint(rounds) => world.checkpoint = Some(rounds),
                Happens::NoRoom => {
                    if let Some(Decision::Record { ledger, transition }) = give_back(&world.ledger, &world.facts()) {
                        world.ledger = ledger;
                        world.transitions.push(transition);
                    }
                }
            }
            prop_assert!(world.ledger.restarts <= budget);
            prop_assert!(world.ledger.attempt >= before.attempt);
            let same = world.ledger.attempt == before.attempt;
            for (index, peer) in &world.ledger.replaced {
                prop_assert!(peer.used <= budget && peer.used <= peer.row && peer.row <= peer.incarnation);
                prop_assert!(!same || peer.incarnation >= before.incarnation(*index));
                prop_assert!(!same || peer.state == ReplacedState::Lost || !before.is_lost(*index));
            }
            prop_assert!(world.ledger.lost() <= PEERS - MIN_PEERS);
            prop_assert!(goes_on || world.ledger.replaced.is_empty());
            prop_assert!(!before.is_end() || world.ledger == before);
            past.push(world.clone());
        }
        for _ in 0..3 {
            world.now += Duration::from_secs(3600);
            world.settle();
        }
        let live = world.pods.values().filter(|pod| !pod.state.has_ended()).count();
        match world.ledger.stage {
            Stage::Suspended => prop_assert!(world.suspend && world.pods.is_empty()),
            Stage::Running => {
                let facts = world.facts();
                let current = current(&world.ledger, &facts);
                let finished = world.finished_now();
                let there = (0..PEERS).filter(|index| {
                    current.contains_key(index) || world.ledger.is_lost(*index) || finished.contains(index)
                });
                prop_assert_eq!(there.count(), PEERS as usize);
                prop_assert_eq!(live, current.values().filter(|pod| !pod.state.has_ended()).count());
            }
            Stage::Complete => {}
            Stage::Failed => prop_assert_eq!(live, 0),
            Stage::Draining | Stage::Starting => prop_assert!(false, "it rests while {:?}", world.ledger.stage),
        }
    }
}
