//! The conditions, and what follows from them: the phase and its reason.

use fltorrent_crds::status::{ConditionType, ExperimentStatus, Phase, Stage};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{stalled, view::View};
use crate::{apply::QUOTA_EXCEEDED, life::Ledger, pod_facts::Counts};

/// Why an experiment failed whose peers have all ended well.
pub(super) const MODELS_DIFFER: &str = "ModelsDiffer";

/// Puts all conditions, the phase and its reason. Without a view of the peers what is said of them stays as it is.
pub(super) fn conditions(
    status: &mut ExperimentStatus,
    name: &str,
    ledger: &Ledger,
    view: Option<&View<'_>>,
    now: Timestamp,
) {
    let now = Time(now);
    let trains = training(status, ledger, view, &now);
    if let Some(view) = view {
        let paused = stalled::paused(status, ledger, view, trains, now.0);
        let (holds, reason, message) = stalled::stalled(name, ledger, view, &paused);
        status.set(ConditionType::Stalled, holds, reason, &message, &now);
        let (holds, reason, message) = paused;
        status.set(ConditionType::Paused, holds, reason, &message, &now);
    } else if !matches!(ledger.stage, Stage::Running | Stage::Starting) {
        status.set(
            ConditionType::Stalled,
            false,
            "NotStalled",
            "no peer is waited for",
            &now,
        );
        status.set(
            ConditionType::Paused,
            false,
            "NotPaused",
            "no round is waited for",
            &now,
        );
    }
    complete(status, ledger, &now);
    failed(status, ledger, &now);
    suspended(status, ledger, view, &now);
    status.phase = Some(phase(status, ledger, trains));
    status.reason = why(status);
}

/// Whether all peers are there, and whether they train.
fn training(status: &mut ExperimentStatus, ledger: &Ledger, view: Option<&View<'_>>, now: &Time) -> bool {
    let (ready, reason, message) = peers_ready(ledger, view);
    if view.is_some() || ledger.stage != Stage::Running {
        status.set(ConditionType::PeersReady, ready, reason, &message, now);
    }
    // Once all peers were there, the attempt trains; one that is not ready for a moment does not take that back. A round that all
    // have finished says so before the probes do.
    let has_trained = status.round.as_ref().is_some_and(|round| round.done > ledger.resume);
    let goes_on = view.is_none_or(|view| view.goes_on || view.counts.failed == 0);
    let trains =
        ledger.stage == Stage::Running && goes_on && (ready || has_trained || status.is(ConditionType::Training));
    let (reason, message) = match ledger.stage {
        _ if trains => ("Training", "peers train and exchange chunks"),
        Stage::Draining => ("Draining", "waiting for pods of the previous attempt to terminate"),
        Stage::Starting | Stage::Running => ("WaitingForPeers", "not all peers have been ready yet"),
        Stage::Suspended => ("Suspended", "spec.suspend is true"),
        Stage::Complete => ("Complete", "the peers have completed"),
        Stage::Failed => ("Failed", "the experiment has failed"),
    };
    status.set(ConditionType::Training, trains, reason, message, now);
    trains
}

fn complete(status: &mut ExperimentStatus, ledger: &Ledger, now: &Time) {
    let complete = ledger.stage == Stage::Complete;
    let (reason, message) = match (complete, ledger.lost()) {
        (true, 0) => ("AllPeersComplete", "all peers have completed".to_owned()),
        (true, lost) => (
            "PeersComplete",
            format!("all peers have completed but {lost}, which were lost"),
        ),
        (false, _) => ("NotComplete", "not all peers have completed".to_owned()),
    };
    status.set(ConditionType::Complete, complete, reason, &message, now);
}

fn failed(status: &mut ExperimentStatus, ledger: &Ledger, now: &Time) {
    let failed = ledger.stage == Stage::Failed;
    let differ = failed
        && status
            .condition(ConditionType::Failed)
            .is_some_and(|before| before.reason == MODELS_DIFFER);
    let message = match (failed, &status.last_error) {
        (true, Some(error)) if differ => error.clone(),
        (true, Some(error)) => format!("{error}; {} restarts were used", ledger.restarts),
        (true, None) => "a peer failed".to_owned(),
        (false, _) => "no peer has failed permanently".to_owned(),
    };
    let reason = match failed {
        true if differ => MODELS_DIFFER,
        true => "PeerFailed",
        false => "NotFailed",
    };
    status.set(ConditionType::Failed, failed, reason, &message, now);
}

