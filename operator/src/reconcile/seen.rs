//! What is known of an experiment's pods: from the watch, or asked anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fltorrent_crds::status::{ConditionType, ExperimentStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};

use super::{Context, ReconcileError};
use crate::{
    life::{Facts, PodFacts, PodState},
    names, pages, pod_facts,
    status::ledger,
    validate::Validated,
};

/// How much longer than a peer counts as present who has not ended is waited for, once enough others have: to evaluate and write the model.
const LATE: Duration = Duration::from_secs(120);

/// Observed state of an experiment's pods.
pub(super) struct Seen {
    pub(super) facts: Facts,
    pub(super) pods: Vec<Arc<Pod>>,
}

impl Seen {
    /// As the watch has them, maybe a little late.
    pub(super) fn cached(context: &Context, validated: &Validated, prior: &ExperimentStatus) -> Self {
        let pods = context.pods.state_filter(|pod| {
            pod.namespace().as_deref() == Some(&validated.namespace)
                && pod.labels().get(names::EXPERIMENT) == Some(&validated.name)
        });
        Self::of(context, validated, prior, pods)
    }

    /// As they are now.
    pub(super) async fn fresh(
        context: &Context,
        validated: &Validated,
        prior: &ExperimentStatus,
    ) -> Result<Self, ReconcileError> {
        let api: Api<Pod> = Api::namespaced(context.client.clone(), &validated.namespace);
        let params = ListParams::default().labels(&names::pods_of(&validated.name));
        let pods = pages::all(params, async |page| api.list(&page).await, pod_facts::prune)
            .await
            .map_err(|error| ReconcileError::Read("pods", Box::new(error)))?;
        let pods: Vec<_> = pods.into_iter().map(Arc::new).collect();
        for pod in &pods {
            context.tools.endings.see(pod, Timestamp::now());
        }
        Ok(Self::of(context, validated, prior, pods))
    }

    fn of(context: &Context, validated: &Validated, prior: &ExperimentStatus, pods: Vec<Arc<Pod>>) -> Self {
        let done = prior.round.as_ref().map_or(0, |round| round.done);
        let endings = context.tools.endings.of(&validated.uid);
        let root = &context.tools.root;
        let mut found: Vec<PodFacts> = pods
            .iter()
            .filter_map(|pod| pod_facts::facts(pod, &validated.uid, root))
            .collect();
        for pod in &mut found {
            if let PodState::Failed(failure) = &mut pod.state {
                failure.noticed = endings.noticed(pod.attempt, pod.index, pod.incarnation);
            }
        }
        let (spec, plan, ledger) = (&validated.experiment.spec, &validated.plan, &ledger(prior));
        let finished = match plan.goes_on {
            true => endings.finished(ledger.attempt),
            false => BTreeMap::new(),
        };
        let are_enough = finished.len() >= plan.min_peers as usize;
        let last = finished.values().max().filter(|_| are_enough);
        let rounds = context.rounds(validated, ledger, &found);
        let joins = match ledger.resume {
            0 => plan.joins.clone(),
            _ => BTreeSet::new(),
        };
        let facts = Facts {
            suspend: spec.suspend,
            budget: spec.restarts,
            peers: validated.peers(),
            min_peers: plan.min_peers,
            goes_on: plan.goes_on,
            joins,
            trains: prior.is(ConditionType::Training),
            pods: found,
            rounds,
            late_from: last.and_then(|last| last.checked_add(plan.heartbeat_timeout + LATE).ok()),
            finished: finished.into_keys().collect(),
            checkpoint: endings.checkpoint(validated, ledger, done),
            disagreement: endings.disagreement(ledger.attempt, validated.peers()),
        };
        Self { facts, pods }
    }
}
