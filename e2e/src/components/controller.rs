//! The controller manager: service accounts, endpoints, garbage collection, namespaces.

use super::{ComponentError, Context, said};
use crate::layout::CONTROLLER_PORT;

/// Name of the program.
pub const NAME: &str = "kube-controller-manager";

/// Starts it and waits until pods can be made in the namespace `default`.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>) -> Result<(), ComponentError> {
    let kubeconfig = context.pki("controller-manager.kubeconfig");
    let arguments = vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={CONTROLLER_PORT}"),
        format!("--cert-dir={}", context.layout.state().join(NAME).display()),
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--use-service-account-credentials=true".to_owned(),
        format!(
            "--service-account-private-key-file={}",
            context.pki("service-accounts.key")
        ),
        format!("--root-ca-file={}", context.pki("ca.crt")),
        format!("--cluster-signing-cert-file={}", context.pki("ca.crt")),
        format!("--cluster-signing-key-file={}", context.pki("ca.key")),
        // A node that says nothing is given up sooner than after 50 s, so that tests need not wait.
        "--node-monitor-grace-period=20s".to_owned(),
        // There is one only, and many pods at once must not wait for its client's limits.
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
    ];
    let daemon = context.daemon(NAME, context.binaries.program(NAME), arguments);
    context.start(NAME, &daemon, || {
        for what in ["serviceaccount/default", "configmap/kube-root-ca.crt"] {
            let answer = context.ask(&["--namespace=default", "get", what]);
            answer.map_err(|error| said(&error))?;
        }
        Ok(())
    })
}
