//! Everything but pods.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    future::ready,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{StreamExt, stream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        core::v1::{ConfigMap, PersistentVolumeClaim, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::PartialObjectMeta,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{ApplyError, Doing, PARALLEL, is_another};
use crate::{build::Objects, names, pages};

const CLAIM: &str = <PersistentVolumeClaim as k8s_openapi::Resource>::KIND;

/// Whose an object is that has a name of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This experiment's.
    Ours,
    /// That of an experiment which is another object of the same kind, deleted by now.
    Former,
    /// Somebody else's.
    Foreign,
}

impl Ownership {
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

/// What changes when somebody changes an object of a kind: its version, and of a disruption budget, into whose status the cluster writes for
/// each pod, the generation of its spec.
pub fn version(kind: &str, metadata: &ObjectMeta) -> Option<String> {
    match kind {
        <PodDisruptionBudget as k8s_openapi::Resource>::KIND => metadata.generation.map(|number| number.to_string()),
        _ => metadata.resource_version.clone(),
    }
}

/// The versions in which objects were applied; while they last there is nothing to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    namespace: String,
    experiment: String,
    versions: BTreeMap<(&'static str, String), String>,
}

impl Mark {
    /// True if its objects are in this namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.namespace == namespace
    }

    /// True if its objects are those of the experiment with this name.
    pub fn is_of(&self, namespace: &str, experiment: &str) -> bool {
        self.is_in(namespace) && self.experiment == experiment
    }

    /// True if an object is as it was applied.
    pub fn covers(&self, kind: &'static str, name: &str, version: &str) -> bool {
        self.versions
            .get(&(kind, name.to_owned()))
            .is_some_and(|applied| applied == version)
    }
}

/// Claims that are there, by name: a try that comes to no end leaves the next one less to do. Those that these tries have made themselves have
/// their UIDs; nothing is on them yet.
#[derive(Debug, Default)]
pub struct Made(Mutex<HashMap<String, Option<String>>>);

impl Made {
    fn has(&self, name: &str) -> bool {
        self.names().contains_key(name)
    }

    fn add(&self, name: String, uid: Option<String>) {
        self.names().insert(name, uid);
    }

    fn forget(&self, name: &str) {
        self.names().remove(name);
    }

    /// Names and UIDs of those that were not there before.
    fn own(&self) -> Vec<(String, String)> {
        let names = self.names();
        let own = names
            .iter()
            .filter_map(|(name, uid)| Some((name.clone(), uid.clone()?)));
        own.collect()
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where objects are applied, and whose they are.
pub(super) struct Place<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) experiment: &'a str,
    pub(super) uid: &'a str,
    /// True if a pod of the experiment is there, which may use its claims.
    pub(super) has_pods: bool,
}

