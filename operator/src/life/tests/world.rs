//! A cluster for decisions, without an API server.

use crate::life::*;

pub(super) const PEERS: u32 = 4;

/// A cluster that keeps one experiment: its record, its pods, and how often each pod was created.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) ledger: Ledger,
    pub(super) suspend: bool,
    pub(super) budget: u32,
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

    pub(super) fn facts(&self) -> Facts {
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
    pub(super) fn reconcile(&mut self, seen: &Self, mut calls: u32) -> bool {
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

    pub(super) fn create(&mut self, index: u32) {
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
    pub(super) fn collect(&mut self) {
        self.pods.retain(|_, pod| !pod.leaving);
    }

    /// Without further faults, all is carried out until nothing changes.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            self.collect();
            let seen = self.clone();
            if !self.reconcile(&seen, u32::MAX) && self.pods.values().all(|pod| !pod.leaving) {
                return;
            }
        }
        panic!("it does not come to rest: {self:?}");
    }

    pub(super) fn set(&mut self, index: u32, state: &PodState) {
        for pod in self.pods.values_mut() {
            if pod.index == index && !pod.state.has_ended() && !pod.leaving {
                pod.state = state.clone();
            }
        }
    }

    pub(super) fn all_succeed(&mut self) {
        (0..PEERS).for_each(|index| self.set(index, &PodState::Succeeded));
        self.settle();
    }
}

/// A peer that has failed and blames nobody.
pub(super) fn failure() -> PodState {
    PodState::Failed(Failure {
        reason: "Error".into(),
        message: "no data".into(),
        ..Failure::default()
    })
}
