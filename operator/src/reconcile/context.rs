//! What all looks share, and what is remembered of each experiment while this replica leads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fltorrent_coordinator::hub::{Hub, RunFacts};
use fltorrent_coordinator::identity::RunId;
use fltorrent_coordinator::secret::RootSecret;
use fltorrent_crds::Experiment;
use fltorrent_crds::status::{ExperimentStatus, Phase};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::core::error_boundary::InvalidObject;
use kube::discovery::ApiResource;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::{ReconcileError, Watched};
use crate::apply::{Applier, Mark};
use crate::build::Site;
use crate::events::{Teller, Telling};
use crate::evidence::Evidence;
use crate::life::Ledger;
use crate::metrics::Metrics;
use crate::names;
use crate::room::Rooms;
use crate::runs::{Known, Runs};
use crate::status::{self, Figures};
use crate::throttle::{Throttle, Turn};
use crate::validate::{ValidateError, Validated, validate};

/// What belongs to the whole process.
#[derive(Clone)]
pub struct Tools {
    /// What objects need to know of the place.
    pub site: Site,
    /// The root secret.
    pub root: RootSecret,
    /// What Prometheus sees.
    pub metrics: Arc<Metrics>,
    /// The runs that are known.
    pub runs: Arc<Runs>,
    /// What peers said at their end.
    pub evidence: Arc<Evidence>,
    /// Who makes pods where, and who waits for room.
    pub rooms: Arc<Rooms>,
}

/// What all looks share.
pub struct Context {
    pub(super) client: Client,
    pub(super) tools: Tools,
    pub(super) applier: Applier,
    pub(super) pods: Store<Pod>,
    teller: Teller,
    hub: Arc<Hub>,
    looks: AtomicU64,
    remembered: Mutex<HashMap<String, Remembered>>,
}

/// What is remembered of an experiment.
#[derive(Default)]
struct Remembered {
    throttle: Throttle,
    failures: u32,
    /// The status as it was last written; while this replica leads, nobody else writes it.
    status: Option<ExperimentStatus>,
    /// How its objects stand, and of which generation they are.
    mark: Option<(i64, Mark)>,
    validated: Option<Arc<Validated>>,
    told: Vec<Telling>,
}

impl Context {
    /// A context that remembers nothing yet.
    pub fn new(
        client: Client,
        tools: Tools,
        teller: Teller,
        pods: Store<Pod>,
        hub: Arc<Hub>,
    ) -> Self {
        Self {
            applier: Applier::new(
                client.clone(),
                tools.root.clone(),
                Arc::clone(&tools.metrics),
            ),
            client,
            tools,
            pods,
            teller,
            hub,
            looks: AtomicU64::new(0),
            remembered: Mutex::default(),
        }
    }

    /// Names a look in the log.
    pub(super) fn next_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an experiment that is gone.
    pub fn forget(&self, uid: &str, run: RunId) {
        self.all().remove(uid);
        self.tools.evidence.forget(uid);
        self.tools.rooms.leave(uid);
        self.tools.runs.remove(run);
        self.hub.forget(run);
    }

    /// The runs that are known.
    pub fn runs(&self) -> &Runs {
        &self.tools.runs
    }

    /// Takes note of how a pod ended, if it has.
    pub fn see(&self, pod: &Pod) {
        self.tools.evidence.see(pod, Timestamp::now());
    }

    /// Experiments that are to be looked at, since a pod that has ended or is gone made room for theirs.
    pub fn freed(&self, pod: &Pod, gone: bool) -> Vec<ObjectRef<Watched>> {
        self.tools.rooms.freed(pod, gone, Instant::now())
    }