impl Place<'_> {
    pub(super) async fn apply(&self, objects: Objects, made: &Made) -> Result<Mark, ApplyError> {
        let Objects {
            config_map,
            service,
            network_policy,
            disruption_budget,
            claims,
        } = objects;
        let mut mark = Mark {
            namespace: self.namespace.to_owned(),
            experiment: self.experiment.to_owned(),
            ..Mark::default()
        };
        self.one(&config_map, &mut mark).await?;
        self.one(&service, &mut mark).await?;
        self.one(&network_policy, &mut mark).await?;
        if let Some(budget) = &disruption_budget {
            self.one(budget, &mut mark).await?;
        }
        if let Err(error) = self.claims(&claims, made).await {
            if error.is_no_room() && !self.has_pods {
                self.give_back(made).await;
            }
            return Err(error);
        }
        self.prune::<ConfigMap>(&mark).await?;
        self.prune::<Service>(&mark).await?;
        self.prune::<NetworkPolicy>(&mark).await?;
        self.prune::<PodDisruptionBudget>(&mark).await?;
        Ok(mark)
    }

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
            match Ownership::of(&there.metadata, self.uid) {
                Ownership::Ours => {}
                Ownership::Former => return Err(ApplyError::Former { kind, name }),
                Ownership::Foreign => return Err(ApplyError::Foreign { kind, name }),
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
        let version = version(K::KIND, applied.meta()).unwrap_or_default();
        mark.versions.insert((K::KIND, name), version);
        Ok(())
    }

    /// Makes the claims that are not known to be there. After the first that fails none is begun, and those that are under way are heard of to
    /// their end, so that it is known what was made.
    async fn claims(&self, claims: &[PersistentVolumeClaim], made: &Made) -> Result<(), ApplyError> {
        let failed = AtomicBool::new(false);
        let missing = claims.iter().filter(|claim| !made.has(&claim.name_any()));
        let errors: Vec<ApplyError> = stream::iter(missing)
            .take_while(|_| ready(!failed.load(Ordering::Relaxed)))
            .map(|claim| self.claim(claim, made))
            .buffer_unordered(PARALLEL)
            .filter_map(|outcome| {
                failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                ready(outcome.err())
            })
            .collect()
            .await;
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    /// Makes a claim if there is none of the name; one that is there is used as it is.
    async fn claim(&self, claim: &PersistentVolumeClaim, made: &Made) -> Result<(), ApplyError> {
        let (api, name) = (self.api::<PersistentVolumeClaim>(), claim.name_any());
        let params = PostParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PostParams::default()
        };
        let uid = match api.create(&params, claim).await {
            Ok(created) => created.uid(),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let there = api
                    .get_metadata_opt(&name)
                    .await
                    .map_err(|error| ApplyError::api(Doing::Read, CLAIM, &name, error))?;
                let stays = there.is_some_and(|it| it.metadata.deletion_timestamp.is_none());
                // What pods use stays for as long as they do.
                if !stays && !self.has_pods {
                    return Err(ApplyError::Former { kind: CLAIM, name });
                }
                None
            }
            Err(error) => return Err(ApplyError::api(Doing::Create, CLAIM, &name, error)),
        };
        made.add(name, uid);
        Ok(())
    }

    /// Deletes the claims that these tries have made, of which there are too few: two experiments that hold a half each would wait for each
    /// other for ever. One that was there before may have data on it, and stays.
    async fn give_back(&self, made: &Made) {
        let api = self.api::<PersistentVolumeClaim>();
        stream::iter(made.own())
            .for_each_concurrent(PARALLEL, |(name, uid)| {
                let api = &api;
                async move {
                    let params = DeleteParams::default().preconditions(Preconditions {
                        uid: Some(uid),
                        resource_version: None,
                    });
                    match api.delete(&name, &params).await {
                        Ok(_) => made.forget(&name),
                        Err(error) if is_another(&error) => made.forget(&name),
                        // It is still known as made, and goes with the next refusal.
                        Err(error) => {
                            tracing::warn!(name, %error, "a claim could not be released");
                        }
                    }
                }
            })
            .await;
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
        let selector = format!("{},{}={}", names::selector(), names::EXPERIMENT, self.experiment);
        let params = ListParams::default().labels(&selector);
        let all = pages::all(params, async |page| api.list_metadata(&page).await, |_| {})
            .await
            .map_err(|error| ApplyError::api(Doing::Read, K::KIND, self.experiment, error))?;
        for orphan in all {
            let kept = mark.versions.contains_key(&(K::KIND, orphan.name_any()));
            if !kept {
                self.delete(&api, &orphan).await?;
            }
        }
        Ok(())
    }

    /// Deletes the object of a kind that has the experiment's name, if it is this experiment's.
    pub(super) async fn retire<K>(&self, name: &str) -> Result<(), ApplyError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + k8s_openapi::Resource
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        let there = api
            .get_metadata_opt(name)
            .await
            .map_err(|error| ApplyError::api(Doing::Read, K::KIND, name, error))?;
        match there {
            Some(there) => self.delete(&api, &there).await,
            None => Ok(()),
        }
    }

    /// Deletes what is this experiment's and is not needed.
    async fn delete<K>(&self, api: &Api<K>, orphan: &PartialObjectMeta<K>) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + k8s_openapi::Resource + Clone + Debug + DeserializeOwned,
    {
        if Ownership::of(&orphan.metadata, self.uid) != Ownership::Ours {
            return Ok(());
        }
        let name = orphan.name_any();
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: orphan.metadata.uid.clone(),
            resource_version: None,
        });
        match api.delete(&name, &params).await {
            Ok(_) => tracing::info!(kind = K::KIND, name, "an orphan was deleted"),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(ApplyError::api(Doing::Delete, K::KIND, &name, error)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    };

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
            Ownership::of(&metadata, "u")
        };
        assert_eq!(of("FLTorrentExperiment", "u", Some(true)), Ownership::Ours);
        assert_eq!(of("FLTorrentExperiment", "v", Some(true)), Ownership::Former);
        assert_eq!(of("FLTorrentExperiment", "u", None), Ownership::Foreign);
        assert_eq!(of("Deployment", "w", Some(true)), Ownership::Foreign);
        assert_eq!(Ownership::of(&ObjectMeta::default(), "u"), Ownership::Foreign);
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
            disruption_budget: None,
            claims: (0..claims).map(|i| named(format!("x-{i}"))).collect(),
        }
    }

    fn place(client: &Client) -> Place<'_> {
        Place {
            client,
            namespace: "a",
            experiment: "x",
            uid: "u",
            has_pods: false,
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
        let place = place(&client);
        let error = place.apply(objects(CLAIMS), &made).await;
        assert_eq!(error.unwrap_err().reason(), "ApiUnavailable");
        place.apply(objects(CLAIMS), &made).await.unwrap();
        // The one that was refused.
        assert_eq!(asked.load(Relaxed) - CLAIMS, 1);
        assert_eq!(under_way.load(Relaxed), 0);
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
            ready(Some((StatusCode::OK, answer)))
        });
        let made = Made::default();
        place(&client).apply(objects(0), &made).await.unwrap();
        assert_eq!(*versions.lock().unwrap(), ["7", "7", "7"]);
    }
}
