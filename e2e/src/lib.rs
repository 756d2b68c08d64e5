//! A real Kubernetes on one machine, for tests and for trying things out: etcd, the API server, controllers, scheduler,
//! containerd, kubelet, kube-proxy and CoreDNS as plain processes, without an image registry. `docs/development-cluster.md`
//! is the user's side.
//!
//! [`Cluster::up`] makes or mends it, [`Cluster::down`] takes everything away again. One cluster a machine.

pub mod binaries;
pub mod certs;
pub mod cgroup;
pub mod cluster;
pub mod command;
pub mod components;
pub mod dns;
pub mod dockerfile;
pub mod images;
pub mod layout;
pub mod network;
pub mod packages;
pub mod process;
pub mod snapshot;
pub mod task;
pub mod teardown;
pub mod volumes;

pub use cluster::Cluster;
