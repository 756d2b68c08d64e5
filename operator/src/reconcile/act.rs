//! What a decision says is done, and the status that follows from it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fltorrent_crds::status::{ExperimentStatus, Stage};
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio::sync::OwnedMutexGuard;

use super::{Context, ReconcileError, Tools, Watched, record, seen::Seen};
use crate::{
    apply::{Applied, ApplyError, Desired},
    build::{self, Objects, pod::Process},
    event_notes,
    life::{Decision, Ledger, give_back},
    pod_facts::{self, Trouble},
    room::Entry,
    status::{self, Figures, ledger},
    throttle::Turn,
    validate::Validated,
};

#[derive(Default)]
pub(super) struct Pods {
    pub(super) delete: Vec<String>,
    pub(super) end: Vec<String>,
    pub(super) create: Vec<u32>,
}

/// Makes what pods mount, before the first of them: what fails here leaves the manifest as it can be changed. Returns how long to wait when
/// something of another experiment is made in the namespace.
pub(super) async fn prepare(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: &Seen,
) -> Result<Option<Duration>, ReconcileError> {
    if context.stands(validated) {
        return Ok(None);
    }
    let objects = build::objects(validated, &context.tools.site, &context.tools.root)?;
    let Step { desired, held, again } = Step::of(context, validated, seen, Pods::default(), Some(objects));
    if desired.objects.is_none() {
        return Ok(again);
    }
    let before = context.before(validated);
    let applied = match apply(context, validated, &ledger(prior), seen, desired).await {
        Ok(applied) => applied,
        Err(error) => return Err(refused(context, validated, prior, seen, error).await),
    };
    drop(held);
    context.stood(validated, applied.mark(), before, Instant::now());
    Ok(None)
}

/// The actions of one reconcile.
struct Step {
    desired: Desired,
    /// Held while pods or claims are made.
    held: Option<OwnedMutexGuard<()>>,
    /// When to come again for what has to wait.
    again: Option<Duration>,
}

impl Step {
    /// Creations in a namespace wait while another experiment's are under way there, or for quota.
    fn of(context: &Context, validated: &Validated, seen: &Seen, pods: Pods, mut objects: Option<Objects>) -> Self {
        let Pods {
            delete,
            end,
            mut create,
        } = pods;
        let claims = objects.as_ref().is_some_and(|it| !it.claims.is_empty());
        let (mut held, mut again) = (None, None);
        if !create.is_empty() || claims {
            let rooms = &context.tools.rooms;
            match rooms.enter(&validated.namespace, &validated.uid, Instant::now()) {
                Entry::Free(gate) => held = Some(gate),
                Entry::Wait(rest) => {
                    create.clear();
                    objects = objects.filter(|it| it.claims.is_empty());
                    again = Some(rest);
                }
            }
        }
        let desired = Desired {
            uid: validated.uid.clone(),
            name: validated.name.clone(),
            namespace: validated.namespace.clone(),
            objects,
            made: context.claims(validated),
            delete: by_uid(delete, seen),
            end: by_uid(end, seen),
            create,
        };
        Self { desired, held, again }
    }
}

async fn apply(
    context: &Context,
    validated: &Validated,
    ledger: &Ledger,
    seen: &Seen,
    desired: Desired,
) -> Result<Applied, ApplyError> {
    let site = &context.tools.site;
    let make = |index| {
        let process = Process {
            index,
            attempt: ledger.attempt,
            incarnation: ledger.incarnation(index),
            resume: ledger.resume,
        };
        build::pod::build(validated, site, process)
    };
    context.applier.apply(desired, seen.facts.clone(), make).await
}

/// The objects that are to be applied now, if any; else, where they are left alone for a while, for how long.
fn objects(
    context: &Context,
    validated: &Validated,
    ledger: &Ledger,
) -> Result<(Option<Objects>, Option<Duration>), ReconcileError> {
    if ledger.is_end() || context.stands(validated) {
        return Ok((None, None));
    }
    match context.repair(validated, Instant::now()) {
        Turn::Now => {
            let Tools { site, root, .. } = &context.tools;
            Ok((Some(build::objects(validated, site, root)?), None))
        }
        Turn::Wait(rest) => {
            tracing::warn!(?rest, "another client keeps changing its objects; backing off");
            Ok((None, Some(rest)))
        }
    }
}

