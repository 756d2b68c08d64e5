//! Everything but pods.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApplyError, Doing};
use crate::build::Objects;
use crate::names;

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

pub(super) async fn apply(
    client: &Client,
    namespace: &str,
    experiment: &str,
    uid: &str,
    objects: Objects,
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
    for claim in &claims {
        place.claim(claim).await?;
    }
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
            // Another object that takes the name meanwhile is not taken over: the API server compares the UID.
            object.meta_mut().uid = there.metadata.uid;
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
    async fn claim(&self, claim: &PersistentVolumeClaim) -> Result<(), ApplyError> {
        let kind = <PersistentVolumeClaim as k8s_openapi::Resource>::KIND;
        let (api, name) = (self.api::<PersistentVolumeClaim>(), claim.name_any());
        let params = PostParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&params, claim).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            Err(error) => Err(ApplyError::api(Doing::Create, kind, &name, error)),
        }
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
        let all = api
            .list_metadata(&ListParams::default().labels(&selector))
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
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

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
}
