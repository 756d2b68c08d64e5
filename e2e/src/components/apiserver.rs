//! The API server: TLS only, no anonymous requests.

use super::{ComponentError, Context, etcd, said};
use crate::layout::{API_PORT, DOMAIN, NODE_ADDRESS, SERVICE_NETWORK};

/// Name of the program.
pub const NAME: &str = "kube-apiserver";

/// Starts it and waits until it says that it is ready.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>) -> Result<(), ComponentError> {
    let daemon = context.daemon(NAME, context.binaries.program(NAME), arguments(context));
    context.start(NAME, &daemon, || {
        let answer = context.ask(&["get", "--raw=/readyz"]);
        answer.map(drop).map_err(|error| said(&error))
    })
}

fn arguments(context: Context<'_>) -> Vec<String> {
    let issuer = format!("https://kubernetes.default.svc.{DOMAIN}");
    vec![
        // The bridge's address only: pods and this machine reach it, others do not.
        format!("--bind-address={NODE_ADDRESS}"),
        format!("--advertise-address={NODE_ADDRESS}"),
        format!("--secure-port={API_PORT}"),
        format!("--tls-cert-file={}", context.pki("apiserver.crt")),
        format!("--tls-private-key-file={}", context.pki("apiserver.key")),
        "--anonymous-auth=false".to_owned(),
        format!("--client-ca-file={}", context.pki("ca.crt")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--etcd-servers={}", etcd::url()),
        format!("--etcd-cafile={}", context.pki("etcd-ca.crt")),
        format!("--etcd-certfile={}", context.pki("etcd-client.crt")),
        format!("--etcd-keyfile={}", context.pki("etcd-client.key")),
        format!("--service-cluster-ip-range={SERVICE_NETWORK}"),
        format!("--service-account-issuer={issuer}"),
        format!("--service-account-key-file={}", context.pki("service-accounts.pub")),
        format!(
            "--service-account-signing-key-file={}",
            context.pki("service-accounts.key")
        ),
        format!("--kubelet-certificate-authority={}", context.pki("ca.crt")),
        format!(
            "--kubelet-client-certificate={}",
            context.pki("apiserver-kubelet-client.crt")
        ),
        format!("--kubelet-client-key={}", context.pki("apiserver-kubelet-client.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--profiling=false".to_owned(),
        // For tests of what other people's admission does to pods, such as a service mesh.
        "--feature-gates=MutatingAdmissionPolicy=true".to_owned(),
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true".to_owned(),
    ]
}
