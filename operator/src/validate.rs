//! From an object of the API to an experiment that can be built: the plan, and what pods are told. No client, no clock.

mod outline;

use std::sync::Arc;

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{Errors, Experiment, Plan, experiment::Group, plan::ChurnKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;

pub use outline::Outline;

/// The most bytes of a manifest that peers are told: a ConfigMap holds 1 MiB, with the authority's certificate and names.
pub const MAX_MANIFEST: usize = 1_000_000;

/// Why an object is not accepted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ValidateError {
    #[error("{0}")]
    Plan(String),
    #[error("metadata.{0} is missing; the API server sets it")]
    Metadata(&'static str),
    #[error("the manifest for the peers cannot be written: {0}")]
    Write(String),
    #[error(
        "the operator panicked while making the plan: {0}; please report it with the manifest. A changed manifest is retried; other experiments are not affected"
    )]
    Panicked(String),
    #[error(
        "the manifest has {found} bytes; peers can receive {MAX_MANIFEST} at most; use a topology or partition that follows from a seed instead of lists"
    )]
    TooLarge { found: usize },
}

impl ValidateError {
    /// The stable name, for conditions, events and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Plan(_) => "InvalidManifest",
            Self::Metadata(_) => "IncompleteObject",
            Self::Write(_) => "UnwritableManifest",
            Self::Panicked(_) => "PlanPanicked",
            Self::TooLarge { .. } => "ManifestTooLarge",
        }
    }
}

impl From<Errors> for ValidateError {
    fn from(errors: Errors) -> Self {
        Self::Plan(errors.to_string())
    }
}

/// An experiment that can be built.
#[derive(Clone, Debug)]
pub struct Validated {
    /// The experiment's name.
    pub name: String,
    /// The experiment's namespace.
    pub namespace: String,
    /// The experiment's UID.
    pub uid: String,
    /// The generation of the spec that this is.
    pub generation: i64,
    /// The object, for what only pods have: `spec.kubernetes`.
    pub experiment: Arc<Experiment>,
    /// The outline of its plan.
    pub plan: Outline,
    /// The id of its run.
    pub run: RunId,
}

impl Validated {
    /// The reference by which what we make is deleted with the experiment.
    pub fn owner(&self) -> Option<OwnerReference> {
        self.experiment.controller_owner_ref(&())
    }

    /// Number of peers.
    pub const fn peers(&self) -> u32 {
        self.plan.peers()
    }

    /// The group that a peer belongs to.
    pub fn group(&self, index: u32) -> Option<&Group> {
        let mut first = 0_u32;
        self.experiment.spec.groups.iter().find(|group| {
            first = first.saturating_add(group.count);
            index < first
        })
    }
}

/// Validates an object as the API server has it.
///
/// # Errors
/// With everything that is wrong with its plan; when its metadata are not complete, or the manifest is too large for peers to be told.
pub fn validate(experiment: Arc<Experiment>) -> Result<Validated, ValidateError> {
    let metadata = &experiment.metadata;
    let text = |value: &Option<String>, name| value.clone().ok_or(ValidateError::Metadata(name));
    let name = text(&metadata.name, "name")?;
    let namespace = text(&metadata.namespace, "namespace")?;
    let uid = text(&metadata.uid, "uid")?;
    let generation = metadata.generation.unwrap_or_default();
    let plan = Plan::from_experiment(&experiment)?;
    can_happen(&plan)?;
    // It has to be writable, and is written anew whenever it is told.
    manifest(&experiment)?;
    Ok(Validated {
        run: RunId::of_experiment(&uid),
        name,
        namespace,
        uid,
        generation,
        plan: Outline::of(plan),
        experiment,
    })
}

/// The next pod of a peer is made as soon as the operator sees that the last one has ended.
fn can_happen(plan: &Plan) -> Result<(), ValidateError> {
    let mut events = plan.peers.iter().flat_map(|peer| &peer.churn);
    match events.any(|due| due.event == ChurnKind::Restart && due.lasts.is_some()) {
        false => Ok(()),
        true => Err(ValidateError::Plan(
            "churn: restart with `for` is not there in pods yet; leave it out".to_owned(),
        )),
    }
}

/// The manifest that peers are told: what a run on one machine would read, without what only pods have.
///
/// # Errors
/// When it cannot be written or is too large.
pub fn manifest(experiment: &Experiment) -> Result<String, ValidateError> {
    let write = |error: &dyn std::fmt::Display| ValidateError::Write(error.to_string());
    let spec = serde_json::to_value(experiment.spec.for_peers()).map_err(|error| write(&error))?;
    let document = serde_json::json!({
        "apiVersion": "fltorrent.io/v1alpha1",
        "kind": "FLTorrentExperiment",
        "metadata": {"name": experiment.metadata.name},
        "spec": spec,
    });
    let text = serde_saphyr::to_string(&document).map_err(|error| write(&error))?;
    if text.len() > MAX_MANIFEST {
        return Err(ValidateError::TooLarge { found: text.len() });
    }
    Ok(text)
}