pub(super) async fn act(
    context: &Context,
    validated: &Validated,
    prior: &ExperimentStatus,
    seen: Seen,
    mut pods: Pods,
    again: Option<Duration>,
) -> Result<Action, ReconcileError> {
    let ledger = &ledger(prior);
    let rooms = &context.tools.rooms;
    let (objects, left_alone) = objects(context, validated, ledger)?;
    if left_alone.is_some() {
        // None starts before its policy stands.
        pods.create.clear();
    }
    let Step {
        desired,
        held,
        again: room,
    } = Step::of(context, validated, &seen, pods, objects);
    let again = [again, left_alone, room].into_iter().flatten().min();
    told(&desired, ledger);
    let before = context.before(validated);
    let applied = match apply(context, validated, ledger, &seen, desired).await {
        Ok(applied) => applied,
        Err(error) => return Err(refused(context, validated, prior, &seen, error).await),
    };
    if ledger.is_end() {
        context.retire(validated).await?;
    }
    if held.is_some() || (ledger.stage != Stage::Starting && room.is_none()) {
        rooms.leave(&validated.uid);
    }
    drop(held);
    context.stood(validated, applied.mark(), before, Instant::now());
    let trouble = trouble(context, validated, ledger, &seen).await;
    context.leave(validated, ledger, &seen.facts);
    let figures: Figures = context.figures(validated, ledger, prior);
    let next = status::applied(
        prior,
        validated,
        ledger,
        &applied,
        trouble.as_ref(),
        &figures,
        Timestamp::now(),
    );
    let again = again.or_else(|| (!ledger.is_end()).then_some(super::IDLE));
    context.publish(&validated.experiment, prior, next, again).await
}

/// Logs what becomes of pods.
fn told(desired: &Desired, ledger: &Ledger) {
    let Desired {
        delete, end, create, ..
    } = desired;
    if delete.len() + end.len() + create.len() > 0 {
        tracing::info!(
            attempt = ledger.attempt,
            create = create.len(),
            end = end.len(),
            delete = delete.len(),
            "pods"
        );
    }
}

/// Problems that keep the attempt's pods from running.
async fn trouble(context: &Context, validated: &Validated, ledger: &Ledger, seen: &Seen) -> Option<Trouble> {
    let current = seen.pods.iter().map(AsRef::as_ref).filter(|pod| {
        pod_facts::facts(pod, &validated.uid, &context.tools.root).is_some_and(|facts| {
            let place = (facts.attempt, facts.incarnation);
            facts.sealed && place == (ledger.attempt, ledger.incarnation(facts.index))
        })
    });
    let trouble = pod_facts::worst(current).filter(|_| !ledger.is_end());
    if let Some(trouble) = &trouble {
        context
            .publish_event(&validated.experiment, &event_notes::trouble(trouble, ledger))
            .await;
    }
    trouble.or_else(|| context.tools.rooms.trouble(&validated.uid))
}

/// The pods that were seen under these names.
fn by_uid(names: Vec<String>, seen: &Seen) -> Vec<(String, Option<String>)> {
    let uids: HashMap<String, Option<String>> = seen.pods.iter().map(|pod| (pod.name_any(), pod.uid())).collect();
    let uid = |name: &String| uids.get(name).cloned().flatten();
    names.into_iter().map(|name| (name.clone(), uid(&name))).collect()
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
    let ledger = &ledger(prior);
    if let Some(spec) = event_notes::unapplied(&error, ledger) {
        context.publish_event(&validated.experiment, &spec).await;
    }
    let next = status::unapplied(prior, validated, ledger, &seen.facts, &error, Timestamp::now());
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
    ledger: &Ledger,
    error: &ApplyError,
) -> Result<(), ReconcileError> {
    // Before its pods go, so that it is not woken by them.
    let object = ObjectRef::<Watched>::new(&validated.name).within(&validated.namespace);
    let rooms = &context.tools.rooms;
    let gives_back = ledger.stage == Stage::Starting;
    rooms.refused(&object, &validated.uid, &error.to_string(), gives_back, Instant::now());
    let seen = Seen::fresh(context, validated, prior).await?;
    if let Some(Decision::Record { ledger, transition }) = give_back(ledger, &seen.facts) {
        record::record(context, validated, &next, &seen, &ledger, &transition).await?;
        return Ok(());
    }
    context
        .publish(&validated.experiment, prior, next, None)
        .await
        .map(drop)
}
