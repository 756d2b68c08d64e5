//! The cluster's DNS: CoreDNS in a pod behind its Service, under the labels that everybody's network policies name.

use serde_json::{Value, json};

use crate::{
    command::{self, CommandError},
    components::Context,
    images::COREDNS,
    layout::{DNS_ADDRESS, DOMAIN},
    task::Task,
};

/// Longest time that the pod may take until it is ready.
const READY: &str = "--timeout=180s";

/// Why names are not resolved.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum DnsError {
    #[error("CoreDNS cannot be installed")]
    Apply(#[source] CommandError),
    #[error("CoreDNS is not ready; `kubectl -n kube-system describe pods` says why")]
    Ready(#[source] CommandError),
}

/// Installs it, and waits until its pod is ready.
///
/// # Errors
/// When the API server refuses it or the pod does not get ready.
pub fn ensure(context: Context<'_>) -> Result<(), DnsError> {
    let mut task = Task::begin("starting CoreDNS", context.interrupt);
    let mut apply = context.kubectl();
    apply.args(["apply", "--server-side", "--force-conflicts", "--filename=-"]);
    command::run_with_input(&mut apply, &objects().to_string(), &mut task).map_err(DnsError::Apply)?;
    let mut ready = context.kubectl();
    ready.args([
        "--namespace=kube-system",
        "rollout",
        "status",
        READY,
        "deployment/coredns",
    ]);
    command::run(&mut ready, &mut task).map_err(DnsError::Ready)?;
    task.end();
    Ok(())
}

fn objects() -> Value {
    let corefile = format!(
        ".:53 {{\n  errors\n  ready\n  kubernetes {DOMAIN} in-addr.arpa {{\n    pods insecure\n    ttl 5\n  }}\n  cache 5\n}}\n"
    );
    let metadata = json!({"name": "coredns", "namespace": "kube-system"});
    let labels = json!({"k8s-app": "kube-dns"});
    let role = "system:coredns";
    let watched = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]});
    let port = |name: &str, protocol: &str| json!({"name": name, "port": 53, "targetPort": 53, "protocol": protocol});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role},
            "rules": [
                watched("", &["endpoints", "services", "pods", "namespaces"]),
                watched("discovery.k8s.io", &["endpointslices"]),
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": corefile}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "coredns",
                        "priorityClassName": "system-cluster-critical",
                        "dnsPolicy": "Default",
                        "containers": [{
                            "name": "coredns",
                            "image": COREDNS,
                            "imagePullPolicy": "Never",
                            "args": ["-conf", "/etc/coredns/Corefile"],
                            "resources": {"requests": {"cpu": "10m", "memory": "20Mi"}, "limits": {"memory": "170Mi"}},
                            "readinessProbe": {
                                "httpGet": {"path": "/ready", "port": 8181},
                                "periodSeconds": 1,
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                                "readOnlyRootFilesystem": true,
                            },
                            "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": true}],
                        }],
                        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "clusterIP": DNS_ADDRESS,
                "selector": labels,
                "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")],
            },
        },
    ]})
}
