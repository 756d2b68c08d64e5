//! What the operator is told when it starts. The chart sets all of it; the defaults are the chart's.

use std::net::SocketAddr;

use clap::Args;

use crate::telemetry::LogFormat;

/// Settings of a running operator.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// The namespace that the operator is in: for its Lease, its secret and its Service.
    #[arg(long, env = "POD_NAMESPACE", default_value = "fltorrent-system")]
    pub namespace: String,
    /// A name that no other replica has; without it one is drawn.
    #[arg(long, env = "POD_NAME")]
    pub replica: Option<String>,
    /// Look at experiments of this namespace only; without it, of all.
    #[arg(long, env = "FLTORRENT_WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,
    /// The image of peers that compute on the CPU.
    #[arg(long, env = "FLTORRENT_PEER_IMAGE", default_value = concat!("fltorrent-peer:", env!("CARGO_PKG_VERSION")))]
    pub peer_image: String,
    /// The image of peers that compute with CUDA.
    #[arg(long, env = "FLTORRENT_PEER_CUDA_IMAGE", default_value = concat!("fltorrent-peer-cuda:", env!("CARGO_PKG_VERSION")))]
    pub peer_cuda_image: String,
    /// The domain of the cluster's names.
    #[arg(
        long,
        env = "FLTORRENT_CLUSTER_DOMAIN",
        default_value = "cluster.local"
    )]
    pub cluster_domain: String,
    /// The operator's Service, by which peers reach it.
    #[arg(long, env = "FLTORRENT_SERVICE", default_value = "fltorrent-operator")]
    pub service: String,
    /// Where peers get certificates and report.
    #[arg(long, env = "FLTORRENT_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    #[arg(long, env = "FLTORRENT_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    pub health_listen: SocketAddr,
    /// Lead without an election: for one replica that is run by hand.
    #[arg(long)]
    pub no_election: bool,
    /// How log lines are written.
    #[arg(long, env = "FLTORRENT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}
