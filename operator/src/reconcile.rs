//! One look at an experiment: dereference → validate → decide → build → apply → update the status. Each step is a module of its own; this
//! one calls them in turn and is where the client is.

mod context;
mod error;
mod record;
mod seen;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fltorrent_crds::Experiment;
use fltorrent_crds::status::{ExperimentStatus, Stage};
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tracing::Instrument;

use crate::apply::{ApplyError, Desired};
use crate::backoff::Backoff;
use crate::build;
use crate::life::{Decision, decide};
use crate::observe;
use crate::status::{self, Figures, ledger};
use crate::story;
use crate::throttle::Turn as Throttled;
use crate::validate::Validated;
pub use context::{Context, Tools, known};
pub use error::ReconcileError;
use seen::Seen;

/// An experiment as it is watched: one that cannot be read stops no other.
pub type Watched = DeserializeGuard<Experiment>;

/// How often an experiment is looked at when nothing happens.
const IDLE: Duration = Duration::from_secs(300);
/// How long one look may take; the API server's client tries again for longer than that.
const LONGEST: Duration = Duration::from_secs(90);
/// Steps of an experiment's life in one look; more come with the next.
const STEPS: usize = 4;
/// When to look again for the objects of an earlier experiment.
const FORMER: Duration = Duration::from_secs(2);

/// Looks at an experiment and does what follows.
///
/// # Errors
/// When a request failed; [`after_error`] says when to look again.
pub async fn reconcile(
    watched: Arc<Watched>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let object = ObjectRef::from_obj(&*watched);
    let span = tracing::info_span!("reconcile", %object, id = context.next_look());
    observed(&watched, &context).instrument(span).await
}

/// A look with what it leaves in metrics and log.
async fn observed(watched: &Watched, context: &Context) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    let looked = tokio::time::timeout(LONGEST, look(watched, context)).await;
    let result = looked.unwrap_or(Err(ReconcileError::TooLong));
    let error = result.as_ref().err();
    let reason = error.map(ReconcileError::reason);
    context.tools.metrics.reconciled(began.elapsed(), reason);
    if let Some(error) = error {
        tracing::warn!(reason, error = %error.chain(), "a reconcile failed");
    }
    result
}

/// When to look again after an error.
pub fn after_error(watched: Arc<Watched>, error: &ReconcileError, context: Arc<Context>) -> Action {
    if let ReconcileError::Apply(ApplyError::Former { .. }) = error {
        return Action::requeue(FORMER);
    }
    let failures = context.failed(&ObjectRef::from_obj(&*watched));
    Action::requeue(Backoff::RECONCILE.after(failures))
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
    let validated = match context.validated(&experiment) {
        Ok(validated) => validated,
        Err(error) => {
            let telling =
                story::refused(&error, experiment.metadata.generation.unwrap_or_default());
            context.tell(&experiment, &telling).await;
            let next = context.refused(&experiment, &prior, &error);
            return context.publish(&experiment, &prior, next, None).await;
        }
    };
    for _ in 0..STEPS {
        let (seen, decision) = decided(context, &validated, &prior).await?;
        match decision {
            Decision::Record { ledger, turn } => {
                let now = Instant::now();
                if let Throttled::Wait(rest) = context.turn(&validated.uid, now) {
                    return Ok(Action::requeue(rest));
                }
                prior = record::record(context, &validated, &prior, &seen, ledger, &turn).await?;
            }
            Decision::Act {
                delete,
                create,
                again,
            } => {
                return act(context, &validated, &prior, seen, delete, create, again).await;
            }
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}

/// The decision, made on fresh facts unless there is nothing to do.
async fn decided(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
) -> Result<(Seen, Decision), ReconcileError> {
    let now = Timestamp::now();
    let seen = Seen::cached(context, validated, prior);
    let decision = decide(ledger(prior), &seen.facts, now);
    if decision.is_quiet() {
        return Ok((seen, decision));
    }
    let seen = Seen::fresh(context, validated, prior).await?;
    let decision = decide(ledger(prior), &seen.facts, now);
    Ok((seen, decision))
}

async fn act(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: Seen,
    delete: Vec<String>,
    create: Vec<u32>,
    again: Option<Duration>,
) -> Result<Action, ReconcileError> {
    let ledger = ledger(prior);
    let Tools { site, root, .. } = &context.tools;
    let ends = matches!(ledger.stage, Stage::Complete | Stage::Failed);
    let objects = if ends || context.stands(validated) {
        None
    } else {
        Some(build::objects(validated, site, root)?)
    };
    let create = create
        .into_iter()
        .map(|index| build::pod::build(validated, site, root, index, ledger.attempt, ledger.resume))
        .collect::<Result<Vec<_>, _>>()?;
    if !delete.is_empty() || !create.is_empty() {
        tracing::info!(
            attempt = ledger.attempt,
            create = create.len(),
            delete = delete.len(),
            "pods"
        );
    }
    let desired = Desired {
        uid: validated.uid.clone(),
        name: validated.name.clone(),
        namespace: validated.namespace.clone(),
        objects,
        delete,
        create,
    };
    let Seen { facts, pods } = seen;
    let now = Timestamp::now();
    let applied = match context.applier.apply(desired, facts.clone()).await {
        Ok(applied) => applied,
        Err(error) => {
            if let Some(telling) = story::unapplied(&error, ledger) {
                context.tell(&validated.experiment, &telling).await;
            }
            let next = status::unapplied(prior, validated, ledger, &facts, &error, now);
            context
                .publish(&validated.experiment, prior, next, None)
                .await?;
            return Err(error.into());
        }
    };
    context.stood(validated, applied.mark());
    let current = pods.iter().map(AsRef::as_ref).filter(|pod| {
        observe::facts(pod, &validated.uid).is_some_and(|facts| facts.attempt == ledger.attempt)
    });
    let trouble = observe::worst(current).filter(|_| !ends);
    if let Some(trouble) = &trouble {
        context
            .tell(&validated.experiment, &story::trouble(trouble, ledger))
            .await;
    }
    let figures: Figures = context.figures(validated, ledger);
    let next = status::applied(
        prior,
        validated,
        ledger,
        &applied,
        trouble.as_ref(),
        &figures,
        now,
    );
    let again = again.or_else(|| (!ends).then_some(IDLE));
    context
        .publish(&validated.experiment, prior, next, again)
        .await
}
