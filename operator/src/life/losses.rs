//! Peers that are lost while the others go on: each costs only itself. Its pod is replaced by one with the next incarnation, at once and
//! without waiting for the one before, which the swarm shuts out; or the peer is lost for good.

use std::{
    collections::BTreeMap,
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

use fltorrent_crds::status::{ReplacedState, Stage};
use jiff::Timestamp;

use super::{
    Decision, Transition,
    attempt::{after_failure, first, gone},
    facts::{Facts, Failure, PodFacts, PodState},
    ledger::{Ledger, Replaced},
};
use crate::backoff;

/// A peer that is lost, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// The peer.
    pub index: u32,
    /// The failure.
    pub failure: Failure,
}

/// What becomes of a peer that is lost.
enum Fate {
    Replaced,
    Lost,
    /// It is replaced after this time.
    Waits(Duration),
}

/// Peers that are lost at this moment, by what becomes of them.
#[derive(Default)]
struct Fates {
    replaced: Vec<Loss>,
    lost: Vec<Loss>,
    rest: Option<Duration>,
}

/// The next record, if one follows from what became of peers; else after which time to look again, if somebody is waited for.
pub(super) fn decide(
    ledger: &Ledger,
    facts: &Facts,
    pods: &BTreeMap<u32, &PodFacts>,
    now: Timestamp,
) -> ControlFlow<Decision, Option<Duration>> {
    if let Some(back) = back(ledger, facts, pods) {
        return Break(back);
    }
    let losses = losses(ledger, facts, pods, now);
    let gone: Vec<u32> = losses.iter().map(|loss| loss.index).collect();
    let is_alone = !losses.is_empty() && !has_survivor(ledger, facts, pods, &gone);
    let over = has_ended(facts, pods);
    let mut fates = Fates::default();
    for loss in losses.iter().cloned() {
        match fate(ledger, facts.budget, &loss, over, now) {
            Fate::Replaced => fates.replaced.push(loss),
            Fate::Lost => fates.lost.push(loss),
            Fate::Waits(rest) => fates.rest = Some(fates.rest.map_or(rest, |known| known.min(rest))),
        }
    }
    let lost = ledger.lost() + u32::try_from(fates.lost.len()).unwrap_or(u32::MAX);
    let left = facts.peers.saturating_sub(lost);
    let too_few = left < facts.min_peers;
    if is_alone || too_few {
        return whole(ledger, facts, pods, losses, too_few, now).map_or(Continue(None), Break);
    }
    if !fates.lost.is_empty() {
        return Break(lose(ledger, fates.lost, now));
    }
    if !fates.replaced.is_empty() {
        return Break(replace(ledger, facts, fates.replaced, now));
    }
    let late = facts
        .late_from
        .and_then(|from| Duration::try_from(from.duration_since(now)).ok());
    let again = [fates.rest, late.filter(|rest| !rest.is_zero())];
    match made(ledger, pods) {
        Some(decision) => Break(decision),
        None => Continue(again.into_iter().flatten().min()),
    }
}

