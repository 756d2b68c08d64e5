//! What all looks share, and what is remembered of each experiment while this replica leads.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use fltorrent_coordinator::{
    hub::{Hub, RunFacts},
    identity::RunId,
    secret::RootSecret,
};
use fltorrent_crds::{
    Experiment,
    experiment::MAX_PEERS,
    status::{ConditionType, ExperimentStatus, Phase, Stage},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::{
    Client, Resource, ResourceExt,
    core::error_boundary::InvalidObject,
    discovery::ApiResource,
    runtime::reflector::{ObjectRef, Store},
};

use super::Watched;
use crate::{
    apply::{Applier, ApplyError, Made, Mark},
    build::Site,
    endings::EndingStore,
    events::{EventPublisher, EventSpec},
    life::{self, Facts, Ledger, PodFacts},
    metrics::Metrics,
    planner::Planner,
    room::Rooms,
    runs::{Known, Runs},
    status::{self, Figures},
    throttle::{Repairs, Throttle, Turn},
    validate::{ValidateError, Validated},
};

/// Events of an experiment that are remembered as published. One that is forgotten is published again under the same name, which is refused.
const PUBLISHED: usize = 64;

/// Singletons of the process.
#[derive(Clone)]
pub struct Tools {
    /// Settings of the cluster that objects depend on.
    pub site: Site,
    /// The root secret.
    pub root: RootSecret,
    /// Prometheus metrics.
    pub metrics: Arc<Metrics>,
    /// The runs that are known.
    pub runs: Arc<Runs>,
    /// Endings of peers.
    pub endings: Arc<EndingStore>,
    /// Experiments that create pods, and those that wait for quota.
    pub rooms: Arc<Rooms>,
}

/// State shared by all reconciles.
pub struct Context {
    pub(super) client: Client,
    pub(super) tools: Tools,
    pub(super) applier: Applier,
    pub(super) pods: Store<Pod>,
    publisher: EventPublisher,
    planner: Planner,
    hub: Arc<Hub>,
    looks: AtomicU64,
    lists: AtomicBool,
    /// Claims that were seen to be gone.
    pub(super) claims_lost: AtomicU64,
    remembered: Mutex<HashMap<String, Remembered>>,
}

/// Memory of an experiment between reconciles.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) throttle: Throttle,
    repairs: Repairs,
    /// Claims are gone since its objects were applied.
    pub(super) claims_gone: bool,
    failures: u32,
    /// The status as it was last written, and the version that the experiment has with it.
    pub(super) status: Option<(ExperimentStatus, String)>,
    /// Versions of its objects, and their generation.
    pub(super) mark: Option<(i64, Mark)>,
    /// Plan or error of a generation.
    plan: Option<(Option<i64>, Planned)>,
    published: HashSet<(&'static str, String)>,
    /// Claims that an apply which came to no end has made.
    pub(super) claims: Arc<Made>,
    /// What only an experiment that runs needs is deleted.
    retired: bool,
}

/// How the objects of an experiment stand before they are applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// True if they are not as this replica has applied them, so that applying them is a repair.
    pub(super) touched: bool,
    /// Claims that were seen to be gone until then, of all experiments.
    pub(super) claims_lost: u64,
}

/// A plan, or why there is none.
type Planned = Result<Arc<Validated>, Arc<ValidateError>>;

impl Context {
    /// A context that remembers nothing yet.
    pub fn new(
        client: Client,
        tools: Tools,
        publisher: EventPublisher,
        planner: Planner,
        pods: Store<Pod>,
        hub: Arc<Hub>,
    ) -> Self {
        Self {
            applier: Applier::new(client.clone(), tools.root.clone(), Arc::clone(&tools.metrics)),
            client,
            tools,
            pods,
            publisher,
            planner,
            hub,
            looks: AtomicU64::new(0),
            lists: AtomicBool::new(true),
            claims_lost: AtomicU64::new(0),
            remembered: Mutex::default(),
        }
    }

