//! etcd: one member, for one client.

use std::net::{SocketAddr, TcpStream};

use super::{ComponentError, Context};
use crate::layout::{ETCD_PEER_PORT, ETCD_PORT, Layout};

/// Name of the program.
pub const NAME: &str = "etcd";

/// Starts it and waits until it listens.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>) -> Result<(), ComponentError> {
    let address = SocketAddr::from(([127, 0, 0, 1], ETCD_PORT));
    let daemon = context.daemon(NAME, context.binaries.program(NAME), arguments(context));
    context.start(NAME, &daemon, || {
        TcpStream::connect(address)
            .map(drop)
            .map_err(|error| format!("nothing listens at {address} ({error})"))
    })
}

/// URL for the API server.
#[must_use]
pub fn url() -> String {
    format!("https://127.0.0.1:{ETCD_PORT}")
}

fn arguments(context: Context<'_>) -> Vec<String> {
    let (client, peer) = (url(), format!("https://127.0.0.1:{ETCD_PEER_PORT}"));
    let (certificate, key, authority) = (
        context.pki("etcd.crt"),
        context.pki("etcd.key"),
        context.pki("etcd-ca.crt"),
    );
    vec![
        format!("--name={NAME}"),
        format!("--data-dir={}", data(context.layout)),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster={NAME}={peer}"),
        format!("--cert-file={certificate}"),
        format!("--key-file={key}"),
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={authority}"),
        format!("--peer-cert-file={certificate}"),
        format!("--peer-key-file={key}"),
        "--peer-client-cert-auth".to_owned(),
        format!("--peer-trusted-ca-file={authority}"),
        // The data goes with the cluster: a disk that is slow to sync must not slow tests.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn data(layout: &Layout) -> String {
    layout.state().join("etcd").display().to_string()
}
