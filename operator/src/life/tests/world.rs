//! A cluster for decisions, without an API server.

use std::collections::BTreeSet;

use crate::life::*;

pub(super) const PEERS: u32 = 4;
/// How many of them have to be there.
pub(super) const MIN_PEERS: u32 = 2;

/// A cluster that keeps one experiment: its record, its pods, and how often each pod was created.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) ledger: Ledger,
    pub(super) suspend: bool,
    pub(super) budget: u32,
    pub(super) goes_on: bool,
    pub(super) joins: BTreeSet<u32>,
    pub(super) trains: bool,
    pub(super) rounds: BTreeMap<u32, u32>,
    /// Attempts and peers that were seen to end well.
    pub(super) finished: BTreeSet<(u32, u32)>,
    pub(super) late_from: Option<Timestamp>,
    pub(super) now: Timestamp,
    pub(super) checkpoint: Option<u32>,
    pub(super) disagreement: Option<String>,
    pub(super) pods: BTreeMap<String, PodFacts>,
    pub(super) created: BTreeMap<String, u32>,
    pub(super) calls: u32,
    pub(super) transitions: Vec<Transition>,
}

impl World {
    pub(super) fn new(budget: u32) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// One whose peers go on without those that are lost, and that trains once all its pods are made.
    pub(super) fn that_goes_on(budget: u32) -> Self {
        Self {
            goes_on: true,
            ..Self::new(budget)
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            suspend: self.suspend,
            budget: self.budget,
            peers: PEERS,
            min_peers: MIN_PEERS,
            goes_on: self.goes_on,
            joins: self.joins.clone(),
            trains: self.trains,
            rounds: self.rounds.clone(),
            finished: self.finished_now(),
            late_from: self.late_from,
            pods: self.pods.values().cloned().collect(),
            checkpoint: self.checkpoint,
            disagreement: self.disagreement.clone(),
        }
    }

    /// Decides on what `seen` shows, or on fresh facts when that would change anything, and carries it out; the operator is
    /// killed after so many calls to the API. Returns whether anything changed.
    pub(super) fn reconcile(&mut self, seen: &Self, mut calls: u32) -> bool {
        let now = self.now;
        if decide(&seen.ledger, &seen.facts(), now).is_quiet() {
            return false;
        }
        let mut spend = |world: &mut Self| {
            let alive = calls > 0;
            calls = calls.saturating_sub(1);
            world.calls += u32::from(alive);
            alive
        };
        match decide(&self.ledger.clone(), &self.facts(), now) {
            Decision::Record { ledger, transition } => {
                if spend(self) {
                    self.ledger = ledger;
                    self.transitions.push(transition);
                    return true;
                }
                false
            }
            Decision::Act {
                delete, end, create, ..
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
                        assert!(!pod.is_leaving());
                        pod.leaving = Some(now);
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

    pub(super) fn create(&mut self, index: u32) {
        let (attempt, incarnation) = (self.ledger.attempt, self.ledger.incarnation(index));
        let name = crate::names::pod("x", index, attempt, incarnation);
        assert!(
            !self.pods.contains_key(&name),
            "{name} is there; the API server would refuse it"
        );
        let is_gone = |pod: &PodFacts| pod.leaving.is_some_and(|until| until < self.now);
        let is_earlier = |pod: &PodFacts| pod.index == index && pod.attempt < attempt && !is_gone(pod);
        assert!(
            !self.pods.values().any(is_earlier),
            "peer {index} would be there in two attempts"
        );
        let is_as_new = |pod: &&PodFacts| {
            pod.sealed && (pod.index, pod.attempt) == (index, attempt) && pod.incarnation >= incarnation
        };
        assert_eq!(
            self.pods.values().find(is_as_new),
            None,
            "peer {index} would be there twice"
        );
        let pod = PodFacts {
            name: name.clone(),
            index,
            attempt,
            incarnation,
            sealed: true,
            state: PodState::Waiting,
            lingers: false,
            leaving: None,
            disruption: None,
        };
        self.pods.insert(name.clone(), pod);
        *self.created.entry(name).or_default() += 1;
    }

    /// The kubelet takes away what is being deleted.
    pub(super) fn collect(&mut self) {
        self.pods.retain(|_, pod| !pod.is_leaving());
    }

    /// Without further faults, all is carried out until nothing changes.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            self.collect();
            let seen = self.clone();
            if !self.reconcile(&seen, u32::MAX) && self.pods.values().all(|pod| !pod.is_leaving()) {
                return;
            }
        }
        panic!("it does not come to rest: {self:?}");
    }

    /// Until nothing changes, with the operator killed after as many calls as `kills` say, once for each.
    pub(super) fn settle_though_killed(&mut self, kills: &mut impl Iterator<Item = u32>) {
        for _ in 0..200 {
            let seen = self.clone();
            let before = self.calls;
            let limit = kills.next().unwrap_or(u32::MAX);
            let changed = self.reconcile(&seen, limit);
            if !changed && self.calls == before && limit == u32::MAX {
                if self.pods.values().any(PodFacts::is_leaving) {
                    self.collect();
                    continue;
                }
                return;
            }
        }
        panic!("no rest");
    }

    pub(super) fn set(&mut self, index: u32, state: &PodState) {
        for pod in self.pods.values_mut() {
            if pod.index == index && !pod.state.has_ended() && !pod.is_leaving() {
                pod.state = state.clone();
                if pod.sealed && *state == PodState::Succeeded {
                    self.finished.insert((pod.attempt, index));
                }
            }
        }
    }

    /// Peers of this attempt that have ended well; where all are needed, only pods tell.
    pub(super) fn finished_now(&self) -> BTreeSet<u32> {
        let of_attempt = self
            .finished
            .iter()
            .filter(|(attempt, _)| *attempt == self.ledger.attempt);
        of_attempt.filter(|_| self.goes_on).map(|(_, index)| *index).collect()
    }

    /// All pods are there, and all peers have been ready.
    pub(super) fn begin(&mut self) {
        self.settle();
        (0..PEERS).for_each(|index| self.set(index, &READY));
        self.trains = true;
        self.settle();
    }

    pub(super) fn all_succeed(&mut self) {
        (0..PEERS).for_each(|index| self.set(index, &PodState::Succeeded));
        self.settle();
    }
}

pub(super) const READY: PodState = PodState::Running { ready: true };

/// A peer that has failed and blames nobody.
pub(super) fn failure() -> PodState {
    PodState::Failed(Failure {
        reason: "Error".into(),
        message: "no data".into(),
        ..Failure::default()
    })
}