    /// How many experiments are in which phase, for the metrics.
    pub fn count_phases(&self, experiments: &Store<Watched>) {
        let mut counts = [
            Phase::Pending,
            Phase::Starting,
            Phase::Training,
            Phase::Suspended,
            Phase::Complete,
            Phase::Failed,
        ]
        .map(|phase| (phase, 0_usize));
        for watched in experiments.state() {
            let status = watched.0.as_ref().ok().and_then(|one| one.status.as_ref());
            let phase = status
                .and_then(|status| status.phase)
                .unwrap_or(Phase::Pending);
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == phase) {
                *count += 1;
            }
        }
        for (phase, count) in counts {
            self.tools.metrics.experiments(phase_name(phase), count);
        }
    }

    /// The status to go on from: as written by this replica, or as it stands now.
    pub(super) async fn status(
        &self,
        experiment: &Experiment,
    ) -> Result<ExperimentStatus, ReconcileError> {
        let uid = experiment.uid().unwrap_or_default();
        if let Some(status) = self.all().get(&uid).and_then(|one| one.status.clone()) {
            return Ok(status);
        }
        // Another replica may have written it after what our watch has shown.
        let namespace = experiment.namespace().unwrap_or_default();
        let api: Api<Experiment> = Api::namespaced(self.client.clone(), &namespace);
        let fresh = api
            .get_opt(&experiment.name_any())
            .await
            .map_err(|error| ReconcileError::Read("status", Box::new(error)))?;
        let status = fresh.and_then(|fresh| fresh.status).unwrap_or_default();
        self.all().entry(uid).or_default().status = Some(status.clone());
        Ok(status)
    }

    /// The experiment with its plan, which is made once for each generation.
    pub(super) fn validated(
        &self,
        experiment: &Arc<Experiment>,
    ) -> Result<Arc<Validated>, ValidateError> {
        let uid = experiment.uid().unwrap_or_default();
        let known = self.all().get(&uid).and_then(|one| one.validated.clone());
        if let Some(known) =
            known.filter(|known| Some(known.generation) == experiment.metadata.generation)
        {
            return Ok(known);
        }
        let validated = Arc::new(validate(Arc::clone(experiment))?);
        self.all().entry(uid).or_default().validated = Some(Arc::clone(&validated));
        Ok(validated)
    }

    pub(super) fn refused(
        &self,
        experiment: &Experiment,
        prior: &ExperimentStatus,
        error: &ValidateError,
    ) -> ExperimentStatus {
        let generation = experiment.metadata.generation.unwrap_or_default();
        status::refused(
            prior,
            generation,
            error.reason(),
            &error.to_string(),
            Timestamp::now(),
        )
    }

    /// Whether its objects stand as they were applied for this generation.
    pub(super) fn stands(&self, validated: &Validated) -> bool {
        self.all()
            .get(&validated.uid)
            .and_then(|one| one.mark.as_ref())
            .is_some_and(|(generation, _)| *generation == validated.generation)
    }

    /// Takes note of how objects stand now.
    pub(super) fn stood(&self, validated: &Validated, mark: Option<&Mark>) {
        let mut all = self.all();
        let one = all.entry(validated.uid.clone()).or_default();
        one.failures = 0;
        if let Some(mark) = mark {
            one.mark = Some((validated.generation, mark.clone()));
        }
    }

    /// An object of an experiment was seen in a version. Returns whether it is not as it was applied, so that it is to be applied again.
    pub fn drifted(
        &self,
        uid: &str,
        kind: &'static str,
        name: &str,
        version: Option<&str>,
    ) -> bool {
        let mut all = self.all();
        let Some(one) = all.get_mut(uid) else {
            return false;
        };
        let covered = version.is_some_and(|version| {
            one.mark
                .as_ref()
                .is_some_and(|(_, mark)| mark.covers(kind, name, version))
        });
        if !covered {
            one.mark = None;
        }
        !covered
    }

    /// Counts a failure; returns how many there were before it.
    pub(super) fn failed(&self, key: &ObjectRef<Watched>) -> u32 {
        let uid = key.extra.uid.clone().unwrap_or_default();
        let mut all = self.all();
        let one = all.entry(uid).or_default();
        let failures = one.failures;
        one.failures = failures.saturating_add(1);
        failures
    }

    /// Whether a status may be written now.
    pub(super) fn turn(&self, uid: &str, now: Instant) -> Turn {
        self.all()
            .get(uid)
            .map_or(Turn::Now, |one| one.throttle.turn(now))
    }

    /// The newest figures of an attempt.
    pub(super) fn figures(&self, validated: &Validated, ledger: Ledger) -> Figures {
        let reports = self.hub.progress(validated.run, ledger.attempt);
        let reported = reports.map(|progress| Figures::of_reports(&progress));
        let endings = self.tools.evidence.of(&validated.uid);
        let ended = endings
            .of_attempt(ledger.attempt)
            .and_then(|endings| Figures::of_endings(endings, validated.peers()));
        reported.unwrap_or_default().newer(ended)
    }

    /// The experiment is in another attempt: only reports of that one count.
    pub(super) fn moved(&self, validated: &Validated, ledger: Ledger) {
        self.tools
            .runs
            .put(validated.run, known(validated, ledger.attempt));
    }

    /// Tells an event, once while this replica leads (and once at all, by its name).
    pub(super) async fn tell(&self, experiment: &Experiment, telling: &Telling) {
        self.tell_about(&experiment.object_ref(&()), telling).await;
    }

    async fn tell_about(&self, about: &ObjectReference, telling: &Telling) {
        {
            let mut all = self.all();
            let uid = about.uid.clone().unwrap_or_default();
            let told = &mut all.entry(uid).or_default().told;
            let same = |other: &Telling| other.reason == telling.reason && other.key == telling.key;
            if told.iter().any(same) {
                return;
            }
            told.push(telling.clone());
        }
        self.teller.tell(about, telling).await;
    }

    /// An object of the API that is no experiment of this version.
    pub(super) async fn unreadable(&self, invalid: &InvalidObject) {
        let InvalidObject { error, metadata } = invalid;
        tracing::warn!(
            name = metadata.name,
            namespace = metadata.namespace,
            error,
            "an experiment cannot be read"
        );
        let resource = ApiResource::erase::<Experiment>(&());
        let about = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        let telling = Telling {
            reason: "UnreadableObject",
            warning: true,
            note: format!(
                "this operator cannot read it, maybe since it is of another version: {error}"
            ),
            key: metadata.generation.unwrap_or_default().to_string(),
        };
        self.tell_about(&about, &telling).await;
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

    /// Writes a status; with a version only onto the object as it was then.
    pub(super) async fn write(
        &self,
        experiment: &Experiment,
        status: &ExperimentStatus,
        version: Option<&str>,
    ) -> Result<(), ReconcileError> {
        let resource = ApiResource::erase::<Experiment>(&());
        let namespace = experiment.namespace().unwrap_or_default();
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &namespace, &resource);
        let uid = experiment.uid().unwrap_or_default();
        // The UID goes along, so that another experiment of the name does not get it.
        let mut metadata = json!({"uid": uid});
        if let Some(version) = version {
            metadata["resourceVersion"] = json!(version);
        }
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
        if let Err(error) = written {
            // Whether it was written is not known: the next look reads it.
            one.status = None;
            return Err(ReconcileError::Status(Box::new(error)));
        }
        one.status = Some(status.clone());
        self.tools.metrics.status_written();
        Ok(())
    }
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Starting => "Starting",
        Phase::Training => "Training",
        Phase::Suspended => "Suspended",
        Phase::Complete => "Complete",
        Phase::Failed => "Failed",
    }
}

/// What every replica has to know of a run.
pub fn known(validated: &Validated, attempt: u32) -> Known {
    Known {
        namespace: validated.namespace.clone(),
        name: validated.name.clone(),
        uid: validated.uid.clone(),
        generation: validated.generation,
        fixed: validated
            .experiment
            .status
            .as_ref()
            .is_some_and(|status| status::ledger(status).begun),
        facts: RunFacts {
            peers: validated.peers(),
            rounds: validated.plan.training.rounds,
            attempt,
        },
    }
}
