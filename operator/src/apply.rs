//! Brings what was built to the API server: all but pods by server-side apply, pods by creating each once. What stands there under our
//! name and is not the experiment's is left alone.
//!
//! The order: what pods mount comes before pods. An [`Applied`] exists only where something was applied, or was found to need nothing,
//! so that no status tells of what was not.

mod error;
mod objects;

use std::sync::Arc;

use fltorrent_coordinator::secret::RootSecret;
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::PartialObjectMeta,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    build::{BuildError, Objects, pod},
    life::Facts,
    metrics::Metrics,
    names, seal,
};
pub use error::{ApplyError, Doing, QUOTA_EXCEEDED, classify};
use objects::Place;
pub use objects::{Made, Mark, Ownership, version};

/// Requests about pods or claims of one experiment that are under way at a time.
const PARALLEL: usize = 16;
/// Pods that are built and not yet made, of all experiments at a time: a manifest may give each of them half a megabyte of annotations and
/// variables, which is there as an object, as a request and as an answer.
static MAKING: Semaphore = Semaphore::const_new(2 * PARALLEL);

/// The desired state.
#[derive(Debug)]
pub struct Desired {
    /// The experiment's UID.
    pub uid: String,
    /// The experiment's name.
    pub name: String,
    /// The experiment's namespace.
    pub namespace: String,
    /// Objects that are to stand as they are built; none: they do.
    pub objects: Option<Objects>,
    /// Claims that an earlier try has made.
    pub made: Arc<Made>,
    /// Pods to delete, by name and UID: one that has another by now is left alone.
    pub delete: Vec<(String, Option<String>)>,
    /// Pods to end without deleting them, by name and UID.
    pub end: Vec<(String, Option<String>)>,
    /// Peers whose pods are to be created.
    pub create: Vec<u32>,
}

/// The result of applying objects. Only [`Applier::apply`] makes it.
#[derive(Debug)]
pub struct Applied {
    facts: Facts,
    mark: Option<Mark>,
}

impl Applied {
    /// Facts about pods before.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Versions of the objects, if they were applied.
    pub const fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }
}

/// Applies with a client.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    root: RootSecret,
    metrics: Arc<Metrics>,
}

impl Applier {
    /// An applier that seals the pods that it makes by this secret, and counts what it does.
    pub const fn new(client: Client, root: RootSecret, metrics: Arc<Metrics>) -> Self {
        Self { client, root, metrics }
    }

    /// Makes it so. `facts` are those that the decision was made on; `make` builds the pod of a peer, when it is its turn.
    ///
    /// # Errors
    /// At the first request that fails, or when a name is taken. What was done before stays; the next time goes on from there.
    pub async fn apply(
        &self,
        desired: Desired,
        facts: Facts,
        make: impl Fn(u32) -> Result<Pod, BuildError>,
    ) -> Result<Applied, ApplyError> {
        // Without `..`: a new kind of thing to apply is not forgotten here.
        let Desired {
            uid,
            name,
            namespace,
            objects,
            made,
            delete,
            end,
            create,
        } = desired;
        let place = Place {
            client: &self.client,
            namespace: &namespace,
            experiment: &name,
            uid: &uid,
            has_pods: !facts.pods.is_empty(),
        };
        let mark = match objects {
            Some(objects) => Some(place.apply(objects, &made).await?),
            None => None,
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        stream::iter(delete)
            .map(|(name, uid)| self.delete(&pods, name, uid))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        stream::iter(end)
            .map(|(name, uid)| self.end(&pods, name, uid))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        let (pods, uid, make) = (&pods, uid.as_str(), &make);
        stream::iter(create)
            .map(|index| async move {
                // An error would say that it is closed, which it never is.
                let _place = MAKING.acquire().await;
                self.create(pods, uid, make(index)?).await
            })
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        Ok(Applied { facts, mark })
    }

    /// Deletes the disruption budget of an experiment that is over: its pods have ended.
    ///
    /// # Errors
    /// When a request fails.
    pub async fn retire(&self, namespace: &str, name: &str, uid: &str) -> Result<(), ApplyError> {
        let place = Place {
            client: &self.client,
            namespace,
            experiment: name,
            uid,
            has_pods: false,
        };
        place.retire::<PodDisruptionBudget>(name).await
    }

    /// Has the kubelet end what still runs in a pod. The pod stays, and with it the logs; a deadline is among the few things that may change
    /// in a pod, and this one is over. Where that is refused (a quota may have no room for pods with a deadline, a policy may not like it) the pod is
    /// deleted, since it would hold what it was given for ever.
    async fn end(&self, pods: &Api<Pod>, name: String, uid: Option<String>) -> Result<(), ApplyError> {
        let patch = json!({
            "metadata": {"uid": &uid},
            "spec": {"activeDeadlineSeconds": pod::ENDS_NOW},
        });
        match patched(pods, &name, &patch).await {
            Ok(()) => Ok(()),
            Err(error) if is_another(&error) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
                let said = &status.message;
                tracing::warn!(name, said, "a pod's deadline could not be set; deleting the pod");
                self.delete(pods, name, uid).await
            }
            Err(error) => Err(ApplyError::api(Doing::End, "Pod", &name, error)),
        }
    }

