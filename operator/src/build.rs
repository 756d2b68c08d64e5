//! What an experiment is on a cluster, as a pure function of its plan and manifest: one module an object. No client.

mod claims;
mod config_map;
mod convert;
mod disruption_budget;
mod network_policy;
pub mod pod;
mod security;
mod service;
mod tolerations;
mod volumes;

use fltorrent_coordinator::{authority::AuthorityError, secret::RootSecret};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, PersistentVolumeClaim, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    config::{Config, PeerUser},
    names,
    validate::{ValidateError, Validated},
};

/// The port of the swarm, UDP.
pub const SWARM_PORT: i32 = 7400;
/// The port of a peer's metrics and probes, TCP.
pub const METRICS_PORT: i32 = 9400;

/// Settings of the cluster that objects depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The operator's namespace.
    pub namespace: String,
    /// The operator's Service.
    pub service: String,
    /// The port of it where peers get certificates and report.
    pub port: u16,
    /// The DNS domain of the cluster.
    pub cluster_domain: String,
    /// The image of peers that compute on the CPU.
    pub peer_image: String,
    /// The image of peers that compute with CUDA.
    pub peer_cuda_image: String,
    /// User of peers, unless an experiment sets one.
    pub peer_user: PeerUser,
}

impl Site {
    /// The place that an operator was told of.
    pub fn of(config: &Config) -> Self {
        Self {
            namespace: config.namespace.clone(),
            service: config.service.clone(),
            port: config.listen.port(),
            cluster_domain: config.cluster_domain.clone(),
            peer_image: config.peer_image.clone(),
            peer_cuda_image: config.peer_cuda_image.clone(),
            peer_user: config.peer_user,
        }
    }

    /// The operator's address for peers.
    pub fn coordinator(&self) -> String {
        let Self {
            namespace,
            service,
            port,
            cluster_domain,
            ..
        } = self;
        format!("{service}.{namespace}.svc.{cluster_domain}:{port}")
    }
}

/// Why objects cannot be built.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum BuildError {
    #[error("the experiment's authority cannot be made")]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Manifest(#[from] ValidateError),
    #[error("spec.kubernetes.{field} cannot be put into a pod")]
    Convert {
        field: &'static str,
        source: serde_json::Error,
    },
}

impl BuildError {
    /// The stable name, for conditions, events and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Authority(_) => "NoAuthority",
            Self::Manifest(error) => error.reason(),
            Self::Convert { .. } => "UnusableKubernetes",
        }
    }
}

/// All objects of an experiment but its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The configuration of peers.
    pub config_map: ConfigMap,
    /// By which peers have names.
    pub service: Service,
    /// The network policy of the peers.
    pub network_policy: NetworkPolicy,
    /// How many peers a drain of nodes has to leave; none where the first loss ends the attempt anyway, and for a single peer.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// Claims for checkpoints and results; they outlive the experiment, so it does not own them.
    pub claims: Vec<PersistentVolumeClaim>,
}

/// Builds all objects but the pods.
///
/// # Errors
/// When the experiment's authority cannot be made.
pub fn objects(validated: &Validated, site: &Site, root: &RootSecret) -> Result<Objects, BuildError> {
    Ok(Objects {
        config_map: config_map::build(validated, root)?,
        service: service::build(validated),
        network_policy: network_policy::build(validated, site),
        disruption_budget: disruption_budget::build(validated),
        claims: claims::build(validated),
    })
}

/// Metadata of an object that goes with the experiment.
fn owned(validated: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(validated.namespace.clone()),
        labels: Some(names::labels(&validated.name)),
        owner_references: validated.owner().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
