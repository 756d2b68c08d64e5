//! A step of an experiment's life: told, and recorded before anything is done for it.

use fltorrent_crds::{Experiment, status::ExperimentStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

use super::{Context, ReconcileError, seen::Seen};
use crate::{
    build::pod::CONTAINER,
    event_notes,
    life::{Ledger, Transition},
    names, status,
    validate::Validated,
};

/// Lines of a failed peer's log that an event shows.
const LOG_LINES: i64 = 8;
/// The most bytes of them; beyond, the last lines would be cut off.
const LOG_BYTES: i64 = 65_536;

/// Tells and records a step; returns the status as it is then.
pub(super) async fn record(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: &Seen,
    ledger: &Ledger,
    transition: &Transition,
) -> Result<ExperimentStatus, ReconcileError> {
    // Told first: what is told twice is one event, what is forgotten is none.
    let log = match event_notes::failure(transition) {
        Some(index) => last_lines(context, validated, seen, &status::ledger(prior), index).await,
        None => None,
    };
    for spec in event_notes::transition(transition, ledger, validated, log.as_deref()) {
        context.publish_event(&validated.experiment, &spec).await;
    }
    tracing::info!(turn = ?transition, attempt = ledger.attempt, stage = ?ledger.stage, "a step");
    let figures = context.figures(validated, ledger, prior);
    let now = Timestamp::now();
    let next = status::recorded(prior, validated, ledger, transition, &figures, now);
    let version = match transition {
        Transition::Begins => Some(unchanged(context, validated).await?),
        _ => None,
    };
    context.write(&validated.experiment, &next, version.as_deref()).await?;
    context.moved(validated, ledger);
    let metrics = &context.tools.metrics;
    match transition {
        Transition::Restarting { .. } => drop(metrics.restarts.inc()),
        Transition::Replacing { losses } => drop(metrics.replacements.inc_by(losses.len() as u64)),
        _ => {}
    }
    Ok(next)
}

/// The version of the object whose manifest is still the one that pods are to be made of. From when that is written the API server refuses
/// to change it; until then somebody may have.
async fn unchanged(context: &Context, validated: &Validated) -> Result<String, ReconcileError> {
    let experiments: Api<Experiment> = Api::namespaced(context.client.clone(), &validated.namespace);
    let now = experiments
        .get_metadata_opt(&validated.name)
        .await
        .map_err(|error| ReconcileError::Read("manifest", Box::new(error)))?;
    now.map(|now| now.metadata)
        .filter(|now| now.uid.as_deref() == Some(&validated.uid))
        .filter(|now| now.generation == Some(validated.generation))
        .and_then(|now| now.resource_version)
        .ok_or(ReconcileError::Changed)
}

async fn last_lines(
    context: &Context,
    validated: &Validated,
    seen: &Seen,
    before: &Ledger,
    index: u32,
) -> Option<String> {
    let name = names::pod(&validated.name, index, before.attempt, before.incarnation(index));
    seen.facts.pods.iter().find(|pod| pod.name == name)?;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &validated.namespace);
    let params = LogParams {
        container: Some(CONTAINER.to_owned()),
        tail_lines: Some(LOG_LINES),
        limit_bytes: Some(LOG_BYTES),
        ..LogParams::default()
    };
    let log = pods.logs(&name, &params).await.ok()?;
    let log = log.trim();
    (!log.is_empty()).then(|| log.to_owned())
}
