use proptest::prelude::*;

use super::*;

const PEERS: u32 = 4;

/// A cluster that keeps one experiment: its record, its pods, and how often each pod was created.
#[derive(Clone, Debug, Default)]
struct World {
    ledger: Ledger,
    suspend: bool,
    budget: u32,
    checkpoint: Option<u32>,
    disagreement: Option<String>,
    pods: BTreeMap<String, PodFacts>,
    created: BTreeMap<String, u32>,
    calls: u32,
    turns: Vec<Turn>,
}

impl World {
    fn new(budget: u32) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            suspend: self.suspend,
            budget: self.budget,
            peers: PEERS,
            pods: self.pods.values().cloned().collect(),
            checkpoint: self.checkpoint,
            disagreement: self.disagreement.clone(),
        }
    }

    /// Decides on what `seen` shows, or on fresh facts when that would change anything, and carries it out; the operator is
    /// killed after so many calls to the API. Returns whether anything changed.
    fn reconcile(&mut self, seen: &Self, mut calls: u32) -> bool {
        let now = Timestamp::UNIX_EPOCH;
        if decide(seen.ledger, &seen.facts(), now).is_quiet() {
            return false;
        }
        let mut spend = |world: &mut Self| {
            let alive = calls > 0;
            calls = calls.saturating_sub(1);
            world.calls += u32::from(alive);
            alive
        };
        match decide(self.ledger, &self.facts(), now) {
            Decision::Record { ledger, turn } => {
                if spend(self) {
                    self.ledger = ledger;
                    self.turns.push(turn);
                    return true;
                }
                false
            }
            Decision::Act {
                delete,
                end,
                create,
                ..
            } => {
                let mut changed = false;
                for name in end {
                    if spend(self) {
                        self.pods.get_mut(&name).unwrap().lingers = false;
                        changed = true;
                    }
                }
                for name in delete {
                    if spend(self) {
                        let pod = self.pods.get_mut(&name).unwrap();
                        assert!(!pod.leaving);
                        pod.leaving = true;
                        changed = true;
                    }
                }
                for index in create {
                    if spend(self) {
                        self.create(index);
                        changed = true;
                    }
                }
                changed
            }
        }
    }

    fn create(&mut self, index: u32) {
        let attempt = self.ledger.attempt;
        let name = crate::names::pod("x", index, attempt);
        assert!(
            !self.pods.contains_key(&name),
            "{name} is there; the API server would refuse it"
        );
        assert!(
            self.pods.values().all(|pod| pod.index != index),
            "peer {index} would be there twice"
        );
        let pod = PodFacts {
            name: name.clone(),
            index,
            attempt,
            sealed: true,
            state: PodState::Waiting,
            lingers: false,
            leaving: false,
        };
        self.pods.insert(name.clone(), pod);
        *self.created.entry(name).or_default() += 1;
    }

    /// The kubelet takes away what is being deleted.
    fn collect(&mut self) {
        self.pods.retain(|_, pod| !pod.leaving);
    }

    /// Without further faults, all is carried out until nothing changes.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.collect();
            let seen = self.clone();
            if !self.reconcile(&seen, u32::MAX) && self.pods.values().all(|pod| !pod.leaving) {
                return;
            }
        }
        panic!("it does not come to rest: {self:?}");
    }

    fn set(&mut self, index: u32, state: &PodState) {
        for pod in self.pods.values_mut() {
            if pod.index == index && !pod.state.has_ended() && !pod.leaving {
                pod.state = state.clone();
            }
        }
    }

    fn all_succeed(&mut self) {
        (0..PEERS).for_each(|index| self.set(index, &PodState::Succeeded));
        self.settle();
    }
}

fn failure() -> PodState {
    PodState::Failed(Failure {
        reason: "Error".into(),
        message: "no data".into(),
        ..Failure::default()
    })
}