    async fn delete(&self, pods: &Api<Pod>, name: String, uid: Option<String>) -> Result<(), ApplyError> {
        let params = DeleteParams::default().preconditions(Preconditions {
            resource_version: None,
            uid,
        });
        match pods.delete(&name, &params).await {
            Ok(_) => {
                self.metrics.pods_deleted.inc();
                Ok(())
            }
            Err(error) if is_another(&error) => Ok(()),
            Err(error) => Err(ApplyError::api(Doing::Delete, "Pod", &name, error)),
        }
    }

    async fn create(&self, pods: &Api<Pod>, uid: &str, pod: Pod) -> Result<(), ApplyError> {
        let params = PostParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = pod.name_any();
        match pods.create(&params, &pod).await {
            Ok(created) => {
                self.metrics.pods_created.inc();
                self.seal(pods, &created).await
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let there = pods
                    .get_metadata_opt(&name)
                    .await
                    .map_err(|error| ApplyError::api(Doing::Read, "Pod", &name, error))?;
                let Some(PartialObjectMeta { metadata, .. }) = there else {
                    // Gone again: the next time creates it.
                    return Ok(());
                };
                match Ownership::of(&metadata, uid) {
                    Ownership::Ours if seal::fits(&self.root, &metadata) => Ok(()),
                    // An earlier request of ours arrived after all, or somebody else says that the pod is ours.
                    Ownership::Ours => self.delete(pods, name, metadata.uid).await,
                    Ownership::Former => Err(ApplyError::Former { kind: "Pod", name }),
                    Ownership::Foreign => Err(ApplyError::Foreign { kind: "Pod", name }),
                }
            }
            Err(error) => Err(ApplyError::api(Doing::Create, "Pod", &name, error)),
        }
    }

    /// Seals a pod that was just created: what is not sealed is not believed.
    async fn seal(&self, pods: &Api<Pod>, created: &Pod) -> Result<(), ApplyError> {
        let (name, uid) = (created.name_any(), created.uid());
        let Some(seal) = seal::of(&self.root, &created.metadata) else {
            return Err(ApplyError::Altered { name });
        };
        let patch = json!({"metadata": {"uid": uid, "annotations": {names::SEAL: seal}}});
        match patched(pods, &name, &patch).await {
            Ok(()) => Ok(()),
            // Somebody deleted it at once: the next look tells.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(ApplyError::api(Doing::Seal, "Pod", &name, error)),
        }
    }
}

/// Changes a pod. Its UID goes along in the patch, so that another pod of the name is left alone.
async fn patched(pods: &Api<Pod>, name: &str, patch: &Value) -> kube::Result<()> {
    let params = PatchParams {
        field_manager: Some(names::MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(patch);
    pods.patch_metadata(name, &params, &patch).await.map(drop)
}

/// True if an object that was looked at is gone, or replaced by another one.
fn is_another(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() || status.is_conflict())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Applied {
    /// As if nothing had been left to apply.
    pub(crate) const fn nothing(facts: Facts) -> Self {
        Self { facts, mark: None }
    }
}
