//! What is seen of an experiment and its pods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ledger::{Ledger, Replaced};

/// Observed state of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    /// Name of the pod.
    pub name: String,
    /// Index of its peer.
    pub index: u32,
    /// Attempt that it belongs to.
    pub attempt: u32,
    /// Its number among the pods of the peer in that attempt.
    pub incarnation: u32,
    /// True if the operator created it; a pod of the experiment without a seal is only in the way.
    pub sealed: bool,
    /// State of its trainer.
    pub state: PodState,
    /// True if its trainer has ended and another container still runs, which holds the pod's resources.
    pub lingers: bool,
    /// Until when it should be gone, if it is being deleted.
    pub leaving: Option<Timestamp>,
    /// Why the cluster takes it away, if it says so (the condition DisruptionTarget).
    pub disruption: Option<Failure>,
}

impl PodFacts {
    /// True if it is being deleted.
    pub const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// True if it is being deleted and goes on.
    pub const fn is_taken_away(&self) -> bool {
        self.leaving.is_some() && !self.state.has_ended()
    }
}

/// The state of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// Not started.
    Waiting,
    /// Running.
    Running {
        /// The condition Ready: the peer has what it needs to take part.
        ready: bool,
    },
    /// Ended well.
    Succeeded,
    /// Ended otherwise.
    Failed(Failure),
}

impl PodState {
    /// True if it has ended.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_))
    }
}

/// The failure of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Kubernetes' word for it, for example `OOMKilled` or `Evicted`.
    pub reason: String,
    /// Details.
    pub message: String,
    /// Time of the end by its node's clock, if known.
    pub at: Option<Timestamp>,
    /// Time of the first observation by the operator's clock, if known.
    pub noticed: Option<Timestamp>,
    /// True if the peer itself says that another peer was the cause.
    pub blames: bool,
    /// True if the peer says that members of the run have signed a proof that the run cannot continue, whoever is restarted.
    pub permanent: bool,
    /// True if the cluster or a user took the pod away: the peer had no part in it.
    pub disrupted: bool,
    /// True if it ended so that it begins anew, as the manifest says.
    pub anew: bool,
    /// True if another pod in its place would be of no use: it has left, as the manifest says, or the run is over.
    pub of_no_use: bool,
}

/// Observed state of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.restarts`.
    pub budget: u32,
    /// Number of peers.
    pub peers: u32,
    /// How many of them a round needs.
    pub min_peers: u32,
    /// True if the others go on without a peer that is lost.
    pub goes_on: bool,
    /// Peers that join this attempt when the others have begun. Until then their pods wait.
    pub joins: BTreeSet<u32>,
    /// True once all peers that begin the attempt were ready, or a round of it was finished.
    pub trains: bool,
    /// Pods of all attempts.
    pub pods: Vec<PodFacts>,
    /// Rounds that peers of this attempt have reported, of those that were replaced or have no pod that goes on.
    pub rounds: BTreeMap<u32, u32>,
    /// Peers of this attempt that were seen to end well, whatever became of their pods; none where all pods are needed.
    pub finished: BTreeSet<u32>,
    /// From when on who has not ended is not waited for, since enough others have.
    pub late_from: Option<Timestamp>,
    /// Rounds of the last checkpoint that all peers have on a claim; none when there is none.
    pub checkpoint: Option<u32>,
    /// The models of the peers, if at least two that ended well have different ones. It counts once all pods have succeeded.
    pub disagreement: Option<String>,
}

/// Pods of the current attempt by peer: of those that were replaced the last one.
pub fn current<'a>(ledger: &Ledger, facts: &'a Facts) -> BTreeMap<u32, &'a PodFacts> {
    let counts = |pod: &&PodFacts| {
        pod.sealed
            && pod.attempt == ledger.attempt
            && pod.index < facts.peers
            && pod.incarnation == ledger.incarnation(pod.index)
    };
    let pods = facts.pods.iter().filter(counts);
    pods.map(|pod| (pod.index, pod)).collect()
}

/// Peers that have yet to join, as far as their pods and reports tell.
pub fn to_join(ledger: &Ledger, facts: &Facts) -> BTreeSet<u32> {
    let pods = current(ledger, facts);
    let has_joined = |index: &u32| match pods.get(index).map(|pod| &pod.state) {
        _ if facts.finished.contains(index) || facts.rounds.get(index).is_some_and(|rounds| *rounds > 0) => true,
        Some(PodState::Running { ready }) => *ready,
        Some(PodState::Succeeded | PodState::Failed(_)) => true,
        Some(PodState::Waiting) | None => false,
    };
    let waiting = facts
        .joins
        .iter()
        .filter(|index| !ledger.is_lost(**index) && !has_joined(index));
    waiting.copied().collect()
}

/// Peers that were replaced and are not ready yet, those that are lost, and those that have yet to join.
pub fn absent(ledger: &Ledger, facts: &Facts) -> BTreeSet<u32> {
    let pods = current(ledger, facts);
    let is_absent = |(index, peer): &(&u32, &Replaced)| {
        let is_back = match pods.get(index).map(|pod| &pod.state) {
            Some(PodState::Running { ready }) => *ready || peer.row == 0,
            Some(PodState::Succeeded) => true,
            _ => facts.finished.contains(index),
        };
        ledger.is_lost(**index) || !is_back
    };
    let all = ledger.replaced.iter().filter(is_absent);
    all.map(|(index, _)| *index).chain(to_join(ledger, facts)).collect()
}
