//! What the status says: from what was applied and seen. No client; time is an argument.
//!
//! There are four ways to a status and no other: [`refused`] (nothing was built), [`recorded`] (a step of [`life`](crate::life) that is
//! written before anything is done for it), [`applied`] and [`unapplied`].

mod figures;

use fltorrent_crds::{
    experiment::MAX_PEERS,
    status::{ConditionType, ExperimentStatus, PeerCounts, Phase, RoundCounts, Stage},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    apply::{Applied, ApplyError, QUOTA_EXCEEDED},
    life::{Facts, Failure, Ledger, Transition, current},
    pod_facts::{Counts, Trouble, count},
    validate::Validated,
};
pub use figures::Figures;

/// Why an experiment failed whose peers have all ended well.
const MODELS_DIFFER: &str = "ModelsDiffer";

/// The record in a status.
pub fn ledger(status: &ExperimentStatus) -> Ledger {
    Ledger {
        stage: status.stage.unwrap_or_default(),
        attempt: status.attempt,
        restarts: status.restarts,
        resume: status.resumed_after,
        begun: status.start_time.is_some(),
    }
}

/// The experiment cannot be built. What runs goes on; nothing new is made. One that has not begun has failed: who waits for its end has
/// it, and once its manifest is corrected it begins after all.
pub fn refused(
    prior: &ExperimentStatus,
    generation: i64,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> ExperimentStatus {
    let mut status = begin(prior, generation);
    status.set(ConditionType::Accepted, false, reason, message, &Time(now));
    status.set_error(message);
    status.reason = Some(reason.to_owned());
    if status.start_time.is_none() {
        if prior.observed_generation != status.observed_generation {
            status.end_time = None;
        }
        end(&mut status, now);
        status.set(ConditionType::Failed, true, reason, message, &Time(now));
        status.phase = Some(Phase::Failed);
    }
    status
}

/// A step is recorded: everything else in the status stays as it was, but for what follows from the step alone. Who waits for the end
/// finds the last figures with it.
pub fn recorded(
    prior: &ExperimentStatus,
    validated: &Validated,
    ledger: Ledger,
    transition: &Transition,
    figures: &Figures,
    now: Timestamp,
) -> ExperimentStatus {
    let mut status = begin(prior, validated.generation);
    put(&mut status, ledger, now);
    accept(&mut status, validated, now);
    let peers = validated.peers();
    match transition {
        Transition::Restarting { index, failure } | Transition::GaveUp { index, failure } => {
            status.set_error(&failed(*index, failure));
        }
        Transition::ModelsDiffer { message } => status.set_error(message),
        // A new attempt begins where its checkpoint is, maybe before what the last one had reached: the figures are of rounds to come.
        Transition::ResumedFromCheckpoint { .. } | Transition::RestartedFromScratch => {
            let total = validated.plan.training.rounds;
            status.round = Some(RoundCounts::new(ledger.resume.min(total), total));
            (status.accuracy, status.loss, status.model) = (None, None, None);
            (status.round_ends, status.missing) = (None, None);
        }
        Transition::Begins | Transition::GaveBack => {
            let total = validated.plan.training.rounds;
            status.peers = Some(PeerCounts::new(peers, 0, 0, 0));
            status.round = Some(RoundCounts::new(ledger.resume.min(total), total));
        }
        Transition::Completed => {
            status.peers = Some(PeerCounts::new(peers, 0, peers, 0));
            // Whatever went wrong has passed; events tell of it.
            status.last_error = None;
        }
        _ => {}
    }
    if ledger.is_end() {
        know(&mut status, validated, ledger, figures);
        end(&mut status, now);
    }
    if let Transition::ModelsDiffer { message } = transition {
        status.set(ConditionType::Failed, true, MODELS_DIFFER, message, &Time(now));
    }
    // Why they were given back is what keeps them from being ready.
    let trouble = prior
        .condition(ConditionType::PeersReady)
        .filter(|_| *transition == Transition::GaveBack);
    let view = trouble.map(|trouble| View {
        counts: Counts::default(),
        peers,
        waits: 0,
        trouble: Some((&trouble.reason, &trouble.message)),
    });
    conditions(&mut status, ledger, view.as_ref(), now);
    status
}

/// Objects and pods are as they should be, or on the way.
pub fn applied(
    prior: &ExperimentStatus,
    validated: &Validated,
    ledger: Ledger,
    applied: &Applied,
    trouble: Option<&Trouble>,
    figures: &Figures,
    now: Timestamp,
) -> ExperimentStatus {
    let mut status = begin(prior, validated.generation);
    put(&mut status, ledger, now);
    accept(&mut status, validated, now);
    if trouble.is_none() {
        forget(&mut status, ConditionType::PeersReady);
    }
    let counts = seen(&mut status, validated, ledger, applied.facts());
    know(&mut status, validated, ledger, figures);
    // A node words the same trouble in turn as an error and as waiting: the status does not follow each of these.
    let same = prior.peers == status.peers && prior.attempt == ledger.attempt;
    let before = prior.condition(ConditionType::PeersReady).filter(|_| same);
    let trouble = trouble.map(|trouble| match before {
        Some(before) if before.reason == trouble.reason => (trouble.reason, &*before.message),
        _ => (trouble.reason, trouble.message.as_str()),
    });
    let view = View {
        counts,
        peers: validated.peers(),
        waits: leaving(applied.facts(), ledger),
        trouble,
    };
    conditions(&mut status, ledger, Some(&view), now);
    status
}

/// Something could not be applied. At an end that is nobody's matter but the log's: how it ended stays as it was told.
pub fn unapplied(
    prior: &ExperimentStatus,
    validated: &Validated,
    ledger: Ledger,
    facts: &Facts,
    error: &ApplyError,
    now: Timestamp,
) -> ExperimentStatus {
    let mut status = begin(prior, validated.generation);
    put(&mut status, ledger, now);
    accept(&mut status, validated, now);
    let message = error.to_string();
    let view = View {
        counts: seen(&mut status, validated, ledger, facts),
        peers: validated.peers(),
        waits: 0,
        trouble: Some((error.reason(), &message)),
    };
    conditions(&mut status, ledger, Some(&view), now);
    if !ledger.is_end() {
        status.set_error(&message);
    }
    status
}

/// `peer 3 failed: OOMKilled: killed (SIGKILL)`.
pub fn failed(index: u32, failure: &Failure) -> String {
    let Failure { reason, message, .. } = failure;
    let colon = if message.is_empty() { "" } else { ": " };
    format!("peer {index} failed: {reason}{colon}{message}")
}

/// Peers by state, for the conditions.
struct View<'a> {
    counts: Counts,
    peers: u32,
    waits: usize,
    trouble: Option<(&'a str, &'a str)>,
}

