//! The status as it is read and written. It goes with the version of the experiment that it was made from, so that a replica which led,
//! slept, and wakes overwrites nobody.

use std::time::{Duration, Instant};

use fltorrent_crds::{Experiment, status::ExperimentStatus};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::DynamicObject,
    discovery::ApiResource,
    runtime::controller::Action,
};
use serde_json::json;

use super::{Context, ReconcileError};
use crate::{names, throttle::Turn};

impl Context {
    /// The status to go on from: as written by this replica, or as it stands now.
    pub(super) async fn status(&self, experiment: &Experiment) -> Result<ExperimentStatus, ReconcileError> {
        let uid = experiment.uid().unwrap_or_default();
        if let Some(known) = self.known_status(&uid, experiment) {
            return Ok(known);
        }
        // Another replica may have written it after what our watch has shown.
        let namespace = experiment.namespace().unwrap_or_default();
        let api: Api<Experiment> = Api::namespaced(self.client.clone(), &namespace);
        let fresh = api
            .get_opt(&experiment.name_any())
            .await
            .map_err(|error| ReconcileError::Read("status", Box::new(error)))?
            .filter(|fresh| fresh.metadata.uid.as_ref() == Some(&uid))
            .unwrap_or_else(|| experiment.clone());
        let version = fresh.resource_version().unwrap_or_default();
        let status = fresh.status.unwrap_or_default();
        self.all().entry(uid).or_default().status = Some((status.clone(), version));
        Ok(status)
    }

    /// The status that this replica wrote last. Where the watch shows the same status, its version is as good, and newer when the spec has changed.
    fn known_status(&self, uid: &str, experiment: &Experiment) -> Option<ExperimentStatus> {
        let mut all = self.all();
        let (status, version) = all.get_mut(uid)?.status.as_mut()?;
        let watched = experiment.status.as_ref().map(serde_json::to_value);
        if let (Some(Ok(watched)), Ok(written)) = (watched, serde_json::to_value(&*status))
            && watched == written
        {
            *version = experiment.resource_version().unwrap_or_default();
        }
        Some(status.clone())
    }

    /// Writes a status if it differs and it is time; says when to look again. What has to wait is made anew then.
    pub(super) async fn publish(
        &self,
        experiment: &Experiment,
        prior: &ExperimentStatus,
        next: ExperimentStatus,
        again: Option<Duration>,
    ) -> Result<Action, ReconcileError> {
        if *prior != next {
            let uid = experiment.uid().unwrap_or_default();
            if let Turn::Wait(rest) = self.turn(&uid, Instant::now()) {
                return Ok(Action::requeue(again.map_or(rest, |again| again.min(rest))));
            }
            self.write(experiment, &next, None).await?;
        }
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }

    /// Writes a status; with a version only when that is the one that the status follows from.
    pub(super) async fn write(
        &self,
        experiment: &Experiment,
        status: &ExperimentStatus,
        version: Option<&str>,
    ) -> Result<(), ReconcileError> {
        let resource = ApiResource::erase::<Experiment>(&());
        let namespace = experiment.namespace().unwrap_or_default();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
        let uid = experiment.uid().unwrap_or_default();
        let seen = self.all().get(&uid).and_then(|one| one.status.clone());
        let mut metadata = json!({"uid": uid});
        if let Some((_, seen)) = seen {
            if version.is_some_and(|version| version != seen) {
                self.all().entry(uid).or_default().status = None;
                return Err(ReconcileError::Changed);
            }
            metadata["resourceVersion"] = seen.into();
        }
        // With the UID another experiment of the name does not get it, and with the version nobody's later status is lost.
        let patch = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "status": status,
        });
        let params = PatchParams::apply(names::MANAGER).force();
        let written = api
            .patch_status(&experiment.name_any(), &params, &Patch::Apply(&patch))
            .await;
        let mut all = self.all();
        let one = all.entry(uid).or_default();
        one.throttle.wrote(Instant::now());
        match written {
            Ok(written) => {
                let version = written.resource_version().unwrap_or_default();
                one.status = Some((status.clone(), version));
            }
            Err(error) => {
                // Whether it was written, or by whom, is not known: the next look reads it.
                one.status = None;
                return Err(ReconcileError::Status(Box::new(error)));
            }
        }
        self.tools.metrics.status_writes.inc();
        Ok(())
    }
}
