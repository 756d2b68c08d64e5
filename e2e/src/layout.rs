//! Where everything of the cluster lies: folders, addresses, ports.

use std::{
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

/// Name of the first node, and of the bridge.
pub const NODE: &str = "flt-e2e";

/// A node: a kubelet and a containerd with folders, sockets and a control group of their own, on the one bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the node.
    pub name: &'static str,
    /// Name of its kubelet's process, folder and kubeconfig.
    pub kubelet: &'static str,
    /// Port of its kubelet.
    pub port: u16,
    /// Name of its containerd's process, folders and sockets.
    pub containerd: &'static str,
    /// The cgroup under which all its containers run, in every hierarchy.
    pub cgroup: &'static str,
}

/// The node that is always there.
pub const FIRST: Node = Node {
    name: NODE,
    kubelet: "kubelet",
    port: KUBELET_PORT,
    containerd: "containerd",
    cgroup: "fltorrent-e2e",
};

/// The node of tests in which a node is lost.
pub const SECOND: Node = Node {
    name: "flt-e2e-2",
    kubelet: "kubelet-2",
    port: 10251,
    containerd: "containerd-2",
    cgroup: "fltorrent-e2e-2",
};

/// All nodes that there may be.
pub const NODES: [Node; 2] = [FIRST, SECOND];

/// The bridge that pods hang on; at most 15 characters.
pub const BRIDGE: &str = NODE;

/// The bridge's own address: the nodes', the API server's and the kubelets'.
pub const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);

/// Addresses of pods, the bridge's among them.
pub const POD_NETWORK: &str = "10.244.0.0/16";

/// Addresses of Services.
pub const SERVICE_NETWORK: &str = "10.96.0.0/16";

/// Address of the Service `kubernetes`: the first of [`SERVICE_NETWORK`].
pub const API_SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Address of the Service of the cluster's DNS.
pub const DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The cluster's domain.
pub const DOMAIN: &str = "cluster.local";

/// Port of etcd for the API server.
pub const ETCD_PORT: u16 = 2379;
/// Port of etcd for other members, of which there are none.
pub const ETCD_PEER_PORT: u16 = 2380;
/// Port of the API server.
pub const API_PORT: u16 = 6443;
/// Port of the first node's kubelet.
pub const KUBELET_PORT: u16 = 10250;
/// Port of the controller manager.
pub const CONTROLLER_PORT: u16 = 10257;
/// Port of the scheduler.
pub const SCHEDULER_PORT: u16 = 10259;

/// The environment variable that names the cache folder.
pub const CACHE_VARIABLE: &str = "FLTORRENT_E2E_CACHE";

/// Why no folder for the cache is known.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum LayoutError {
    #[error(
        "no folder for what is built: neither {CACHE_VARIABLE} nor XDG_CACHE_HOME nor HOME is an absolute path; set {CACHE_VARIABLE}"
    )]
    NoCache,
}

/// The folders.
#[derive(Clone, Debug)]
pub struct Layout {
    cache: PathBuf,
}

impl Layout {
    /// The cache from the environment; the other folders are fixed, as there is one cluster a machine.
    ///
    /// # Errors
    /// When the environment names no absolute path.
    pub fn from_environment() -> Result<Self, LayoutError> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(CACHE_VARIABLE)
            .or_else(|| absolute("XDG_CACHE_HOME").map(|folder| folder.join("fltorrent-e2e")))
            .or_else(|| absolute("HOME").map(|folder| folder.join(".cache/fltorrent-e2e")))
            .map(|cache| Self { cache })
            .ok_or(LayoutError::NoCache)
    }

    /// Cache of builds, kept between clusters.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The cluster's files: they go with it.
    #[must_use]
    pub fn state(&self) -> &'static Path {
        Path::new("/var/lib/fltorrent-e2e")
    }

    /// Sockets, network namespaces and records of processes.
    #[must_use]
    pub fn run(&self) -> &'static Path {
        Path::new("/run/fltorrent-e2e")
    }

    /// The file that is locked while the cluster is made or removed.
    #[must_use]
    pub fn lock(&self) -> &'static Path {
        Path::new("/run/fltorrent-e2e.lock")
    }

    /// Certificates, keys and kubeconfigs.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki().join("admin.kubeconfig")
    }

    /// One log a process.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    /// Snapshot of the machine before the cluster.
    #[must_use]
    pub fn before(&self) -> PathBuf {
        self.state().join("before.json")
    }

    /// The socket of a node's containerd.
    #[must_use]
    pub fn containerd_socket(&self, node: Node) -> PathBuf {
        self.run().join(format!("{}.sock", node.containerd))
    }
}