#[test]
fn an_experiment_starts_runs_and_completes() {
    let mut world = World::new(0);
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Running, 4));
    world.all_succeed();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Complete, 4));
    assert_eq!(world.turns, [Turn::Begins, Turn::Started, Turn::Completed]);
    // Once complete, always complete: the pods may go, and suspending changes nothing.
    world.pods.clear();
    world.suspend = true;
    world.settle();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Complete, 0));
}

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
        world.turns[..],
        [
            Turn::Begins,
            Turn::Started,
            Turn::Restarting { index: 2, .. },
            Turn::BeginsAnew,
            Turn::Started,
            Turn::Restarting { index: 2, .. },
            Turn::GoesOn { rounds: 3 },
            Turn::Started,
            Turn::GaveUp { index: 1, .. },
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
    assert!(matches!(world.turns[2], Turn::GaveUp { index: 3, .. }));
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
        decide(ledger, &world.facts(), now)
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
        move |seconds| decide(ledger, &facts, Timestamp::from_second(seconds).unwrap())
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
    assert_eq!(decide(ledger, &facts, at), again(8));
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
        let after = |world: &World, second| decide(world.ledger, &world.facts(), at(second));
        assert_eq!(after(&world, 0), wait(15));
        assert_eq!(after(&world, 14), wait(1));
        assert!(matches!(after(&world, 15), Decision::Record { .. }));
        // A proof ends it at once, and so does the first that blames nobody once its own pause is over.
        let proof = PodState::Failed(Failure {
            hopeless: true,
            noticed: Some(at(3)),
            ..Failure::default()
        });
        let mut proven = world.clone();
        proven.set(1, &proof);
        let Decision::Record { turn, .. } = after(&proven, 3) else {
            panic!("it waits for what is there");
        };
        assert!(matches!(turn, Turn::GaveUp { index: 1, .. }));
        // A pod that is gone is a cause too.
        world.pods.remove("x-3-0");
        let Decision::Record { turn, .. } = after(&world, 1) else {
            panic!("it waits for a pod that is gone");
        };
        assert!(matches!(
            turn,
            Turn::GaveUp { index: 3, .. } | Turn::Restarting { index: 3, .. }
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
    let Some(Turn::GaveUp { index: 0, failure }) = world.turns.last() else {
        panic!("{:?}", world.turns);
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
    assert_eq!(
        (world.ledger.stage, world.pods.len()),
        (Stage::Suspended, 0)
    );
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
        sealed: false,
        state: failure(),
        lingers: false,
        leaving: false,
    };
    // Of a later attempt, of this one, of no peer: none of them is believed, all of them go.
    for (name, attempt) in [("x-0-9", u32::MAX), ("other", 0)] {
        world.pods.insert(name.into(), forged(name, attempt));
    }
    let before = world.ledger;
    world.settle();
    assert_eq!((world.ledger, world.pods.len()), (before, 4));
    // A peer whose pod was replaced by another is gone.
    world.pods.insert("x-0-0".into(), forged("x-0-0", 0));
    world.settle();
    assert_eq!(
        (world.ledger.attempt, world.ledger.stage),
        (1, Stage::Running)
    );
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
        hopeless: true,
        ..Failure::default()
    };
    world.set(0, &failure());
    world.set(2, &PodState::Failed(proof));
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.restarts),
        (Stage::Failed, 0)
    );
    assert!(matches!(world.turns[2], Turn::GaveUp { index: 2, .. }));
}

#[test]
fn peers_that_end_with_different_models_have_failed() {
    let mut world = World::new(5);
    world.settle();
    world.disagreement = Some("who has which".into());
    world.all_succeed();
    assert_eq!((world.ledger.stage, world.pods.len()), (Stage::Failed, 4));
    let message = "who has which".to_owned();
    assert_eq!(world.turns[2..], [Turn::ModelsDiffer { message }]);
}

#[test]
fn a_pod_that_somebody_deletes_is_a_failure() {
    let mut world = World::new(1);
    world.settle();
    world.pods.remove("x-3-0");
    world.settle();
    assert_eq!((world.ledger.attempt, world.ledger.restarts), (1, 1));
    world.pods.get_mut("x-0-1").unwrap().leaving = true;
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    assert_eq!(world.ledger.stage, Stage::Failed);
    // But not one that had finished.
    let mut world = World::new(0);
    world.settle();
    world.set(0, &PodState::Succeeded);
    world.pods.get_mut("x-0-0").unwrap().leaving = true;
    let seen = world.clone();
    assert!(!world.reconcile(&seen, u32::MAX));
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
    assert_eq!((world.ledger, world.pods.len()), (rests, 0));
    world.suspend = false;
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.attempt),
        (Stage::Running, 0)
    );
    world.suspend = true;
    world.settle();
    let again = Ledger {
        attempt: 1,
        begun: true,
        ..rests
    };
    assert_eq!((world.ledger, world.pods.len()), (again, 0));
    world.suspend = false;
    world.checkpoint = Some(5);
    world.settle();
    let expected = Ledger {
        stage: Stage::Running,
        attempt: 1,
        restarts: 0,
        resume: 5,
        begun: true,
    };
    assert_eq!(world.ledger, expected);
}

#[test]
fn a_lost_status_is_made_up_for() {
    let mut world = World::new(3);
    world.settle();
    world.ledger = Ledger::default();
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.begun),
        (Stage::Running, true)
    );
    world.set(0, &failure());
    world.settle();
    assert_eq!(world.ledger.attempt, 1);
    world.ledger = Ledger::default();
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.attempt),
        (Stage::Running, 1)
    );
    assert!(world.created.values().all(|&times| times == 1));
}

