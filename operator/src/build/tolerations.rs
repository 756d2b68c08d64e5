//! Taints that a peer's pod tolerates: those of the manifest, and for a while that nobody hears of its node.

use std::time::Duration;

use fltorrent_crds::experiment::kubernetes::{Toleration as Given, TolerationEffect};
use k8s_openapi::api::core::v1::Toleration;

use super::{BuildError, convert::same};
use crate::validate::Outline;

/// Taints of a node that the cluster does not hear of. Kubernetes would wait for five minutes.
const LOST: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
/// A node may be away for a moment.
const LEAST: Duration = Duration::from_secs(10);

/// Who is not heard of for as long as makes a peer absent is replaced elsewhere; what the manifest says of these taints holds instead.
pub(super) fn build(plan: &Outline, given: &Option<Vec<Given>>) -> Result<Option<Vec<Toleration>>, BuildError> {
    let mut all: Vec<Toleration> = same::<Option<_>>("tolerations", given)?.unwrap_or_default();
    if plan.goes_on {
        let wait = plan.heartbeat_timeout.max(LEAST).as_secs();
        let own = LOST
            .into_iter()
            .filter(|key| !is_tolerated(given.as_deref().unwrap_or_default(), key));
        all.extend(own.map(|key| Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: Some(i64::try_from(wait).unwrap_or(i64::MAX)),
            ..Toleration::default()
        }));
    }
    Ok((!all.is_empty()).then_some(all))
}

/// As the API server decides whether to add a toleration of its own.
fn is_tolerated(given: &[Given], key: &str) -> bool {
    given.iter().any(|one| {
        let concerns = one.key.as_deref().is_none_or(|found| found == key);
        concerns && one.effect.is_none_or(|effect| effect == TolerationEffect::NoExecute)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manifest_says_of_lost_nodes_holds() {
        let of = |key: Option<&str>, effect| Given {
            key: key.map(str::to_owned),
            effect,
            ..Given::default()
        };
        let [not_ready, unreachable] = LOST;
        for (given, tolerated) in [
            (of(None, None), [true, true]),
            (of(None, Some(TolerationEffect::NoSchedule)), [false, false]),
            (of(Some(not_ready), Some(TolerationEffect::NoExecute)), [true, false]),
            (of(Some(unreachable), None), [false, true]),
            (of(Some("gpu"), None), [false, false]),
        ] {
            assert_eq!(
                LOST.map(|key| is_tolerated(std::slice::from_ref(&given), key)),
                tolerated,
                "{given:?}"
            );
        }
    }
}