    /// Names a look in the log.
    pub(super) fn next_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }

    /// This replica leads.
    pub fn leads(&self) {
        self.tools.metrics.leads(true);
    }

    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an experiment that is gone.
    pub fn forget(&self, uid: &str) {
        self.all().remove(uid);
        self.tools.endings.forget(uid);
        self.tools.rooms.leave(uid);
        self.over(RunId::of_experiment(uid));
    }

    /// Takes note of whether the list of all experiments is still coming.
    pub fn lists(&self, lists: bool) {
        self.lists.store(lists, Ordering::Relaxed);
    }

    /// Forgets what is not there any more: a watch that begins anew does not say what was deleted meanwhile. While the list is still coming
    /// nothing is: what is there already is not in the store yet.
    pub fn forget_others(&self, there: &Store<Watched>) {
        if self.lists.load(Ordering::Relaxed) {
            return;
        }
        let there: HashSet<String> = there.state().iter().filter_map(|one| one.uid()).collect();
        for uid in self.tools.runs.uids() {
            if !there.contains(&uid) {
                self.forget(&uid);
            }
        }
        self.tools.endings.retain(|uid| there.contains(uid));
        self.all().retain(|uid, _| there.contains(uid));
    }

    /// A run has ended: nobody joins it or reports of it any more.
    fn over(&self, run: RunId) {
        self.tools.runs.remove(run);
        self.hub.forget(run);
    }

    /// Takes note of a run, for certificates and reports, or that it is over. That needs no plan, so that a replica which only follows
    /// makes none.
    pub fn introduce(&self, experiment: &Experiment) {
        let ledger = experiment.status.as_ref().map(status::ledger).unwrap_or_default();
        let uid = experiment.uid().unwrap_or_default();
        self.attempt(&uid, experiment, &ledger);
    }

    fn attempt(&self, uid: &str, experiment: &Experiment, ledger: &Ledger) {
        let run = RunId::of_experiment(uid);
        match ledger.stage {
            Stage::Complete | Stage::Failed => self.over(run),
            _ => self.tools.runs.put(run, known(experiment, ledger.attempt)),
        }
    }

    /// Takes note of how a pod ended, if it has.
    pub fn see(&self, pod: &Pod) {
        self.tools.endings.see(pod, Timestamp::now());
    }

    /// Experiments that are to be looked at, since a pod that has ended or is gone made room for theirs.
    pub fn freed(&self, pod: &Pod, gone: bool) -> Vec<ObjectRef<Watched>> {
        self.tools.rooms.freed(pod, gone, Instant::now())
    }

    /// Counts experiments by phase, for the metrics.
    pub fn count_phases(&self, experiments: &Store<Watched>) {
        let mut counts = [
            Phase::Pending,
            Phase::Starting,
            Phase::Training,
            Phase::Paused,
            Phase::Suspended,
            Phase::Complete,
            Phase::Failed,
        ]
        .map(|phase| (phase, 0_usize));
        for watched in experiments.state() {
            let status = watched.0.as_ref().ok().and_then(|one| one.status.as_ref());
            let phase = status.and_then(|status| status.phase).unwrap_or(Phase::Pending);
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == phase) {
                *count += 1;
            }
        }
        for (phase, count) in counts {
            self.tools.metrics.experiments(phase_name(phase), count);
        }
    }

    /// The experiment with its plan. What comes of it is remembered for each generation, also an error: it would come again.
    pub(super) async fn validated(&self, experiment: &Arc<Experiment>) -> Planned {
        let uid = experiment.uid().unwrap_or_default();
        let generation = experiment.metadata.generation;
        let known = self.all().get(&uid).and_then(|one| one.plan.clone());
        if let Some((_, planned)) = known.filter(|(of, _)| *of == generation) {
            return planned;
        }
        let planned = self.planner.plan(Arc::clone(experiment)).await;
        let planned = planned.map(Arc::new).map_err(Arc::new);
        self.all().entry(uid).or_default().plan = Some((generation, planned.clone()));
        planned
    }

    pub(super) fn refused(
        &self,
        experiment: &Experiment,
        prior: &ExperimentStatus,
        error: &ValidateError,
    ) -> ExperimentStatus {
        let generation = experiment.metadata.generation.unwrap_or_default();
        status::refused(prior, generation, error.reason(), &error.to_string(), Timestamp::now())
    }

    /// True if its objects stand as they were applied for this generation.
    pub(super) fn stands(&self, validated: &Validated) -> bool {
        let all = self.all();
        let one = all.get(&validated.uid).filter(|one| !one.claims_gone);
        one.and_then(|one| one.mark.as_ref())
            .is_some_and(|(generation, _)| *generation == validated.generation)
    }

    /// True if its objects are not as this replica has applied them for whichever generation, so that applying them is a repair.
    pub(super) fn is_touched(&self, validated: &Validated) -> bool {
        let all = self.all();
        let one = all.get(&validated.uid);
        one.is_none_or(|one| one.mark.is_none())
    }

    pub(super) fn before(&self, validated: &Validated) -> Before {
        Before {
            touched: self.is_touched(validated),
            claims_lost: self.claims_lost.load(Ordering::SeqCst),
        }
    }

    /// Whether its objects may be applied now: what somebody else changes again and again is not applied in a hot loop. A new generation
    /// is what the user wants, and waits for nothing.
    pub(super) fn repair(&self, validated: &Validated, now: Instant) -> Turn {
        if !self.is_touched(validated) {
            return Turn::Now;
        }
        self.all()
            .get(&validated.uid)
            .map_or(Turn::Now, |one| one.repairs.turn(now))
    }

    /// Claims that were made for it, so that an apply which takes several looks does not begin anew.
    pub(super) fn claims(&self, validated: &Validated) -> Arc<Made> {
        Arc::clone(&self.all().entry(validated.uid.clone()).or_default().claims)
    }

    /// Takes note of how objects stand now, and how they stood `before`.
    pub(super) fn stood(&self, validated: &Validated, mark: Option<&Mark>, before: Before, now: Instant) {
        // One that went meanwhile may have been counted as there.
        let claims_gone = self.before(validated).claims_lost != before.claims_lost;
        let mut all = self.all();
        let one = all.entry(validated.uid.clone()).or_default();
        one.failures = 0;
        if let Some(mark) = mark {
            if before.touched {
                one.repairs.applied(now);
            }
            one.claims = Arc::default();
            one.claims_gone = claims_gone;
            one.mark = Some((validated.generation, mark.clone()));
        }
    }

    /// Deletes what an experiment that is over needs no more, once while this replica leads.
    pub(super) async fn retire(&self, validated: &Validated) -> Result<(), ApplyError> {
        if self.all().get(&validated.uid).is_some_and(|one| one.retired) {
            return Ok(());
        }
        let Validated {
            namespace, name, uid, ..
        } = validated;
        self.applier.retire(namespace, name, uid).await?;
        self.all().entry(uid.clone()).or_default().retired = true;
        Ok(())
    }

    /// An object of an experiment was seen in a version. Returns whether it is not as it was applied, so that it is to be applied again.
    /// Who names the experiment's UID in another namespace changes nothing.
    pub fn drifted(&self, uid: &str, namespace: &str, kind: &'static str, name: &str, version: Option<&str>) -> bool {
        let mut all = self.all();
        let Some(one) = all.get_mut(uid) else {
            return false;
        };
        if one.mark.as_ref().is_some_and(|(_, mark)| !mark.is_in(namespace)) {
            return false;
        }
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
        self.all().get(uid).map_or(Turn::Now, |one| one.throttle.turn(now))
    }

    /// The newest figures of an attempt; `prior` has those that an operator before this one knew.
    pub(super) fn figures(&self, validated: &Validated, ledger: &Ledger, prior: &ExperimentStatus) -> Figures {
        let ends = prior.round_ends.filter(|_| prior.attempt == ledger.attempt);
        let reports = self
            .hub
            .standing(validated.run, ledger.attempt, ends.unwrap_or_default());
        let reported = reports.map(|standing| Figures::of_reports(&standing));
        let peers = validated.peers();
        let needed = validated.experiment.spec.liveness.needed(peers);
        let endings = self.tools.endings.of(&validated.uid);
        let ended = endings
            .of_attempt(ledger.attempt)
            .and_then(|endings| Figures::of_endings(endings, peers, needed));
        let paused = self.hub.paused(validated.run, ledger.attempt);
        let figures = reported.unwrap_or_default().newer(ended);
        figures.with_pause(paused.map(|paused| paused.present))
    }

    /// No round waits for reports of peers that are not there.
    pub(super) fn leave(&self, validated: &Validated, ledger: &Ledger, facts: &Facts) {
        let absent = life::absent(ledger, facts);
        self.hub.leave(validated.run, ledger.attempt, absent);
    }

    /// Rounds that peers have reported of an attempt, of those that were replaced in it or have no pod that goes on: who is replaced is back
    /// with a round more than it had then.
    pub(super) fn rounds(&self, validated: &Validated, ledger: &Ledger, pods: &[PodFacts]) -> BTreeMap<u32, u32> {
        let goes_on = |pod: &&PodFacts| {
            pod.attempt == ledger.attempt && !pod.is_leaving() && !pod.state.has_ended() && pod.sealed
        };
        let stay: HashSet<u32> = pods.iter().filter(goes_on).map(|pod| pod.index).collect();
        let reported = |index: &u32| {
            let rounds = self.hub.rounds_done(validated.run, ledger.attempt, *index)?;
            Some((*index, rounds))
        };
        let is_asked_for = |index: &u32| ledger.replaced.contains_key(index) || !stay.contains(index);
        let asked_for = (0..validated.peers()).filter(is_asked_for);
        asked_for.filter_map(|index| reported(&index)).collect()
    }

    /// The experiment is in another attempt, of which alone reports count, or at its end.
    pub(super) fn moved(&self, validated: &Validated, ledger: &Ledger) {
        self.attempt(&validated.uid, &validated.experiment, ledger);
    }

    /// Tells an event, once while this replica leads (and once at all, by its name).
    pub(super) async fn publish_event(&self, experiment: &Experiment, spec: &EventSpec) {
        self.tell_about(&experiment.object_ref(&()), spec).await;
    }

    async fn tell_about(&self, about: &ObjectReference, spec: &EventSpec) {
        {
            let mut all = self.all();
            let uid = about.uid.clone().unwrap_or_default();
            let published = &mut all.entry(uid).or_default().published;
            if published.len() >= PUBLISHED {
                published.clear();
            }
            if !published.insert((spec.reason, spec.key.clone())) {
                return;
            }
        }
        self.publisher.publish(about, spec).await;
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
        let spec = EventSpec {
            reason: "UnreadableObject",
            warning: true,
            note: format!("this operator cannot read it, it may be of another version: {error}"),
            key: metadata.generation.unwrap_or_default().to_string(),
        };
        self.tell_about(&about, &spec).await;
    }
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Starting => "Starting",
        Phase::Training => "Training",
        Phase::Paused => "Paused",
        Phase::Suspended => "Suspended",
        Phase::Complete => "Complete",
        Phase::Failed => "Failed",
    }
}

/// The facts about a run that every replica needs.
fn known(experiment: &Experiment, attempt: u32) -> Known {
    let spec = &experiment.spec;
    let peers = spec.groups.iter().map(|group| group.count);
    let peers = peers.fold(0, u32::saturating_add).min(MAX_PEERS);
    let status = experiment.status.as_ref().filter(|status| status.attempt == attempt);
    let training = status.and_then(|status| status.condition(ConditionType::Training));
    Known {
        began: training
            .filter(|training| training.status == "True")
            .map(|training| training.last_transition_time.0),
        namespace: experiment.namespace().unwrap_or_default(),
        name: experiment.name_any(),
        uid: experiment.uid().unwrap_or_default(),
        facts: RunFacts {
            peers,
            rounds: spec.training.rounds,
            min_peers: spec.liveness.needed(peers),
            attempt,
        },
    }
}
