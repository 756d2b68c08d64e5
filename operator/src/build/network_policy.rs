//! Who may talk to whom: the peers of one experiment to each other, to DNS and to the operator; everybody may read their metrics. To any
//! address are open: where data come from a URL, its port and those that such a server may send on to; the port of a proxy that the
//! environment names; and what the experiment asks for.

use std::collections::{BTreeMap, BTreeSet};

use fltorrent_crds::{data::is_url, experiment::kubernetes::EnvironmentVariable};
use hyper::Uri;
use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
        NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{METRICS_PORT, SWARM_PORT, Site, owned};
use crate::{
    names,
    validate::{Outline, Validated},
};

/// Where DNS may be.
const DNS_PORTS: [i32; 2] = [53, 5353];
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
const SOCKS_PORT: u16 = 1080;
/// Variables that name a proxy, in capitals.
const PROXIES: [&str; 3] = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"];

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
        // Where a cluster has its DNS differs: in kube-system, on the nodes, or elsewhere. Some policies see the port of the Service, and
        // others that of its pods, which is 5353 on OpenShift.
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(
                DNS_PORTS
                    .into_iter()
                    .flat_map(|number| [port("UDP", number), port("TCP", number)])
                    .collect(),
            ),
        },
        NetworkPolicyEgressRule {
            to: Some(vec![operator(site)]),
            ports: Some(vec![port("TCP", i32::from(site.port))]),
        },
    ];
    let open = open_ports(validated);
    if !open.is_empty() {
        let open = open.into_iter();
        egress.push(NetworkPolicyEgressRule {
            to: None,
            ports: Some(open.map(|number| port("TCP", i32::from(number))).collect()),
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
    let pod = [(names::APP, names::APP_NAME), (names::COMPONENT, "operator")];
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

/// Ports that are open to any address.
fn open_ports(validated: &Validated) -> BTreeSet<u16> {
    let kubernetes = &validated.experiment.spec.kubernetes;
    let mut ports = url_ports(&validated.plan);
    if !ports.is_empty() {
        // `http` sends on to `https`, and a mirror to another server.
        ports.extend([HTTP_PORT, HTTPS_PORT]);
    }
    ports.extend(kubernetes.env.iter().filter_map(proxy_port));
    ports.extend(&kubernetes.egress_ports);
    ports
}

/// Ports of the URLs that data and the first model come from.
fn url_ports(plan: &Outline) -> BTreeSet<u16> {
    let of_data = plan.source.files().into_iter().map(|file| file.path);
    let init = plan.init_from.iter().map(|from| from.path.clone());
    of_data
        .chain(init)
        .filter(|place| is_url(place))
        .filter_map(|url| url_port(&url.parse().ok()?))
        .collect()
}

/// The port of a proxy, where a variable names one. What a ConfigMap or a Secret says is not known here.
fn proxy_port(variable: &EnvironmentVariable) -> Option<u16> {
    let name = variable.name.to_ascii_uppercase();
    let value = variable.value.as_deref().filter(|_| PROXIES.contains(&name.as_str()))?;
    let uri: Uri = value.trim().parse().ok()?;
    // A proxy may be named without a scheme, which then is `http`.
    uri.host()?;
    url_port(&uri).or_else(|| uri.scheme().is_none().then_some(HTTP_PORT))
}

/// The port of a URL: its own, or that of its scheme.
fn url_port(uri: &Uri) -> Option<u16> {
    let of_scheme = || match uri.scheme_str() {
        Some("http") => Some(HTTP_PORT),
        Some("https") => Some(HTTPS_PORT),
        Some("socks4" | "socks4a" | "socks5" | "socks5h" | "socks") => Some(SOCKS_PORT),
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
            assert_eq!(url_port(&url.parse().unwrap()), port, "{url}");
        }
    }

    #[test]
    fn a_proxy_opens_its_port() {
        for (name, value, port) in [
            ("HTTPS_PROXY", Some("http://proxy.lab:3128"), Some(3128)),
            ("https_proxy", Some("http://u:p@proxy.lab:3128/"), Some(3128)),
            ("http_proxy", Some("http://proxy.lab"), Some(80)),
            ("ALL_PROXY", Some("https://proxy.lab/"), Some(443)),
            ("all_proxy", Some("socks5://proxy.lab"), Some(1080)),
            ("HTTP_PROXY", Some("proxy.lab:8888"), Some(8888)),
            ("HTTP_PROXY", Some(" 10.0.0.1 "), Some(80)),
            ("HTTP_PROXY", Some(""), None),
            ("HTTP_PROXY", Some("not a proxy"), None),
            ("HTTP_PROXY", None, None),
            ("NO_PROXY", Some("http://10.0.0.1:99"), None),
            ("PROXY_URL", Some("http://proxy.lab:3128"), None),
        ] {
            let variable = EnvironmentVariable {
                name: name.to_owned(),
                value: value.map(str::to_owned),
                value_from: None,
            };
            assert_eq!(proxy_port(&variable), port, "{name}={value:?}");
        }
    }
}
