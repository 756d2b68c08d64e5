//! kube-proxy: Services, by nftables.

use super::{ComponentError, Context, said};
use crate::{
    layout::{BRIDGE, NODE, POD_NETWORK},
    network,
    task::Task,
};

/// Name of the program.
pub const NAME: &str = "kube-proxy";

/// Starts it and waits until its rules stand.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>) -> Result<(), ComponentError> {
    let arguments = vec![
        format!("--kubeconfig={}", context.pki("proxy.kubeconfig")),
        format!("--hostname-override={NODE}"),
        "--proxy-mode=nftables".to_owned(),
        format!("--cluster-cidr={POD_NETWORK}"),
        "--detect-local-mode=BridgeInterface".to_owned(),
        format!("--pod-bridge-interface={BRIDGE}"),
        // The machine's own limits stay as they are.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-min=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
        // These know no TLS. A configuration file could not turn the first one off; nothing can the second, so it gets an
        // address that no machine has.
        "--healthz-port=0".to_owned(),
        "--metrics-bind-address=192.0.2.1:10249".to_owned(),
    ];
    let daemon = context.daemon(NAME, context.binaries.program(NAME), arguments);
    context.start(NAME, &daemon, || {
        let mut task = Task::part(context.interrupt);
        match network::has_rules(&mut task) {
            Ok(true) => Ok(()),
            Ok(false) => Err("there are no rules of nftables".to_owned()),
            Err(error) => Err(said(&error)),
        }
    })
}