fn suspended(status: &mut ExperimentStatus, ledger: &Ledger, view: Option<&View<'_>>, now: &Time) {
    let suspended = ledger.stage == Stage::Suspended;
    let waits = view.map_or(0, |view| view.waits);
    let (reason, message) = match (suspended, waits) {
        (false, _) => ("NotSuspended", "spec.suspend is false".to_owned()),
        (true, 0) => (
            "Suspended",
            "there are no pods; set spec.suspend to false to resume".to_owned(),
        ),
        (true, pods) => ("Suspending", format!("{pods} pods are terminating")),
    };
    status.set(ConditionType::Suspended, suspended, reason, &message, now);
}

fn phase(status: &ExperimentStatus, ledger: &Ledger, trains: bool) -> Phase {
    let has = |kind, reason: &str| status.condition(kind).is_some_and(|found| found.reason == reason);
    let no_room = has(ConditionType::PeersReady, QUOTA_EXCEEDED);
    match ledger.stage {
        Stage::Draining | Stage::Starting if !ledger.begun || no_room => Phase::Pending,
        Stage::Draining | Stage::Starting => Phase::Starting,
        Stage::Running if trains && status.is(ConditionType::Paused) => Phase::Paused,
        Stage::Running if trains => Phase::Training,
        Stage::Running => Phase::Starting,
        Stage::Suspended => Phase::Suspended,
        Stage::Complete => Phase::Complete,
        Stage::Failed => Phase::Failed,
    }
}

/// Why an experiment is not further than its phase says.
fn why(status: &ExperimentStatus) -> Option<String> {
    let reason = |kind| status.condition(kind).map(|found| found.reason.clone());
    let refused = status
        .condition(ConditionType::Accepted)
        .is_some_and(|accepted| accepted.status == "False");
    if refused {
        return reason(ConditionType::Accepted);
    }
    match status.phase? {
        Phase::Failed => reason(ConditionType::Failed),
        Phase::Pending | Phase::Starting => reason(ConditionType::PeersReady),
        Phase::Paused => reason(ConditionType::Paused),
        // A peer that is not ready for a moment needs nobody's help.
        Phase::Training => reason(ConditionType::PeersReady)
            .filter(|reason| !["AllReady", "WaitingForPeers", "PeerFailed"].contains(&reason.as_str()))
            .or_else(|| reason(ConditionType::Stalled).filter(|_| status.is(ConditionType::Stalled))),
        Phase::Suspended | Phase::Complete => None,
    }
}

fn peers_ready<'a>(ledger: &Ledger, view: Option<&View<'a>>) -> (bool, &'a str, String) {
    match ledger.stage {
        Stage::Suspended => return (false, "Suspended", "spec.suspend is true".to_owned()),
        Stage::Complete => return (false, "Complete", "the peers have ended".to_owned()),
        Stage::Failed => return (false, "Failed", "the experiment has failed".to_owned()),
        Stage::Draining | Stage::Starting | Stage::Running => {}
    }
    let Some(view) = view else {
        return (false, "Creating", "creating pods".to_owned());
    };
    let Counts {
        ready,
        complete,
        failed,
    } = view.counts;
    if let Some((reason, message)) = view.trouble {
        return (false, reason, message.to_owned());
    }
    if view.waits > 0 {
        let message = format!("{} pods of the previous attempt have not terminated yet", view.waits);
        return (false, "Draining", message);
    }
    if failed > 0 && !view.goes_on {
        let message = format!("{failed} peers have failed; peers restart together");
        return (false, "PeerFailed", message);
    }
    let there = ready + complete;
    let mut message = format!("{there} of {} peers are ready or complete", view.peers);
    if view.to_join > 0 {
        message.push_str(&format!("; yet to join: {}", view.to_join));
    }
    if failed > 0 {
        message.push_str(&format!(", {failed} have failed"));
        return (false, "PeerFailed", message);
    }
    if there + view.to_join >= view.peers {
        return (true, "AllReady", message);
    }
    (false, "WaitingForPeers", message)
}
