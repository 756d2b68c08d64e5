//! What the status says: from what was applied and seen. No client; time is an argument.
//!
//! There are four ways to a status and no other: [`refused`] (nothing was built), [`recorded`] (a step of [`life`](crate::life) that is
//! written before anything is done for it), [`applied`] and [`unapplied`].

mod conditions;
mod figures;
mod record;
mod stalled;
mod view;

use fltorrent_crds::{
    experiment::MAX_PEERS,
    status::{ConditionType, ExperimentStatus, PeerCounts, Phase, RoundCounts, Stage},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    apply::{Applied, ApplyError},
    life::{Facts, Failure, Ledger, Loss, Transition, current},
    pod_facts::{Counts, Trouble, count},
    validate::Validated,
};
use conditions::{MODELS_DIFFER, conditions};
pub use figures::Figures;
pub use record::ledger;
use view::View;

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
    ledger: &Ledger,
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
        Transition::Replacing { losses } | Transition::Lost { losses } => {
            if let Some(Loss { index, failure }) = losses.iter().find(|loss| !loss.failure.disrupted) {
                status.set_error(&failed(*index, failure));
            }
        }
        // Whatever went wrong has passed; events tell of it.
        Transition::Back { .. } if stalled::is_nobody(ledger) => status.last_error = None,
        Transition::ModelsDiffer { message } => status.set_error(message),
        // A new attempt begins where its checkpoint is, maybe before what the last one had reached: the figures are of rounds to come.
        Transition::ResumedFromCheckpoint { .. } | Transition::RestartedFromScratch => {
            let total = validated.plan.training.rounds;
            status.round = Some(RoundCounts::new(ledger.resume.min(total), total));
            (status.accuracy, status.loss, status.model) = (None, None, None);
            (status.round_ends, status.missing, status.bottleneck) = (None, None, None);
        }
        Transition::Begins | Transition::GaveBack => {
            let total = validated.plan.training.rounds;
            status.peers = Some(PeerCounts::new(peers, 0, 0, 0));
            status.round = Some(RoundCounts::new(ledger.resume.min(total), total));
        }
        Transition::Completed => {
            let lost = ledger.lost();
            status.peers = Some(PeerCounts::new(peers, 0, peers.saturating_sub(lost), lost));
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
        trouble: Some((&trouble.reason, &trouble.message)),
        ..View::of(validated, Counts::default())
    });
    conditions(&mut status, &validated.name, ledger, view.as_ref(), now);
    status
}

/// Objects and pods are as they should be, or on the way.
pub fn applied(
    prior: &ExperimentStatus,
    validated: &Validated,
    ledger: &Ledger,
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
        waits: leaving(applied.facts(), ledger),
        trouble,
        paused: figures.paused,
        ..View::of(validated, counts).looked_at(ledger, applied.facts())
    };
    conditions(&mut status, &validated.name, ledger, Some(&view), now);
    status
}

/// Something could not be applied. At an end that is nobody's matter but the log's: how it ended stays as it was told.
pub fn unapplied(
    prior: &ExperimentStatus,
    validated: &Validated,
    ledger: &Ledger,
    facts: &Facts,
    error: &ApplyError,
    now: Timestamp,
) -> ExperimentStatus {
    let mut status = begin(prior, validated.generation);
    put(&mut status, ledger, now);
    accept(&mut status, validated, now);
    let message = error.to_string();
    let counts = seen(&mut status, validated, ledger, facts);
    let view = View {
        trouble: Some((error.reason(), &message)),
        ..View::of(validated, counts).looked_at(ledger, facts)
    };
    conditions(&mut status, &validated.name, ledger, Some(&view), now);
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

fn begin(prior: &ExperimentStatus, generation: i64) -> ExperimentStatus {
    ExperimentStatus {
        observed_generation: Some(generation),
        ..prior.clone()
    }
}

fn put(status: &mut ExperimentStatus, ledger: &Ledger, now: Timestamp) {
    record::put(status, ledger);
    let started = status.start_time.take();
    status.start_time = ledger.begun.then(|| started.unwrap_or(Time(now)));
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
fn seen(status: &mut ExperimentStatus, validated: &Validated, ledger: &Ledger, facts: &Facts) -> Counts {
    let pods = current(ledger, facts);
    let mut counts = count(&pods);
    // Of a peer that is lost no pod needs to be there.
    let is_uncounted = |index: &u32| ledger.is_lost(*index) && pods.get(index).is_none_or(|pod| !pod.state.has_ended());
    let uncounted = ledger.replaced.keys().filter(|index| is_uncounted(index)).count();
    counts.failed += u32::try_from(uncounted).unwrap_or(u32::MAX);
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
fn leaving(facts: &Facts, ledger: &Ledger) -> usize {
    facts
        .pods
        .iter()
        .filter(|pod| pod.attempt < ledger.attempt || ledger.stage == Stage::Suspended)
        .count()
}

/// Puts what peers report. An experiment that has failed has no model: that of an earlier round is not what it came to.
fn know(status: &mut ExperimentStatus, validated: &Validated, ledger: &Ledger, figures: &Figures) {
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

#[cfg(test)]
mod tests;
