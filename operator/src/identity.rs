//! Whose token it is: TokenReview says which pod, the pod's seal that we made it, for which peer of which experiment.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    hub::{Directory, Member, RunFacts, RunSpan, Unproven},
    identity::RunId,
    secret::RootSecret,
};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus},
    core::v1::Pod,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::watch;

use crate::{
    build::pod::AUDIENCE,
    endings::EndingStore,
    metrics::Metrics,
    runs::{Known, Runs},
    seal,
};

/// When to ask again after the API server could not be asked.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// The attribute by which TokenReview names the pod of a bound token.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Answers the hub from the cluster.
pub struct Cluster {
    client: Client,
    root: RootSecret,
    runs: Arc<Runs>,
    endings: Arc<EndingStore>,
    leads: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
}

impl Cluster {
    /// Asks with this client, and believes seals by this secret.
    pub const fn new(
        client: Client,
        root: RootSecret,
        runs: Arc<Runs>,
        endings: Arc<EndingStore>,
        leads: watch::Receiver<bool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            root,
            runs,
            endings,
            leads,
            metrics,
        }
    }

    async fn prove(&self, run: RunId, token: &str) -> Result<Member, Unproven> {
        let known = self
            .runs
            .get(run)
            .ok_or_else(|| Unproven::NotOurs("its experiment does not exist".to_owned()))?;
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let reviewed = reviews
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| unavailable("the TokenReview failed", &error))?;
        let claim = claim(&reviewed.status.unwrap_or_default(), &known.namespace)?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &known.namespace);
        let pod = pods
            .get_opt(&claim.name)
            .await
            .map_err(|error| unavailable("the token's pod could not be read", &error))?;
        member(&self.root, &known, &claim, pod.as_ref())
    }
}

impl Directory for Cluster {
    fn facts(&self, run: RunId) -> Option<RunFacts> {
        self.runs.get(run).map(|known| known.facts)
    }

    async fn member(&self, run: RunId, token: &str) -> Result<Member, Unproven> {
        let result = self.prove(run, token).await;
        self.metrics.certificate(match &result {
            Ok(_) => "Proven",
            Err(Unproven::Unauthenticated(_)) => "Unauthenticated",
            Err(Unproven::NotOurs(_)) => "NotOurs",
            Err(Unproven::Unavailable { .. }) => "Unavailable",
        });
        result
    }

    fn span(&self, run: RunId) -> RunSpan {
        let Some(known) = self.runs.get(run) else {
            return RunSpan::default();
        };
        RunSpan {
            began: known.began.map(SystemTime::from),
            is_over: self.endings.is_over(&known.uid, known.facts.attempt),
        }
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }
}

fn unavailable(what: &str, error: &kube::Error) -> Unproven {
    tracing::warn!(%error, "{what}");
    Unproven::Unavailable {
        reason: what.to_owned(),
        retry_after: RETRY_AFTER,
    }
}

/// The pod that a token is bound to.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    name: String,
    uid: String,
}

/// The pod that a TokenReview names, if the token is valid for us and for a pod of this namespace.
fn claim(status: &TokenReviewStatus, namespace: &str) -> Result<Claim, Unproven> {
    let refused = |why: &str| Unproven::Unauthenticated(why.to_owned());
    if status.authenticated != Some(true) {
        let said = status.error.as_deref().unwrap_or("it is invalid");
        return Err(refused(said));
    }
    // An API server that does not know of audiences would take a token for any.
    if !status.audiences.iter().flatten().any(|found| found == AUDIENCE) {
        return Err(refused(&format!("it is not for the audience {AUDIENCE}")));
    }
    let user = status.user.clone().unwrap_or_default();
    let account = user.username.unwrap_or_default();
    if !account.starts_with(&format!("system:serviceaccount:{namespace}:")) {
        let why = format!("it is of {account}, the experiment in namespace {namespace}");
        return Err(Unproven::NotOurs(why));
    }
    let extra = user.extra.unwrap_or_default();
    let only = |key: &str| match extra.get(key).map(Vec::as_slice) {
        Some([value]) => Ok(value.clone()),
        _ => Err(Unproven::NotOurs("it is not bound to a pod".to_owned())),
    };
    Ok(Claim {
        name: only(POD_NAME)?,
        uid: only(POD_UID)?,
    })
}

/// The peer whose pod this is, if we made it for this experiment.
fn member(root: &RootSecret, known: &Known, claim: &Claim, pod: Option<&Pod>) -> Result<Member, Unproven> {
    let not_ours = |why: &str| Unproven::NotOurs(format!("pod {}: {why}", claim.name));
    let metadata = pod
        .map(|pod| &pod.metadata)
        .filter(|metadata| metadata.uid.as_deref() == Some(&claim.uid))
        .ok_or_else(|| not_ours("it is gone"))?;
    let says = seal::claim(metadata)
        .filter(|says| says.experiment == known.uid)
        .ok_or_else(|| not_ours("it does not belong to the experiment"))?;
    let (Some(index), Some(attempt), Some(incarnation)) = (says.index, says.attempt, says.incarnation) else {
        return Err(not_ours("its labels name no peer"));
    };
    if seal::fits(root, metadata) {
        return Ok(Member {
            index,
            attempt,
            incarnation,
        });
    }
    if seal::is_there(metadata) {
        return Err(not_ours("its seal is invalid"));
    }
    // A pod is sealed right after it was created; one that will never be is deleted.
    Err(Unproven::Unavailable {
        reason: format!("pod {} is not sealed yet", claim.name),
        retry_after: RETRY_AFTER,
    })
}

#[cfg(test)]
mod tests;