/// True once a peer has ended well: the run is over, and who is not there any more cannot catch up.
fn has_ended(facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> bool {
    !facts.finished.is_empty() || pods.values().any(|pod| pod.state == PodState::Succeeded)
}

/// Peers that were absent and have finished a round since.
fn back(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> Option<Decision> {
    let has_gone_on = |(index, peer): &(&u32, &Replaced)| {
        let rounds = facts.rounds.get(index).copied().unwrap_or(0);
        // What is reported may be of the process before it.
        let takes_part = matches!(
            pods.get(index).map(|pod| &pod.state),
            Some(PodState::Running { ready: true } | PodState::Succeeded)
        );
        peer.state == ReplacedState::Replaced && peer.row > 0 && rounds > peer.round && takes_part
    };
    let peers: Vec<u32> = ledger
        .replaced
        .iter()
        .filter(has_gone_on)
        .map(|(index, _)| *index)
        .collect();
    if peers.is_empty() {
        return None;
    }
    let mut next = ledger.clone();
    for index in &peers {
        let peer = next.replaced.entry(*index).or_default();
        *peer = Replaced {
            incarnation: peer.incarnation,
            state: ReplacedState::Replaced,
            ..Replaced::default()
        };
    }
    let transition = Transition::Back { peers };
    Some(Decision::Record {
        ledger: next,
        transition,
    })
}

/// Peers whose pod has failed, leaves or is gone.
fn losses(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>, now: Timestamp) -> Vec<Loss> {
    let over = has_ended(facts, pods);
    let is_late = facts.late_from.is_some_and(|from| from <= now);
    let is_counted = |index: &u32| !ledger.is_lost(*index) && !facts.finished.contains(index);
    let lost = (0..facts.peers).filter(is_counted).filter_map(|index| {
        let failure = match pods.get(&index).map(|pod| &pod.state) {
            Some(PodState::Failed(failure)) => failure.clone(),
            // The first processes of an attempt begin together: one that seems to wait has ended, and its kubelet has not said so yet.
            Some(PodState::Waiting) if over && ledger.incarnation(index) > 0 => too_late("it was there"),
            Some(PodState::Waiting | PodState::Running { .. }) if is_late => {
                too_late("it did, and it is not waited for any more")
            }
            None if ledger.is_due(index) && over => too_late("it was there"),
            None if ledger.is_due(index) => return None,
            _ => gone(ledger, facts, pods, index)?,
        };
        Some(Loss { index, failure })
    });
    lost.collect()
}

fn too_late(what: &str) -> Failure {
    Failure {
        reason: "RunOver".to_owned(),
        message: format!("the others have finished the run before {what}"),
        disrupted: true,
        of_no_use: true,
        ..Failure::default()
    }
}

fn fate(ledger: &Ledger, budget: u32, loss: &Loss, over: bool, now: Timestamp) -> Fate {
    let none = Replaced::default();
    let before = ledger.replaced.get(&loss.index).unwrap_or(&none);
    let Failure {
        permanent,
        of_no_use,
        disrupted,
        ..
    } = loss.failure;
    let is_spent = !disrupted && before.used >= budget;
    if permanent || of_no_use || over || is_spent || before.incarnation == u32::MAX {
        return Fate::Lost;
    }
    // The first one is replaced at once; who does not come back waits longer from one to the next.
    let pause = before.row.checked_sub(1).map(|row| backoff::RESTART.after(row));
    let waited = before.since.map(|since| now.duration_since(since));
    let waited = waited.and_then(|waited| Duration::try_from(waited).ok());
    match pause.zip(waited).map(|(pause, waited)| pause.saturating_sub(waited)) {
        Some(rest) if !rest.is_zero() => Fate::Waits(rest),
        _ => Fate::Replaced,
    }
}

/// True if a peer is left that has the run's model, from which the others can go on. Of those that were replaced that is known once they
/// are ready, and so it is of those that join later. Before the attempt trains there is nothing to have, and who has not begun yet begins it.
fn has_survivor(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>, gone: &[u32]) -> bool {
    let has_model = |index: &u32| {
        let is_first = ledger.row(*index) == 0 && !facts.joins.contains(index);
        match pods.get(index).map(|pod| &pod.state) {
            _ if facts.finished.contains(index) => true,
            Some(PodState::Succeeded) => true,
            Some(PodState::Running { ready }) => *ready || is_first,
            Some(PodState::Waiting) => is_first && !facts.trains,
            None => is_first && !facts.trains && ledger.stage == Stage::Starting,
            Some(PodState::Failed(_)) => false,
        }
    };
    (0..facts.peers)
        .filter(|index| !ledger.is_lost(*index) && gone.binary_search(index).is_err())
        .any(|index| has_model(&index))
}

/// Too few are left, or nobody who has the model: all begin again. What nobody had a part in costs nothing. `too_few`: it is for want of
/// those that were lost before, too.
fn whole(
    ledger: &Ledger,
    facts: &Facts,
    pods: &BTreeMap<u32, &PodFacts>,
    losses: Vec<Loss>,
    too_few: bool,
    now: Timestamp,
) -> Option<Decision> {
    // Else the others had gone on without them.
    let before = pods.iter().filter_map(|(index, pod)| match &pod.state {
        PodState::Failed(failure) if too_few && ledger.is_lost(*index) => Some((*index, failure.clone())),
        _ => None,
    });
    let all = before.chain(losses.into_iter().map(|loss| (loss.index, loss.failure)));
    let (own, disrupted): (Vec<_>, Vec<_>) = all.partition(|(_, failure)| !failure.disrupted);
    // Where all begin anew since the manifest says so, the next attempt would come to the same.
    let costs = !own.is_empty() || disrupted.iter().any(|(_, failure)| failure.anew);
    let told = first(own.into_iter()).or_else(|| first(disrupted.into_iter()))?;
    Some(after_failure(ledger, facts.budget, told, costs, now))
}

fn lose(ledger: &Ledger, losses: Vec<Loss>, now: Timestamp) -> Decision {
    let mut next = ledger.clone();
    for Loss { index, failure } in &losses {
        let peer = next.replaced.entry(*index).or_default();
        peer.state = ReplacedState::Lost;
        peer.since = Some(seconds(now));
        peer.reason.clone_from(&failure.reason);
    }
    let transition = Transition::Lost { losses };
    Decision::Record {
        ledger: next,
        transition,
    }
}

fn replace(ledger: &Ledger, facts: &Facts, losses: Vec<Loss>, now: Timestamp) -> Decision {
    let mut next = ledger.clone();
    for Loss { index, failure } in &losses {
        let peer = next.replaced.entry(*index).or_default();
        *peer = Replaced {
            incarnation: peer.incarnation.saturating_add(1),
            state: ReplacedState::Replacing,
            used: peer.used + u32::from(!failure.disrupted),
            row: peer.row.saturating_add(1),
            round: peer.round.max(facts.rounds.get(index).copied().unwrap_or(0)),
            since: Some(seconds(now)),
            reason: failure.reason.clone(),
        };
    }
    let transition = Transition::Replacing { losses };
    Decision::Record {
        ledger: next,
        transition,
    }
}

/// Pods that were due are there: from now on one that is gone again was made.
fn made(ledger: &Ledger, pods: &BTreeMap<u32, &PodFacts>) -> Option<Decision> {
    let is_made = |index: &&u32| ledger.is_due(**index) && pods.contains_key(index);
    let peers: Vec<u32> = ledger.replaced.keys().filter(is_made).copied().collect();
    if peers.is_empty() {
        return None;
    }
    let mut next = ledger.clone();
    for index in &peers {
        next.replaced.entry(*index).or_default().state = ReplacedState::Replaced;
    }
    let transition = Transition::Replaced { peers };
    Some(Decision::Record {
        ledger: next,
        transition,
    })
}

/// As the status has it.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
