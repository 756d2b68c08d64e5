//! The end of an attempt because of a failure: all peers are started again while there are restarts left.

use std::{collections::BTreeMap, time::Duration};

use fltorrent_crds::status::Stage;
use jiff::Timestamp;

use super::{
    Decision, Transition,
    facts::{Facts, Failure, PodFacts, PodState},
    ledger::Ledger,
};
use crate::backoff;

/// Time to wait for the cause of a failure while all peers that have failed blame another one: kubelets report late, and in any order.
const CAUSE: Duration = Duration::from_secs(15);

/// The failure that ends the attempt: of the peers that failed, one with a proof that it is for good, else the first that blames no other;
/// else a pod that has gone; else the first that blames another.
pub(super) fn failed(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>) -> Option<(u32, Failure)> {
    let all = pods.iter().filter_map(|(index, pod)| match &pod.state {
        PodState::Failed(failure) => Some((*index, failure.clone())),
        _ => None,
    });
    let first = first(all);
    match first {
        Some((
            _,
            Failure {
                blames: true,
                permanent: false,
                ..
            },
        ))
        | None => {}
        told => return told,
    }
    (0..facts.peers)
        .find_map(|index| Some((index, gone(ledger, facts, pods, index)?)))
        .or(first)
}

/// Of failures the one that is told: with a proof, else that of the peer itself, else the earliest.
pub(super) fn first(failures: impl Iterator<Item = (u32, Failure)>) -> Option<(u32, Failure)> {
    failures.min_by_key(|(index, failure)| {
        let Failure { blames, at, .. } = failure;
        (!failure.permanent, *blames, at.is_none(), *at, *index)
    })
}

/// Of a peer whose pod is not there any more, or not for long.
pub(super) fn gone(ledger: &Ledger, facts: &Facts, pods: &BTreeMap<u32, &PodFacts>, index: u32) -> Option<Failure> {
    let gone = |message: &str, disrupted| Failure {
        reason: "PodDeleted".to_owned(),
        message: message.to_owned(),
        disrupted,
        ..Failure::default()
    };
    match pods.get(&index) {
        // A pod that leaves in its own time after it has ended is no loss.
        Some(pod) if !pod.is_taken_away() => None,
        Some(pod) => {
            let told = pod.disruption.clone();
            Some(told.unwrap_or_else(|| gone("its pod is being deleted, by a user or its node", true)))
        }
        None if ledger.stage != Stage::Running => None,
        None => {
            let strange = facts
                .pods
                .iter()
                .any(|pod| !pod.sealed && (pod.index, pod.attempt) == (index, ledger.attempt));
            Some(match strange {
                true => gone(
                    "its pod has no valid seal of this operator: the Secret fltorrent-operator-root or the pod was replaced",
                    false,
                ),
                false => gone("its pod was deleted, by a user or its node", true),
            })
        }
    }
}

/// What follows from a failure that ends the attempt. `costs`: it takes a restart of the budget.
pub(super) fn after_failure(
    ledger: &Ledger,
    budget: u32,
    (index, failure): (u32, Failure),
    costs: bool,
    now: Timestamp,
) -> Decision {
    let next = ledger.attempt.checked_add(1);
    let next = next.filter(|_| (ledger.restarts < budget || !costs) && !failure.permanent);
    let pause = next.map_or(Duration::ZERO, |_| backoff::RESTART.after(ledger.restarts));
    // Whoever is blamed may be about to say what happened: a proof, of which a restart would not rid them.
    let wait = match failure.blames && !failure.permanent {
        true => pause.max(CAUSE),
        false => pause,
    };
    // By the operator's own clock, since that of a node may be an hour ahead or behind. A time that is ahead even so holds nothing up.
    let since = failure.noticed.or(failure.at);
    let waited = since.map_or(wait, |since| {
        Duration::try_from(now.duration_since(since)).unwrap_or(wait)
    });
    if let Some(rest) = wait.checked_sub(waited).filter(|rest| !rest.is_zero()) {
        return Decision::wait(rest);
    }
    let Some(attempt) = next else {
        return Decision::Record {
            ledger: ledger.in_stage(Stage::Failed),
            transition: Transition::GaveUp { index, failure },
        };
    };
    Decision::Record {
        ledger: Ledger {
            stage: Stage::Draining,
            restarts: ledger.restarts + u32::from(costs),
            ..ledger.in_attempt(attempt)
        },
        transition: Transition::Restarting { index, failure },
    }
}
