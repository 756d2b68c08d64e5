//! The pod of one attempt of a peer. It is created once, sealed ([`seal`](crate::seal)), and never changed.

use fltorrent_crds::{
    experiment::kubernetes::{GroupKubernetes, Kubernetes},
    plan::Backend,
};
use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, EnvVar, HTTPGetAction, Pod, PodSpec, Probe, ResourceRequirements},
    apimachinery::pkg::util::intstr::IntOrString,
};

pub use super::volumes::AUDIENCE;
use super::{
    BuildError, METRICS_PORT, SWARM_PORT, Site,
    convert::same,
    owned, security, tolerations,
    volumes::{self, MANIFEST, SCRATCH},
};
use crate::{names, validate::Validated};

/// The container in which a peer runs.
pub const CONTAINER: &str = "trainer";
/// The deadline of a pod, in seconds from its start, that is over: the kubelet ends what still runs in it.
pub const ENDS_NOW: i64 = 1;
/// Longest time that a peer may take to tell its neighbours that it goes, in seconds.
const GRACE_SECONDS: i64 = 15;

/// Which process of which peer a pod is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The peer's index in the plan.
    pub index: u32,
    /// The attempt.
    pub attempt: u32,
    /// The number of the pod among those of the peer in the attempt.
    pub incarnation: u32,
    /// Rounds of the checkpoint that the attempt resumes from; 0 is the start.
    pub resume: u32,
}

/// The pod of a process.
///
/// # Errors
/// When a part of `spec.kubernetes` is not what a pod has.
pub fn build(validated: &Validated, site: &Site, process: Process) -> Result<Pod, BuildError> {
    let Process {
        index,
        attempt,
        incarnation,
        ..
    } = process;
    let spec = &validated.experiment.spec;
    let kubernetes = &spec.kubernetes;
    let name = names::pod(&validated.name, index, attempt, incarnation);
    let group = validated.group(index);
    let of_group = group.map(|group| group.kubernetes.clone());
    let of_group = of_group.unwrap_or_default();
    let given = kubernetes.of_group(&of_group);

    let mut metadata = owned(validated, name);
    let of_pod = [
        (names::INDEX, index.to_string()),
        (names::ATTEMPT, attempt.to_string()),
        (names::INCARNATION, incarnation.to_string()),
        (names::GROUP, group.map_or_else(String::new, |group| group.name.clone())),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    // The plan refuses the operator's keys among a user's; were one there, the operator's would hold.
    let mut labels = kubernetes.labels.clone();
    labels.extend(metadata.labels.take().unwrap_or_default());
    labels.extend(of_pod);
    metadata.labels = Some(labels);
    let mut annotations = kubernetes.annotations.clone();
    // A seal is the operator's to give, once the pod has its UID.
    annotations.remove(names::SEAL);
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);

    let volumes = volumes::build(&validated.name, kubernetes, index)?;
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(image(validated, site, kubernetes)),
        image_pull_policy: same("imagePullPolicy", &kubernetes.image_pull_policy)?,
        command: None,
        args: Some(["peer", "--in-cluster", MANIFEST].map(str::to_owned).into()),
        working_dir: volumes::working_folder(kubernetes),
        env: Some(environment(validated, site, kubernetes, process)?),
        ports: Some(vec![
            port("swarm", SWARM_PORT, "UDP"),
            port("metrics", METRICS_PORT, "TCP"),
        ]),
        resources: Some(resources(validated, &given, index)?),
        readiness_probe: Some(ready()),
        // No liveness probe: a peer that waits for its neighbours is alive.
        security_context: Some(security::of_container()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volumes.mounts),
        ..Container::default()
    };
    let spec = PodSpec {
        affinity: same("affinity", &given.affinity)?,
        automount_service_account_token: Some(false),
        containers: vec![container],
        enable_service_links: Some(false),
        hostname: Some(names::hostname(index)),
        image_pull_secrets: some(same::<Vec<_>>("imagePullSecrets", &kubernetes.image_pull_secrets)?),
        node_selector: given.node_selector,
        priority_class_name: given.priority_class_name,
        restart_policy: Some("Never".to_owned()),
        runtime_class_name: given.runtime_class_name,
        scheduler_name: kubernetes.scheduler_name.clone(),
        security_context: Some(security::of_pod(kubernetes, site)?),
        service_account_name: kubernetes.service_account_name.clone(),
        subdomain: Some(validated.name.clone()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        tolerations: tolerations::build(&validated.plan, &given.tolerations)?,
        volumes: Some(volumes.volumes),
        ..PodSpec::default()
    };
    Ok(Pod {
        metadata,
        spec: Some(spec),
        status: None,
    })
}

/// The image: the experiment's own, else the one that belongs to where its peers compute.
fn image(validated: &Validated, site: &Site, kubernetes: &Kubernetes) -> String {
    kubernetes
        .image
        .clone()
        .unwrap_or_else(|| match validated.plan.training.backend {
            Backend::Flex => site.peer_image.clone(),
            Backend::Cuda => site.peer_cuda_image.clone(),
        })
}

fn environment(
    validated: &Validated,
    site: &Site,
    kubernetes: &Kubernetes,
    process: Process,
) -> Result<Vec<EnvVar>, BuildError> {
    let Process {
        index,
        attempt,
        incarnation,
        resume,
    } = process;
    let variable = |(name, value): (&str, String)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let domain = format!("{}.{}.svc.{}", validated.name, validated.namespace, site.cluster_domain);
    let mut all: Vec<EnvVar> = same("env", &kubernetes.env)?;
    all.extend(
        [
            ("FLTORRENT_INDEX", index.to_string()),
            ("FLTORRENT_ATTEMPT", attempt.to_string()),
            ("FLTORRENT_INCARNATION", incarnation.to_string()),
            ("FLTORRENT_RUN", validated.run.to_string()),
            ("FLTORRENT_COORDINATOR", site.coordinator()),
            ("FLTORRENT_PEERS_DOMAIN", domain),
            // Data from a URL are kept there; nothing else can be written.
            ("FLTORRENT_CACHE", format!("{SCRATCH}/cache")),
        ]
        .map(variable),
    );
    all.extend(volumes::kept_folders(&validated.name, kubernetes, index).map(variable));
    if resume > 0 {
        all.push(variable(("FLTORRENT_RESUME_ROUND", resume.to_string())));
    }
    Ok(all)
}

/// The resources of a peer; by default a fraction of a CPU and the memory that the plan forecasts.
fn resources(validated: &Validated, given: &GroupKubernetes, index: u32) -> Result<ResourceRequirements, BuildError> {
    let memory = validated.plan.memory(index);
    let given = given.resources.clone().unwrap_or_default();
    same("resources", &given.with_defaults(memory))
}

fn port(name: &str, number: i32, protocol: &str) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}

fn ready() -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/readyz".to_owned()),
            port: IntOrString::String("metrics".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(2),
        ..Probe::default()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
