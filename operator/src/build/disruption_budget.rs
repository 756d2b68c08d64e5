//! The PodDisruptionBudget of an experiment's peers: whoever drains nodes evicts one pod after the other, and waits while fewer than
//! `liveness.minPeers` would be left. A pod is ready, and counts, once its peer has caught up with the others.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::owned;
use crate::{names, validate::Validated};

/// A pod that is not ready is of no use to the others, so that its eviction waits for nothing.
const UNHEALTHY: &str = "AlwaysAllow";

pub(super) fn build(validated: &Validated) -> Option<PodDisruptionBudget> {
    let plan = &validated.plan;
    // Of as many as there have to be one may still go, or no node could be drained before the end: the others pause until it is back.
    let least = plan.min_peers.min(plan.peers().saturating_sub(1));
    if !plan.goes_on || least == 0 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: owned(validated, validated.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(i32::try_from(least).unwrap_or(i32::MAX))),
            selector: Some(LabelSelector {
                match_labels: Some(names::pod_selector(&validated.name)),
                ..LabelSelector::default()
            }),
            unhealthy_pod_eviction_policy: Some(UNHEALTHY.to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