fn begin(prior: &ExperimentStatus, generation: i64) -> ExperimentStatus {
    ExperimentStatus {
        observed_generation: Some(generation),
        ..prior.clone()
    }
}

fn put(status: &mut ExperimentStatus, ledger: Ledger, now: Timestamp) {
    let Ledger {
        stage,
        attempt,
        restarts,
        resume,
        begun,
    } = ledger;
    status.stage = Some(stage);
    status.attempt = attempt;
    status.restarts = restarts;
    status.resumed_after = resume;
    let started = status.start_time.take();
    status.start_time = begun.then(|| started.unwrap_or(Time(now)));
    if !ledger.is_end() {
        // Of a manifest that was refused and is corrected now.
        status.end_time = None;
        status.duration_seconds = None;
    }
}

/// Removes a condition whose problem has passed.
fn forget(status: &mut ExperimentStatus, kind: ConditionType) {
    let said = status
        .condition(kind)
        .filter(|condition| condition.status == "False")
        .map(|condition| condition.message.clone());
    if let Some(said) = said {
        status.forget_error(&said);
    }
}

fn accept(status: &mut ExperimentStatus, validated: &Validated, now: Timestamp) {
    forget(status, ConditionType::Accepted);
    let plan = &validated.plan;
    let mut message = format!(
        "{} peers, {} rounds; plan {}",
        plan.peers(),
        plan.training.rounds,
        &plan.hash_text()[..12]
    );
    for warning in &plan.warnings {
        message.push_str(&format!("\nwarning: {}: {}", warning.path, warning.message));
    }
    status.set(ConditionType::Accepted, true, "PlanMade", &message, &Time(now));
}

/// Counts peers; at an end the counts stay as they were then, whatever becomes of the pods.
fn seen(status: &mut ExperimentStatus, validated: &Validated, ledger: Ledger, facts: &Facts) -> Counts {
    let counts = count(&current(ledger, facts));
    let peers = validated.peers().min(MAX_PEERS);
    if !ledger.is_end() {
        let Counts {
            ready,
            complete,
            failed,
        } = counts;
        status.peers = Some(PeerCounts::new(peers, ready, complete, failed));
    }
    let total = validated.plan.training.rounds;
    let done = status.round.as_ref().map_or(0, |round| round.done);
    status.round = Some(RoundCounts::new(done, total));
    counts
}

