//! The kubelet: a node.

use std::path::Path;

use serde_json::{Value, json};

use super::{ComponentError, Context, folder, said, write};
use crate::layout::{DNS_ADDRESS, DOMAIN, NODE_ADDRESS, Node};

/// Name of the program.
pub const NAME: &str = "kubelet";

/// Starts it and waits until its node is ready.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>, node: Node) -> Result<(), ComponentError> {
    let state = context.layout.state().join(node.kubelet);
    folder(&state)?;
    // Pods must not look names up where this machine does: there is no way out of the cluster.
    write(&state.join("resolv.conf"), "")?;
    let file = state.join("config.json");
    write(&file, &configuration(context, node, &state).to_string())?;
    let arguments = vec![
        format!("--config={}", file.display()),
        format!("--kubeconfig={}", context.pki(&format!("{}.kubeconfig", node.kubelet))),
        format!("--cert-dir={}", state.join("pki").display()),
        format!("--root-dir={}", state.join("root").display()),
        format!("--hostname-override={}", node.name),
        format!("--node-ip={NODE_ADDRESS}"),
    ];
    let daemon = context.daemon(node.kubelet, context.binaries.program(NAME), arguments);
    let condition = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
    let name = format!("node/{}", node.name);
    context.start(node.kubelet, &daemon, || {
        let answer = context.ask(&["get", &name, "--output", condition]);
        let answer = answer.map_err(|error| said(&error))?;
        if answer.contains(r#""status":"True""#) {
            Ok(())
        } else {
            Err(format!("its node is not ready: {answer}"))
        }
    })
}

fn configuration(context: Context<'_>, node: Node, state: &Path) -> Value {
    let socket = context.layout.containerd_socket(node);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": node.port,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "tlsCertFile": context.pki("kubelet-serving.crt"),
        "tlsPrivateKeyFile": context.pki("kubelet-serving.key"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": context.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", node.cgroup),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": state.join("resolv.conf"),
        "podLogsDir": state.join("logs"),
        "makeIPTablesUtilChains": false,
        "maxPods": 250,
        "nodeStatusUpdateFrequency": "2s",
        // No registry could bring an image back, and the disk is shared with builds.
        "imageGCHighThresholdPercent": 100,
        "imageMinimumGCAge": "24h",
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "eventRecordQPS": 0,
        "registryPullQPS": 0,
        "shutdownGracePeriod": "0s",
    })
}
