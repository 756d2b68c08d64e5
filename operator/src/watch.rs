//! Watches, narrowed by label and pruned, and what they set off: every replica follows them, so that each may sign certificates; what
//! is to be reconciled is passed on only while this replica leads.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::{
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
        watcher::Event,
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{Watched, apply, metrics::Metrics, names, pages::PAGE, pod_facts, reconcile::Context};

/// Where the operator looks: one namespace, or all.
#[derive(Clone)]
pub struct Scope {
    /// The client.
    pub client: Client,
    /// The one namespace; none: all.
    pub namespace: Option<String>,
}

impl Scope {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// Passes on which experiments are to be looked at.
#[derive(Clone)]
pub struct Triggers {
    queue: mpsc::UnboundedSender<ObjectRef<Watched>>,
    leads: watch::Receiver<bool>,
}

impl Triggers {
    /// Into this queue, while this replica leads.
    pub const fn new(queue: mpsc::UnboundedSender<ObjectRef<Watched>>, leads: watch::Receiver<bool>) -> Self {
        Self { queue, leads }
    }

    /// An experiment is to be looked at. Who begins to lead looks at all of them anyway.
    pub fn pull(&self, experiment: ObjectRef<Watched>) {
        if *self.leads.borrow() {
            // The queue ends with the process; then nothing is to be looked at any more.
            let _ = self.queue.send(experiment);
        }
    }

    /// The experiment that an object belongs to is to be looked at.
    fn owner(&self, object: &impl ResourceExt) {
        let name = object.labels().get(names::EXPERIMENT);
        if let (Some(name), Some(namespace)) = (name, object.namespace()) {
            self.pull(ObjectRef::new(name).within(&namespace));
        }
    }
}

/// Follows everything, for as long as the set of tasks is there.
pub fn start(
    tasks: &mut JoinSet<()>,
    scope: &Scope,
    context: &Arc<Context>,
    metrics: &Arc<Metrics>,
    triggers: &Triggers,
    experiments: Writer<Watched>,
    pods: Writer<Pod>,
) {
    let all = watcher::Config::default().page_size(PAGE);
    let ours = all.clone().labels(&names::selector());

    let (seen, pull) = (Arc::clone(context), triggers.clone());
    let there = experiments.as_reader();
    let stream = watcher(scope.api::<Watched>(), all.clone())
        .default_backoff()
        .modify(|experiment| experiment.managed_fields_mut().clear())
        .reflect(experiments);
    tasks.spawn(follow(
        stream,
        "FLTorrentExperiment",
        Arc::clone(metrics),
        move |event| {
            experiment(&seen, &pull, &there, event);
        },
    ));

    let (seen, pull) = (Arc::clone(context), triggers.clone());
    let peers = format!("{},{}=peer", names::selector(), names::COMPONENT);
    let stream = watcher(scope.api::<Pod>(), all.clone().labels(&peers))
        .default_backoff()
        .modify(pod_facts::prune)
        .reflect(pods);
    tasks.spawn(follow(stream, "Pod", Arc::clone(metrics), move |event| {
        if let Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod) = event {
            seen.see(pod);
            pull.owner(pod);
            let gone = matches!(event, Event::Delete(_));
            for one in seen.freed(pod, gone) {
                tracing::info!(experiment = %one, "the quota may allow its pods now");
                pull.pull(one);
            }
        }
    }));

    tasks.spawn(drifts::<ConfigMap>(scope, ours.clone(), context, metrics, triggers));
    tasks.spawn(drifts::<Service>(scope, ours.clone(), context, metrics, triggers));
    tasks.spawn(drifts::<NetworkPolicy>(scope, ours.clone(), context, metrics, triggers));
    tasks.spawn(drifts::<PodDisruptionBudget>(
        scope,
        ours.clone(),
        context,
        metrics,
        triggers,
    ));
    tasks.spawn(claims(scope, ours, context, metrics, triggers));
}

/// Follows the metadata of claims, and has those made anew that are gone: a pod that mounts one is there before it, and waits.
fn claims(
    scope: &Scope,
    config: watcher::Config,
    context: &Arc<Context>,
    metrics: &Arc<Metrics>,
    triggers: &Triggers,
) -> impl Future<Output = ()> + Send + 'static {
    let api: Api<PartialObjectMeta<PersistentVolumeClaim>> = scope.api();
    let (context, triggers) = (Arc::clone(context), triggers.clone());
    let stream = watcher(api, config).default_backoff();
    let mut listed = false;
    follow(
        stream,
        <PersistentVolumeClaim as k8s_openapi::Resource>::KIND,
        Arc::clone(metrics),
        move |event| match event {
            Event::Delete(claim) => {
                let experiment = claim.labels().get(names::EXPERIMENT);
                let namespace = claim.namespace().unwrap_or_default();
                if experiment.is_some_and(|name| context.lost_claim(&namespace, name)) {
                    tracing::warn!(namespace, name = claim.name_any(), "a claim is gone");
                }
                triggers.owner(claim);
            }
            // A watch that begins anew does not say what was deleted meanwhile.
            Event::InitDone => {
                if std::mem::replace(&mut listed, true) {
                    context.lost_sight_of_claims();
                }
            }
            Event::Apply(_) | Event::Init | Event::InitApply(_) => {}
        },
    )
}

/// Follows the metadata of a kind of object, and has what somebody changed or deleted applied again.
fn drifts<K>(
    scope: &Scope,
    config: watcher::Config,
    context: &Arc<Context>,
    metrics: &Arc<Metrics>,
    triggers: &Triggers,
) -> impl Future<Output = ()> + Send + 'static
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<PartialObjectMeta<K>> = scope.api();
    let (context, triggers) = (Arc::clone(context), triggers.clone());
    let stream = watcher(api, config).default_backoff();
    follow(stream, K::KIND, Arc::clone(metrics), move |event| {
        let (object, version) = match event {
            Event::Apply(object) | Event::InitApply(object) => (object, apply::version(K::KIND, &object.metadata)),
            Event::Delete(object) => (object, None),
            Event::Init | Event::InitDone => return,
        };
        let owners = object.owner_references();
        let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) else {
            return;
        };
        let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
        if context.drifted(&owner.uid, &namespace, K::KIND, &name, version.as_deref()) {
            triggers.owner(object);
        }
    })
}

async fn follow<K>(
    stream: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    kind: &'static str,
    metrics: Arc<Metrics>,
    mut handle: impl FnMut(&Event<K>) + Send,
) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => handle(&event),
            Err(error) => {
                metrics.watch_failed(kind);
                tracing::warn!(kind, %error, "a watch failed; restarting it");
            }
        }
    }
}

/// Takes note of what is there, and has it looked at.
pub(crate) fn experiment(context: &Context, triggers: &Triggers, there: &Store<Watched>, event: &Event<Watched>) {
    match event {
        Event::Apply(watched) | Event::InitApply(watched) => {
            if let Ok(experiment) = &watched.0 {
                context.introduce(experiment);
            }
            triggers.pull(ObjectRef::from_obj(watched));
        }
        Event::Delete(watched) => context.forget(&watched.uid().unwrap_or_default()),
        Event::Init => context.lists(true),
        Event::InitDone => {
            context.lists(false);
            context.forget_others(there);
        }
    }
}