/// Pods that have to go before others come.
fn leaving(facts: &Facts, ledger: Ledger) -> usize {
    facts
        .pods
        .iter()
        .filter(|pod| pod.attempt < ledger.attempt || ledger.stage == Stage::Suspended)
        .count()
}

/// Puts what peers report. An experiment that has failed has no model: that of an earlier round is not what it came to.
fn know(status: &mut ExperimentStatus, validated: &Validated, ledger: Ledger, figures: &Figures) {
    figures.put(status, validated.plan.training.rounds);
    if ledger.stage == Stage::Failed {
        status.model = None;
    }
}

fn end(status: &mut ExperimentStatus, now: Timestamp) {
    let ended = status.end_time.get_or_insert(Time(now)).0;
    let seconds = status
        .start_time
        .as_ref()
        .map(|start| ended.duration_since(start.0).as_secs());
    status.duration_seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
}

fn conditions(status: &mut ExperimentStatus, ledger: Ledger, view: Option<&View<'_>>, now: Timestamp) {
    let now = Time(now);
    let (ready, reason, message) = peers_ready(ledger, view);
    if view.is_some() || ledger.stage != Stage::Running {
        status.set(ConditionType::PeersReady, ready, reason, &message, &now);
    }
    // Once all peers were there, the attempt trains; one that is not ready for a moment does not take that back. A round that all
    // have finished says so before the probes do.
    let has_trained = status.round.as_ref().is_some_and(|round| round.done > ledger.resume);
    let none_failed = view.is_none_or(|view| view.counts.failed == 0);
    let trains =
        ledger.stage == Stage::Running && none_failed && (ready || has_trained || status.is(ConditionType::Training));
    let (reason, message) = match ledger.stage {
        _ if trains => ("Training", "peers train and exchange chunks"),
        Stage::Draining => ("Draining", "waiting for pods of the previous attempt to terminate"),
        Stage::Starting | Stage::Running => ("WaitingForPeers", "not all peers have been ready yet"),
        Stage::Suspended => ("Suspended", "spec.suspend is true"),
        Stage::Complete => ("Complete", "all peers have completed"),
        Stage::Failed => ("Failed", "the experiment has failed"),
    };
    status.set(ConditionType::Training, trains, reason, message, &now);

    let complete = ledger.stage == Stage::Complete;
    let (reason, message) = match complete {
        true => ("AllPeersComplete", "all peers have completed"),
        false => ("NotComplete", "not all peers have completed"),
    };
    status.set(ConditionType::Complete, complete, reason, message, &now);

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
    status.set(ConditionType::Failed, failed, reason, &message, &now);

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
    status.set(ConditionType::Suspended, suspended, reason, &message, &now);

    let no_room = status
        .condition(ConditionType::PeersReady)
        .is_some_and(|condition| condition.reason == QUOTA_EXCEEDED);
    status.phase = Some(match ledger.stage {
        Stage::Draining | Stage::Starting if !ledger.begun || no_room => Phase::Pending,
        Stage::Draining | Stage::Starting => Phase::Starting,
        Stage::Running if trains => Phase::Training,
        Stage::Running => Phase::Starting,
        Stage::Suspended => Phase::Suspended,
        Stage::Complete => Phase::Complete,
        Stage::Failed => Phase::Failed,
    });
    status.reason = why(status);
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
        // A peer that is not ready for a moment needs nobody's help.
        Phase::Training => reason(ConditionType::PeersReady)
            .filter(|reason| !["AllReady", "WaitingForPeers"].contains(&reason.as_str())),
        Phase::Suspended | Phase::Complete => None,
    }
}

fn peers_ready<'a>(ledger: Ledger, view: Option<&View<'a>>) -> (bool, &'a str, String) {
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
    if failed > 0 {
        let message = format!("{failed} peers have failed; peers restart together");
        return (false, "PeerFailed", message);
    }
    let there = ready + complete;
    let message = format!("{there} of {} peers are ready or complete", view.peers);
    if there >= view.peers {
        return (true, "AllReady", message);
    }
    (false, "WaitingForPeers", message)
}

#[cfg(test)]
mod tests;
