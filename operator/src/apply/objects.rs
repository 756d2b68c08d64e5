//! Everything but pods.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApplyError, Doing, PARALLEL};
use crate::build::Objects;
use crate::names;
use crate::pages;

/// Whose an object is that has a name of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This experiment's.
    Ours,
    /// That of an experiment which is another object of the same kind, deleted by now.
    Former,
    /// Somebody else's.
    Foreign,
}

impl Standing {
    /// Whose an object with these metadata is, for the experiment with a UID.
    pub fn of(metadata: &ObjectMeta, uid: &str) -> Self {
        let controller = metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true));
        match controller {
            Some(owner) if owner.uid == uid => Self::Ours,
            Some(owner) if owner.kind == "FLTorrentExperiment" => Self::Former,
            _ => Self::Foreign,
        }
    }
}

/// Which objects were applied: while they stand in these versions there is nothing to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    versions: BTreeMap<(&'static str, String), String>,
}

impl Mark {
    /// Whether an object is as it was applied.
    pub fn covers(&self, kind: &'static str, name: &str, version: &str) -> bool {
        self.versions
            .get(&(kind, name.to_owned()))
            .is_some_and(|applied| applied == version)
    }
}

/// Claims that were made, by name: a try that comes to no end leaves the next one less to do.
#[derive(Debug, Default)]
pub struct Made(Mutex<HashSet<String>>);

