//! A namespace `team` of an API server, with quotas, for looks from the first to the last request.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex},
};

use hyper::{Method, StatusCode};
use kube::{Client, core::DeserializeGuard, runtime::controller::Action};
use serde_json::{Value, json};

use crate::{
    planner::Planner,
    reconcile::{Context, ReconcileError, reconcile},
    test_api::{self, Asked},
};

/// Objects by resource and name.
#[derive(Clone, Default)]
pub(super) struct Cluster(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<(String, String), Value>,
    /// The most objects of a resource.
    quotas: BTreeMap<String, usize>,
    /// A resource whose objects cannot be changed now.
    stuck: Option<String>,
    version: u64,
}

impl Cluster {
    pub(super) async fn context(&self) -> Arc<Context> {
        let planner = Planner::start().unwrap();
        Arc::new(super::context(self.client(), planner).await)
    }

    pub(super) fn client(&self) -> Client {
        let state = Arc::clone(&self.0);
        test_api::client(move |asked| ready(state.lock().unwrap().answer(asked)))
    }

    pub(super) fn quota(&self, resource: &str, most: usize) {
        let mut state = self.0.lock().unwrap();
        state.quotas.insert(resource.to_owned(), most);
    }

    pub(super) fn stick(&self, resource: Option<&str>) {
        self.0.lock().unwrap().stuck = resource.map(str::to_owned);
    }

    pub(super) fn put(&self, resource: &str, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let mut state = self.0.lock().unwrap();
        state.insert((resource.to_owned(), name), object.clone());
    }

    pub(super) fn remove(&self, resource: &str, name: &str) {
        let mut state = self.0.lock().unwrap();
        state.objects.remove(&(resource.to_owned(), name.to_owned()));
    }

    pub(super) fn change(&self, resource: &str, name: &str, change: impl Fn(&mut Value)) {
        let mut state = self.0.lock().unwrap();
        let key = (resource.to_owned(), name.to_owned());
        change(state.objects.get_mut(&key).unwrap());
    }

    pub(super) fn get(&self, resource: &str, name: &str) -> Value {
        let state = self.0.lock().unwrap();
        state.objects[&(resource.to_owned(), name.to_owned())].clone()
    }

    pub(super) fn names(&self, resource: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let of = state.objects.keys().filter(|(kind, _)| kind == resource);
        of.map(|(_, name)| name.clone()).collect()
    }

    /// A look at an experiment, as if nobody had looked at it or been refused for long.
    pub(super) async fn look(&self, context: &Arc<Context>, name: &str) -> Result<Action, ReconcileError> {
        for one in context.all().values_mut() {
            one.throttle = crate::throttle::Throttle::default();
        }
        let object = self.get("fltorrentexperiments", name);
        let experiment = serde_json::from_value(object).unwrap();
        reconcile(Arc::new(DeserializeGuard(Ok(experiment))), Arc::clone(context)).await
    }
}

impl State {
    fn insert(&mut self, key: (String, String), mut object: Value) -> Value {
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["namespace"] = json!("team");
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["generation"].is_null() {
            metadata["generation"] = json!(1);
        }
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(key, object.clone());
        object
    }

    fn answer(&mut self, asked: Asked) -> Option<(StatusCode, Value)> {
        let Asked { method, path, body } = asked;
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let place = path.split("/namespaces/team/").nth(1).unwrap();
        let mut parts = place.split('/').map(str::to_owned);
        let (resource, name, sub) = (parts.next().unwrap(), parts.next(), parts.next());
        if sub.is_some() && self.stuck == sub || self.stuck.as_ref() == Some(&resource) {
            return test_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "stuck");
        }
        let Some(name) = name else {
            return match method {
                Method::POST => self.create(resource, body),
                _ => Some((StatusCode::OK, self.list(&resource, query))),
            };
        };
        let key = (resource, name);
        let there = self.objects.get(&key).cloned();
        match (method, there) {
            (Method::PATCH, there) => {
                let mut object = there.unwrap_or_default();
                match sub.as_deref() {
                    Some("status") => object["status"] = body["status"].clone(),
                    _ => merge(&mut object, &body),
                }
                Some((StatusCode::OK, self.insert(key, object)))
            }
            (_, None) => test_api::refusal(StatusCode::NOT_FOUND, "NotFound"),
            (Method::DELETE, Some(object)) => {
                let wanted = &body["preconditions"]["uid"];
                if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
                    return test_api::refusal(StatusCode::CONFLICT, "Conflict");
                }
                self.objects.remove(&key);
                Some((StatusCode::OK, object))
            }
            (_, Some(object)) => Some((StatusCode::OK, object)),
        }
    }

    fn create(&mut self, resource: String, object: Value) -> Option<(StatusCode, Value)> {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let there = self.objects.keys().filter(|(kind, _)| *kind == resource);
        let full = self.quotas.get(&resource).is_some_and(|&most| there.count() >= most);
        let key = (resource, name);
        if self.objects.contains_key(&key) {
            return test_api::refusal(StatusCode::CONFLICT, "AlreadyExists");
        }
        if full {
            return test_api::refusal(StatusCode::FORBIDDEN, "exceeded quota: few");
        }
        Some((StatusCode::CREATED, self.insert(key, object)))
    }

    fn list(&self, resource: &str, query: &str) -> Value {
        let is_of = |object: &&Value| {
            let label = &object["metadata"]["labels"]["fltorrent.io/experiment"];
            let name = label.as_str().unwrap_or_default();
            query.contains(&format!("experiment%3D{name}&")) || query.ends_with(&format!("experiment%3D{name}"))
        };
        let all = self.objects.iter().filter(|((kind, _), _)| kind == resource);
        let items: Vec<_> = all.map(|(_, object)| object).filter(is_of).collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    }
}

/// As a merge patch does, and roughly as server-side apply.
fn merge(object: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            value => merge(&mut object[key], value),
        }
    }
}