/// The step is written before the first pod is made: who reads that nothing has begun knows that there are no pods.
#[test]
fn nothing_is_made_before_it_is_recorded_that_it_begins() {
    let mut world = World::new(0);
    let seen = world.clone();
    assert!(world.reconcile(&seen, u32::MAX));
    assert_eq!(
        (world.turns.as_slice(), world.pods.len()),
        (&[Turn::Begins][..], 0)
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
    assert_eq!(give_back(world.ledger, &world.facts()), None);
    world.create(0);
    let Some(Decision::Record { ledger, turn }) = give_back(world.ledger, &world.facts()) else {
        panic!("it keeps a pod that helps nobody");
    };
    let next = Ledger {
        attempt: 1,
        ..world.ledger
    };
    assert_eq!((ledger, turn), (next, Turn::GaveBack));
    world.ledger = ledger;
    let deleted = decide(world.ledger, &world.facts(), Timestamp::UNIX_EPOCH);
    assert_eq!(deleted, Decision::delete(vec!["x-0-0".to_owned()]));
    world.settle();
    assert_eq!(
        (world.ledger.stage, world.ledger.restarts),
        (Stage::Running, 0)
    );
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
    let turn = Turn::GaveBack;
    let expected = Decision::Record { ledger: anew, turn };
    assert_eq!(give_back(world.ledger, &world.facts()), Some(expected));
    // Not one pod had room: nothing is there, and the manifest can be changed likewise.
    world.pods.clear();
    let Some(Decision::Record { ledger, .. }) = give_back(world.ledger, &world.facts()) else {
        panic!("it is fixed without a pod");
    };
    assert_eq!((ledger.attempt, ledger.begun), (1, false));
    assert_eq!(give_back(ledger, &world.facts()), None);
    // All of them are there: none is given back, whoever is refused.
    world.ledger.stage = Stage::Running;
    assert_eq!(give_back(world.ledger, &world.facts()), None);
}

/// A script with a failure and a pause, with the operator killed at two places; to the end.
fn story(kills: &[u32]) -> World {
    let mut world = World::new(1);
    let mut kills = kills.iter().copied();
    let mut settle = |world: &mut World| {
        for _ in 0..200 {
            let seen = world.clone();
            let before = world.calls;
            let limit = kills.next().unwrap_or(u32::MAX);
            let changed = world.reconcile(&seen, limit);
            if !changed && world.calls == before && limit == u32::MAX {
                if world.pods.values().any(|pod| pod.leaving) {
                    world.collect();
                    continue;
                }
                return;
            }
        }
        panic!("no rest");
    };
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
    let whole = story(&[]);
    assert_eq!(
        whole.ledger,
        Ledger {
            stage: Stage::Complete,
            attempt: 2,
            restarts: 1,
            resume: 0,
            begun: true
        }
    );
    assert!(whole.created.values().all(|&times| times == 1));
    assert_eq!(whole.created.len(), 12);
    for first in 0..13 {
        for second in 0..13 {
            for third in 0..6 {
                let killed = story(&[first, second, third, 0, first]);
                assert_eq!(
                    (killed.ledger, &killed.pods, &killed.created, killed.calls),
                    (whole.ledger, &whole.pods, &whole.created, whole.calls)
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
        1 => (0_u32..9).prop_map(Happens::Checkpoint),
        1 => Just(Happens::NoRoom),
    ]
}

proptest! {
    /// Whatever happens in whatever order, seen late and with the operator killed at any call: never two pods of a peer, never more
    /// restarts than allowed, attempts only grow, and left alone it comes to rest with all pods or with none.
    #[test]
    fn any_order_of_events_comes_to_rest(script in prop::collection::vec(happens(), 0..120), budget in 0_u32..4) {
        let mut world = World::new(budget);
        let mut past = vec![world.clone()];
        for event in script {
            let before = world.ledger;
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
                Happens::Suspend(suspend) => world.suspend = suspend,
                Happens::Checkpoint(rounds) => world.checkpoint = Some(rounds),
                Happens::NoRoom => {
                    if let Some(Decision::Record { ledger, turn }) = give_back(world.ledger, &world.facts()) {
                        world.ledger = ledger;
                        world.turns.push(turn);
                    }
                }
            }
            prop_assert!(world.ledger.restarts <= budget);
            prop_assert!(world.ledger.attempt >= before.attempt);
            prop_assert!(!matches!(before.stage, Stage::Complete | Stage::Failed) || world.ledger == before);
            past.push(world.clone());
        }
        world.settle();
        let live = world.pods.values().filter(|pod| !pod.state.has_ended()).count();
        match world.ledger.stage {
            Stage::Suspended => prop_assert!(world.suspend && world.pods.is_empty()),
            Stage::Running => prop_assert_eq!(world.pods.len(), PEERS as usize),
            Stage::Complete => {}
            Stage::Failed => prop_assert_eq!(live, 0),
            Stage::Draining | Stage::Starting => prop_assert!(false, "it rests while {:?}", world.ledger.stage),
        }
    }
}