impl Made {
    fn has(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    fn add(&self, name: String) {
        self.names().insert(name);
    }

    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn apply(
    client: &Client,
    namespace: &str,
    experiment: &str,
    uid: &str,
    objects: Objects,
    made: &Made,
) -> Result<Mark, ApplyError> {
    let Objects {
        config_map,
        service,
        network_policy,
        claims,
    } = objects;
    let place = Place {
        client,
        namespace,
        experiment,
        uid,
    };
    let mut mark = Mark::default();
    place.one(&config_map, &mut mark).await?;
    place.one(&service, &mut mark).await?;
    place.one(&network_policy, &mut mark).await?;
    let claims = claims.iter().filter(|claim| !made.has(&claim.name_any()));
    stream::iter(claims)
        .map(|claim| place.claim(claim, made))
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    place.prune::<ConfigMap>(&mark).await?;
    place.prune::<Service>(&mark).await?;
    place.prune::<NetworkPolicy>(&mark).await?;
    Ok(mark)
}

struct Place<'a> {
    client: &'a Client,
    namespace: &'a str,
    experiment: &'a str,
    uid: &'a str,
}

impl Place<'_> {
    fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn one<K>(&self, object: &K, mark: &mut Mark) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + k8s_openapi::Resource
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let (api, name) = (self.api::<K>(), object.name_any());
        let there = api
            .get_metadata_opt(&name)
            .await
            .map_err(|error| ApplyError::api(Doing::Read, K::KIND, &name, error))?;
        let mut object = object.clone();
        if let Some(there) = there {
            let kind = K::KIND;
            match Standing::of(&there.metadata, self.uid) {
                Standing::Ours => {}
                Standing::Former => return Err(ApplyError::Former { kind, name }),
                Standing::Foreign => return Err(ApplyError::Foreign { kind, name }),
            }
            // Another object that takes the name meanwhile is not taken over, nor is what another replica writes: the API server compares.
            object.meta_mut().uid = there.metadata.uid;
            object.meta_mut().resource_version = there.metadata.resource_version;
        }
        let params = PatchParams::apply(names::MANAGER).force();
        let applied = api
            .patch(&name, &params, &Patch::Apply(&object))
            .await
            .map_err(|error| ApplyError::api(Doing::Apply, K::KIND, &name, error))?;
        let version = applied.resource_version().unwrap_or_default();
        mark.versions.insert((K::KIND, name), version);
        Ok(())
    }

    /// Makes a claim if there is none of the name; one that is there is used as it is.
    async fn claim(&self, claim: &PersistentVolumeClaim, made: &Made) -> Result<(), ApplyError> {
        let kind = <PersistentVolumeClaim as k8s_openapi::Resource>::KIND;
        let (api, name) = (self.api::<PersistentVolumeClaim>(), claim.name_any());
        let params = PostParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&params, claim).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(ApplyError::api(Doing::Create, kind, &name, error)),
        }
        made.add(name);
        Ok(())
    }

    /// Deletes what is this experiment's and was not applied.
    async fn prune<K>(&self, mark: &Mark) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + k8s_openapi::Resource
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        let selector = format!(
            "{},{}={}",
            names::selector(),
            names::EXPERIMENT,
            self.experiment
        );
        let params = ListParams::default().labels(&selector);
        let all = pages::all(params, async |page| api.list_metadata(&page).await, |_| {})
            .await
            .map_err(|error| ApplyError::api(Doing::Read, K::KIND, self.experiment, error))?;
        for orphan in all {
            let name = orphan.name_any();
            let kept = mark.versions.contains_key(&(K::KIND, name.clone()));
            if kept || Standing::of(&orphan.metadata, self.uid) != Standing::Ours {
                continue;
            }
            let params = DeleteParams::default().preconditions(Preconditions {
                uid: orphan.metadata.uid.clone(),
                resource_version: None,
            });
            match api.delete(&name, &params).await {
                Ok(_) => tracing::info!(kind = K::KIND, name, "an orphan was deleted"),
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(ApplyError::api(Doing::Delete, K::KIND, &name, error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::atomic::{AtomicU32, AtomicUsize};

    use hyper::{Method, StatusCode};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use serde_json::json;

    use super::*;
    use crate::test_api;

    #[test]
    fn whose_an_object_is_follows_from_its_controller() {
        let of = |kind: &str, uid: &str, controller| {
            let metadata = ObjectMeta {
                owner_references: Some(vec![OwnerReference {
                    kind: kind.into(),
                    uid: uid.into(),
                    controller,
                    ..OwnerReference::default()
                }]),
                ..ObjectMeta::default()
            };
            Standing::of(&metadata, "u")
        };
        assert_eq!(of("FLTorrentExperiment", "u", Some(true)), Standing::Ours);
        assert_eq!(of("FLTorrentExperiment", "v", Some(true)), Standing::Former);
        assert_eq!(of("FLTorrentExperiment", "u", None), Standing::Foreign);
        assert_eq!(of("Deployment", "w", Some(true)), Standing::Foreign);
        assert_eq!(Standing::of(&ObjectMeta::default(), "u"), Standing::Foreign);
    }

    fn named<K: Default + Resource<DynamicType = ()>>(name: String) -> K {
        let mut object = K::default();
        object.meta_mut().name = Some(name);
        object
    }

    fn objects(claims: u32) -> Objects {
        Objects {
            config_map: named("x".into()),
            service: named("x".into()),
            network_policy: named("x".into()),
            claims: (0..claims).map(|i| named(format!("x-{i}"))).collect(),
        }
    }

    /// An API server that fails in the middle of 10,000 claims: the next try makes those that are missing, and several at a time.
    #[tokio::test]
    async fn claims_are_made_side_by_side_and_not_begun_anew() {
        const CLAIMS: u32 = 10_000;
        let (asked, under_way, most) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (count, flying, highest) = (asked.clone(), under_way.clone(), most.clone());
        let client = test_api::client(move |request| {
            let (count, flying, highest) = (count.clone(), flying.clone(), highest.clone());
            async move {
                if request.method == Method::GET {
                    let list = request.path.contains('?');
                    return match list {
                        true => Some((StatusCode::OK, json!({"metadata": {}, "items": []}))),
                        false => test_api::refusal(StatusCode::NOT_FOUND, "NotFound"),
                    };
                }
                if request.method == Method::POST {
                    highest.fetch_max(flying.fetch_add(1, Relaxed) + 1, Relaxed);
                    tokio::task::yield_now().await;
                    flying.fetch_sub(1, Relaxed);
                    if count.fetch_add(1, Relaxed) == CLAIMS / 2 {
                        return test_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "slow");
                    }
                }
                Some((StatusCode::OK, request.body))
            }
        });
        let made = Made::default();
        let error = apply(&client, "a", "x", "u", objects(CLAIMS), &made).await;
        assert_eq!(error.unwrap_err().reason(), "ApiUnavailable");
        // Those that were not heard of to the end are under way no more.
        under_way.store(0, Relaxed);
        apply(&client, "a", "x", "u", objects(CLAIMS), &made)
            .await
            .unwrap();
        // One was refused, and those under way with it were not heard of any more.
        let again = asked.load(Relaxed) - CLAIMS;
        assert!(again <= u32::try_from(PARALLEL).unwrap(), "{again} twice");
        assert_eq!(most.load(Relaxed), PARALLEL);
    }

    /// What changes between the look at an object and its application is not overwritten: the API server is told what was seen.
    #[tokio::test]
    async fn an_object_is_applied_over_the_version_that_was_seen() {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let seen = versions.clone();
        let client = test_api::client(move |request| {
            let metadata = json!({
                "name": "x", "uid": "o", "resourceVersion": "7",
                "ownerReferences": [{
                    "apiVersion": "fltorrent.io/v1alpha1", "kind": "FLTorrentExperiment", "name": "x", "uid": "u", "controller": true,
                }],
            });
            let answer = match request.method {
                Method::PATCH => {
                    let version = request.body["metadata"]["resourceVersion"].clone();
                    seen.lock().unwrap().push(version);
                    request.body
                }
                _ if request.path.contains('?') => json!({"metadata": {}, "items": []}),
                _ => json!({"apiVersion": "v1", "kind": "X", "metadata": metadata}),
            };
            std::future::ready(Some((StatusCode::OK, answer)))
        });
        let made = Made::default();
        apply(&client, "a", "x", "u", objects(0), &made)
            .await
            .unwrap();
        assert_eq!(*versions.lock().unwrap(), ["7", "7", "7"]);
    }
}
