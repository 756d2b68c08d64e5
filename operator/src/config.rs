//! What the operator is told when it starts. The chart sets all of it; the defaults are the chart's.

use std::{fmt, net::SocketAddr, str::FromStr};

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
    /// User and group of peers, and the group that their volumes are handed to, where an experiment has no securityContext: a number, or
    /// `platform` where the platform chooses, as OpenShift does.
    #[arg(long, env = "FLTORRENT_PEER_USER", default_value_t)]
    pub peer_user: PeerUser,
    /// The DNS domain of the cluster.
    #[arg(long, env = "FLTORRENT_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The operator's Service, by which peers reach it.
    #[arg(long, env = "FLTORRENT_SERVICE", default_value = "fltorrent-operator")]
    pub service: String,
    /// Where peers get certificates and report. `[::]` is every address, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
    #[arg(long, env = "FLTORRENT_LISTEN", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Where `/metrics` is, and `/healthz` and `/readyz` for whoever else asks.
    #[arg(long, env = "FLTORRENT_HEALTH_LISTEN", default_value = "[::]:8080")]
    pub health_listen: SocketAddr,
    /// Where the kubelet finds `/healthz` and `/readyz`, and nobody anything else.
    #[arg(long, env = "FLTORRENT_PROBES_LISTEN", default_value = "[::]:8081")]
    pub probes_listen: SocketAddr,
    /// Lead without an election: for one replica that is run by hand.
    #[arg(long)]
    pub no_election: bool,
    /// The format of log lines.
    #[arg(long, env = "FLTORRENT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// User of peers, unless an experiment sets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerUser {
    /// This one, which is the group of the process and of its volumes, too.
    Fixed(u32),
    /// Chosen by the platform.
    Platform,
}

/// The user of the images.
impl Default for PeerUser {
    fn default() -> Self {
        Self::Fixed(65532)
    }
}

/// A text that names no user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no user; write a number from 1 to 2147483647, or `platform`")]
pub struct PeerUserError(String);

impl FromStr for PeerUser {
    type Err = PeerUserError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<u32>() {
            // 0 is root, and Kubernetes takes no number above this one.
            Ok(user) if (1..=i32::MAX.cast_unsigned()).contains(&user) => Ok(Self::Fixed(user)),
            _ if text == "platform" => Ok(Self::Platform),
            _ => Err(PeerUserError(text.to_owned())),
        }
    }
}

impl fmt::Display for PeerUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(user) => user.fmt(f),
            Self::Platform => f.write_str("platform"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_peers_is_a_number_or_the_platforms() {
        for text in ["1", "65532", "2147483647", "platform"] {
            let user: PeerUser = text.parse().unwrap();
            assert_eq!(user.to_string(), text);
        }
        for text in ["", "0", "-1", "root", "2147483648", "Platform"] {
            let error = text.parse::<PeerUser>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}`")), "{error}");
        }
        assert_eq!(PeerUser::default().to_string(), "65532");
    }
}
