//! The headless Service that gives peers their names: `peer-3.<experiment>.<namespace>.svc`.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{METRICS_PORT, SWARM_PORT, owned};
use crate::{names, validate::Validated};

pub(super) fn build(validated: &Validated) -> Service {
    let port = |name: &str, number, protocol: &str| ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: owned(validated, validated.name.clone()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // A peer is ready only when it has its neighbours, and they find it by its name.
            publish_not_ready_addresses: Some(true),
            selector: Some(names::pod_selector(&validated.name)),
            ports: Some(vec![
                port("swarm", SWARM_PORT, "UDP"),
                port("metrics", METRICS_PORT, "TCP"),
            ]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
