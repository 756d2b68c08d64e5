//! The scheduler.

use std::net::{SocketAddr, TcpStream};

use super::{ComponentError, Context};
use crate::layout::SCHEDULER_PORT;

/// Name of the program.
pub const NAME: &str = "kube-scheduler";

/// Starts it and waits until it listens.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>) -> Result<(), ComponentError> {
    let kubeconfig = context.pki("scheduler.kubeconfig");
    let arguments = vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={SCHEDULER_PORT}"),
        format!("--cert-dir={}", context.layout.state().join(NAME).display()),
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        // There is one only, and many pods at once must not wait for its client's limits.
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
    ];
    let address = SocketAddr::from(([127, 0, 0, 1], SCHEDULER_PORT));
    let daemon = context.daemon(NAME, context.binaries.program(NAME), arguments);
    context.start(NAME, &daemon, || {
        TcpStream::connect(address)
            .map(drop)
            .map_err(|error| format!("nothing listens at {address} ({error})"))
    })
}
