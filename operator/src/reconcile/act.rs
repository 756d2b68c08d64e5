//! What a decision says is done, and the status that follows from it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fltorrent_crds::status::{ExperimentStatus, Stage};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::seen::Seen;
use super::{Context, ReconcileError, Tools, Watched, record};
use crate::apply::{ApplyError, Desired};
use crate::build;
use crate::life::{Decision, Ledger, give_back};
use crate::observe;
use crate::room::Entry;
use crate::status::{self, Figures, ledger};
use crate::story;
use crate::throttle::Turn;
use crate::validate::Validated;

/// Makes what pods mount, before the first of them: what fails here leaves the manifest as it can be changed.
pub(super) async fn prepare(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: &Seen,
) -> Result<(), ReconcileError> {
    if context.stands(validated) {
        return Ok(());
    }
    let objects = build::objects(validated, &context.tools.site, &context.tools.root)?;
    let desired = Desired {
        objects: Some(objects),
        ..desired(context, validated)
    };
    match context.applier.apply(desired, seen.facts.clone()).await {
        Ok(applied) => {
            context.stood(validated, applied.mark(), Instant::now());
            Ok(())
        }
        Err(error) => Err(refused(context, validated, prior, seen, error).await),
    }
}

pub(super) async fn act(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: Seen,
    delete: Vec<String>,
    mut create: Vec<u32>,
    mut again: Option<Duration>,
) -> Result<Action, ReconcileError> {
    let ledger = ledger(prior);
    let Tools {
        site, root, rooms, ..
    } = &context.tools;
    let ends = matches!(ledger.stage, Stage::Complete | Stage::Failed);
    let repair = if ends || context.stands(validated) {
        None
    } else {
        Some(context.repair(validated, Instant::now()))
    };
    let objects = match repair {
        None => None,
        Some(Turn::Now) => Some(build::objects(validated, site, root)?),
        Some(Turn::Wait(rest)) => {
            tracing::warn!(
                ?rest,
                "somebody keeps changing its objects; they are left alone for a while"
            );
            again = Some(again.map_or(rest, |again| again.min(rest)));
            None
        }
    };
    let mut held = None;
    if !create.is_empty() {
        match rooms.enter(&validated.namespace, &validated.uid, Instant::now()) {
            Entry::Free(gate) => held = Some(gate),
            Entry::Wait(rest) => {
                create.clear();
                again = Some(again.map_or(rest, |again| again.min(rest)));
            }
        }
    }
    let create = create
        .into_iter()
        .map(|index| build::pod::build(validated, site, index, ledger.attempt, ledger.resume))
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
        objects,
        delete: by_uid(delete, &seen),
        create,
        ..desired(context, validated)
    };
    let applied = match context.applier.apply(desired, seen.facts.clone()).await {
        Ok(applied) => applied,
        Err(error) => return Err(refused(context, validated, prior, &seen, error).await),
    };
    if held.take().is_some() || ledger.stage != Stage::Starting {
        rooms.leave(&validated.uid);
    }
    context.stood(validated, applied.mark(), Instant::now());
    let current = seen.pods.iter().map(AsRef::as_ref).filter(|pod| {
        observe::facts(pod, &validated.uid, root)
            .is_some_and(|facts| facts.sealed && facts.attempt == ledger.attempt)
    });
    let trouble = observe::worst(current).filter(|_| !ends);
    if let Some(trouble) = &trouble {
        context
            .tell(&validated.experiment, &story::trouble(trouble, ledger))
            .await;
    }
    let trouble = trouble.or_else(|| rooms.trouble(&validated.uid));
    let figures: Figures = context.figures(validated, ledger);
    let next = status::applied(
        prior,
        validated,
        ledger,
        &applied,
        trouble.as_ref(),
        &figures,
        Timestamp::now(),
    );
    let again = again.or_else(|| (!ends).then_some(super::IDLE));
    context
        .publish(&validated.experiment, prior, next, again)
        .await
}

/// The pods that were seen under these names.
fn by_uid(names: Vec<String>, seen: &Seen) -> Vec<(String, Option<String>)> {
    let uids: HashMap<String, Option<String>> = seen
        .pods
        .iter()
        .map(|pod| (pod.name_any(), pod.uid()))
        .collect();
    let uid = |name: &String| uids.get(name).cloned().flatten();
    names
        .into_iter()
        .map(|name| (name.clone(), uid(&name)))
        .collect()
}

/// Nothing yet, for this experiment.
fn desired(context: &Context, validated: &Validated) -> Desired {
    Desired {
        uid: validated.uid.clone(),
        name: validated.name.clone(),
        namespace: validated.namespace.clone(),
        objects: None,
        made: context.claims(validated),
        delete: Vec::new(),
        create: Vec::new(),
    }
}

/// Tells that something was not applied, and in the status; where a namespace has room for some of the pods only, they are given back.
/// Returns why the look ends: the refusal, or that not even this could be written.
async fn refused(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: &Seen,
    error: ApplyError,
) -> ReconcileError {
    let ledger = ledger(prior);
    if let Some(telling) = story::unapplied(&error, ledger) {
        context.tell(&validated.experiment, &telling).await;
    }
    let next = status::unapplied(
        prior,
        validated,
        ledger,
        &seen.facts,
        &error,
        Timestamp::now(),
    );
    let told = match error.is_no_room() {
        true => no_room(context, validated, prior, next, ledger, &error).await,
        false => context
            .publish(&validated.experiment, prior, next, None)
            .await
            .map(drop),
    };
    told.err().unwrap_or_else(|| error.into())
}

async fn no_room(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    next: ExperimentStatus,
    ledger: Ledger,
    error: &ApplyError,
) -> Result<(), ReconcileError> {
    // Before its pods go, so that it is not woken by them.
    let object = ObjectRef::<Watched>::new(&validated.name).within(&validated.namespace);
    let rooms = &context.tools.rooms;
    rooms.refused(&object, &validated.uid, &error.to_string(), Instant::now());
    let seen = Seen::fresh(context, validated, prior).await?;
    if let Some(Decision::Record { ledger, turn }) = give_back(ledger, &seen.facts) {
        record::record(context, validated, &next, &seen, ledger, &turn).await?;
        return Ok(());
    }
    context
        .publish(&validated.experiment, prior, next, None)
        .await
        .map(drop)
}
