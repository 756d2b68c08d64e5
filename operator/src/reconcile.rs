//! One look at an experiment: dereference → validate → decide → build → apply → update the status. Each step is a module of its own; this
//! one calls them in turn and is where the client is.

mod act;
mod claims;
mod context;
mod error;
mod publish;
mod record;
mod seen;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use fltorrent_crds::status::ExperimentStatus;
use futures_util::FutureExt;
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tracing::Instrument;

use crate::{
    Watched,
    apply::ApplyError,
    backoff, event_notes,
    life::{Decision, Facts, Ledger, Transition, decide, give_back},
    planner,
    status::ledger,
    throttle::Turn,
    validate::Validated,
};
pub use context::{Context, Tools};
pub use error::ReconcileError;
use seen::Seen;

/// Interval at which an experiment is looked at when nothing happens.
const IDLE: Duration = Duration::from_secs(300);
/// Longest time that one look may take; the API server's client tries again for longer than that.
const LONGEST: Duration = Duration::from_secs(90);
/// Steps of an experiment's life in one look; more come with the next.
const STEPS: usize = 4;
/// When to look again for the objects of an earlier experiment.
const FORMER: Duration = Duration::from_secs(2);

/// Looks at an experiment and does what follows.
///
/// # Errors
/// When a request failed; [`after_error`] says when to look again.
pub async fn reconcile(watched: Arc<Watched>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let object = ObjectRef::from_obj(&*watched);
    let span = tracing::info_span!("reconcile", %object, id = context.next_look());
    observed(&watched, &context).instrument(span).await
}

/// A look with what it leaves in metrics and log.
async fn observed(watched: &Watched, context: &Context) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    // What a panic left half done is looked at anew, as after the death of an operator.
    let look = AssertUnwindSafe(look(watched, context)).catch_unwind();
    let result = match tokio::time::timeout(LONGEST, look).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(panic)) => Err(ReconcileError::Panicked(planner::message(&*panic))),
        Err(_) => Err(ReconcileError::TooLong),
    };
    let error = result.as_ref().err();
    let reason = error.map(ReconcileError::reason);
    context.tools.metrics.reconciled(began.elapsed(), reason);
    if let Some(error) = error {
        tracing::warn!(
            reason,
            error = fltorrent_coordinator::chain(error),
            "a reconcile failed"
        );
    }
    result
}

/// When to look again after an error.
pub fn after_error(watched: Arc<Watched>, error: &ReconcileError, context: Arc<Context>) -> Action {
    if let ReconcileError::Apply(ApplyError::Former { .. }) = error {
        return Action::requeue(FORMER);
    }
    let uid = watched.uid().unwrap_or_default();
    if let Some(rest) = context.tools.rooms.rest(&uid, Instant::now()) {
        return Action::requeue(rest);
    }
    let failures = context.failed(&ObjectRef::from_obj(&*watched));
    Action::requeue(backoff::RECONCILE.after(failures))
}

async fn look(watched: &Watched, context: &Context) -> Result<Action, ReconcileError> {
    let experiment = match &watched.0 {
        Ok(experiment) => Arc::new(experiment.clone()),
        Err(invalid) => {
            context.unreadable(invalid).await;
            return Ok(Action::await_change());
        }
    };
    if experiment.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it; nothing is to be done, and nothing may be made.
        return Ok(Action::await_change());
    }
    let mut prior = context.status(&experiment).await?;
    let validated = match context.validated(&experiment).await {
        Ok(validated) => validated,
        Err(error) => {
            let spec = event_notes::refused(&error, experiment.metadata.generation.unwrap_or_default());
            context.publish_event(&experiment, &spec).await;
            let next = context.refused(&experiment, &prior, &error);
            return context.publish(&experiment, &prior, next, None).await;
        }
    };
    for _ in 0..STEPS {
        let (seen, decision) = decided(context, &validated, &prior).await?;
        let rest = context.tools.rooms.rest(&validated.uid, Instant::now());
        match held_back(decision, rest, &ledger(&prior), &seen.facts) {
            Decision::Record { ledger, transition } => {
                let now = Instant::now();
                if let Turn::Wait(rest) = context.turn(&validated.uid, now) {
                    return Ok(Action::requeue(rest));
                }
                if transition == Transition::Begins
                    && let Some(rest) = act::prepare(context, &validated, &prior, &seen).await?
                {
                    return Ok(Action::requeue(rest));
                }
                prior = record::record(context, &validated, &prior, &seen, &ledger, &transition).await?;
            }
            Decision::Act {
                delete,
                end,
                create,
                again,
            } => {
                let pods = act::Pods { delete, end, create };
                return act::act(context, &validated, &prior, seen, pods, again).await;
            }
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}

/// Who waits for room in its namespace does not begin meanwhile, so that its manifest can be changed, and keeps no part of its pods: those
/// that were made are given back now if that could not be written when the rest was refused.
fn held_back(decision: Decision, rest: Option<Duration>, ledger: &Ledger, facts: &Facts) -> Decision {
    let Some(rest) = rest else {
        return decision;
    };
    match &decision {
        Decision::Record {
            transition: Transition::Begins,
            ..
        } => Decision::wait(rest),
        Decision::Act { create, .. } if !create.is_empty() => give_back(ledger, facts).unwrap_or(decision),
        _ => decision,
    }
}

/// The decision, made on fresh facts unless there is nothing to do.
async fn decided(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
) -> Result<(Seen, Decision), ReconcileError> {
    let now = Timestamp::now();
    let seen = Seen::cached(context, validated, prior);
    let decision = decide(&ledger(prior), &seen.facts, now);
    if decision.is_quiet() {
        return Ok((seen, decision));
    }
    let seen = Seen::fresh(context, validated, prior).await?;
    let decision = decide(&ledger(prior), &seen.facts, now);
    Ok((seen, decision))
}

#[cfg(test)]
mod tests;
