//! Who may talk to whom: the peers of one experiment to each other, to DNS and to the operator; everybody may read their metrics. Where
//! data come from a URL, its port is open to any address.

use std::collections::{BTreeMap, BTreeSet};

use fltorrent_crds::Plan;
use fltorrent_crds::plan::{DataSource, is_url};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{METRICS_PORT, SWARM_PORT, Site, owned};
use crate::names;
use crate::validate::Validated;

pub(super) fn build(validated: &Validated, site: &Site) -> NetworkPolicy {
    let peers = || NetworkPolicyPeer {
        pod_selector: Some(labels(names::pod_selector(&validated.name))),
        ..NetworkPolicyPeer::default()
    };
    let ingress = vec![
        NetworkPolicyIngressRule {
            from: Some(vec![peers()]),
            ports: Some(vec![port("UDP", SWARM_PORT)]),
        },
        NetworkPolicyIngressRule {
            from: None,
            ports: Some(vec![port("TCP", METRICS_PORT)]),
        },
    ];
    let mut egress = vec![
        NetworkPolicyEgressRule {
            to: Some(vec![peers()]),
            ports: Some(vec![port("UDP", SWARM_PORT)]),
        },
        // Where a cluster has its DNS differs: in kube-system, on the nodes, or elsewhere.
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
        },
        NetworkPolicyEgressRule {
            to: Some(vec![operator(site)]),
            ports: Some(vec![port("TCP", i32::from(site.port))]),
        },
    ];
    let urls: Vec<_> = url_ports(&validated.plan)
        .into_iter()
        .map(|number| port("TCP", i32::from(number)))
        .collect();
    if !urls.is_empty() {
        egress.push(NetworkPolicyEgressRule {
            to: None,
            ports: Some(urls),
        });
    }
    NetworkPolicy {
        metadata: owned(validated, validated.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels(names::pod_selector(&validated.name))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

fn operator(site: &Site) -> NetworkPolicyPeer {
    let label = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let namespace = ("kubernetes.io/metadata.name", site.namespace.as_str());
    let pod = [
        (names::APP, names::APP_NAME),
        (names::COMPONENT, "operator"),
    ];
    NetworkPolicyPeer {
        namespace_selector: Some(labels([namespace].map(label).into())),
        pod_selector: Some(labels(pod.map(label).into())),
        ..NetworkPolicyPeer::default()
    }
}

fn labels(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        ..NetworkPolicyPort::default()
    }
}

/// Ports of the URLs that data and the first model come from.
fn url_ports(plan: &Plan) -> BTreeSet<u16> {
    let mut places: Vec<&str> = Vec::new();
    match &plan.data.source {
        DataSource::Digits | DataSource::Custom { .. } => {}
        DataSource::Idx { path, .. } => places.push(path),
        DataSource::Csv { train, test, .. } | DataSource::Safetensors { train, test } => {
            places.extend([train.path.as_str(), &test.path]);
        }
        DataSource::Text { file, .. } => places.push(&file.path),
    }
    places.extend(plan.init_from.as_ref().map(|from| from.path.as_str()));
    places
        .into_iter()
        .filter(|place| is_url(place))
        .filter_map(url_port)
        .collect()
}

/// The port of a URL: its own, or that of its scheme.
fn url_port(url: &str) -> Option<u16> {
    let uri: hyper::Uri = url.parse().ok()?;
    let of_scheme = || match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    uri.port_u16().or_else(of_scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_opens_its_port() {
        for (url, port) in [
            ("https://example.org/train.csv", Some(443)),
            ("http://example.org/train.csv", Some(80)),
            ("http://example.org:9000/x", Some(9000)),
            ("https://[::1]:8443/x", Some(8443)),
            ("nonsense", None),
        ] {
            assert_eq!(url_port(url), port, "{url}");
        }
    }
}
