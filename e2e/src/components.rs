//! The cluster's processes: what each is told, and when it is ready.

pub mod apiserver;
pub mod containerd;
pub mod controller;
pub mod etcd;
pub mod kubelet;
pub mod proxy;
pub mod scheduler;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    binaries::Binaries,
    command::{self, CommandError},
    layout::{API_PORT, CONTROLLER_PORT, ETCD_PEER_PORT, ETCD_PORT, FIRST, Layout, Node, SCHEDULER_PORT},
    process::{Daemon, ProcessError},
    task::{Interrupt, Task},
};

/// The processes in the order of their start, without those of a second node.
pub const NAMES: [&str; 7] = [
    etcd::NAME,
    apiserver::NAME,
    controller::NAME,
    scheduler::NAME,
    FIRST.containerd,
    FIRST.kubelet,
    proxy::NAME,
];

/// Ports of the processes.
const PORTS: [(u16, &str); 6] = [
    (ETCD_PORT, etcd::NAME),
    (ETCD_PEER_PORT, etcd::NAME),
    (API_PORT, apiserver::NAME),
    (FIRST.port, FIRST.kubelet),
    (CONTROLLER_PORT, controller::NAME),
    (SCHEDULER_PORT, scheduler::NAME),
];

/// Longest time that a process may take until it is ready, on a machine that does other things, too.
const READY: Duration = Duration::from_secs(180);

/// Why a process does not work.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ComponentError {
    #[error(
        "port {port}, which {name} needs, is taken; `ss -ltnp 'sport = :{port}'` shows by what: stop that and try again"
    )]
    Port { port: u16, name: &'static str },
    #[error("{} cannot be written", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Inputs of all components.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Folders.
    pub layout: &'a Layout,
    /// Programs.
    pub binaries: &'a Binaries,
    /// Signals that the start is to be given up.
    pub interrupt: &'a Interrupt,
}

impl Context<'_> {
    /// A command for the API server as the administrator.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(self.binaries.program("kubectl"));
        // What it remembers goes with the cluster.
        let cache = self.layout.state().join("kubectl");
        kubectl
            .env("KUBECONFIG", self.layout.kubeconfig())
            .env("KUBECACHEDIR", &cache);
        kubectl
    }

    /// The output of kubectl with these arguments.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, CommandError> {
        let mut task = Task::part(self.interrupt);
        command::run(self.kubectl().args(arguments), &mut task)
    }

    fn daemon(&self, name: &'static str, program: PathBuf, arguments: Vec<String>) -> Daemon {
        Daemon::new(self.layout, name, program, arguments)
    }

    /// Starts a process and waits until nothing is missing.
    fn start(
        &self,
        name: &'static str,
        daemon: &Daemon,
        ready: impl FnMut() -> Result<(), String>,
    ) -> Result<(), ComponentError> {
        let mut task = Task::begin(format!("starting {name}"), self.interrupt);
        daemon.ensure(&mut task)?;
        daemon.wait(READY, &mut task, ready)?;
        task.end();
        Ok(())
    }

    /// A file under the folder of certificates, as an argument.
    fn pki(&self, file: &str) -> String {
        self.layout.pki().join(file).display().to_string()
    }
}

/// Checks that no stranger listens where our processes want to.
///
/// # Errors
/// With the port, and who needs it.
pub fn check_ports(layout: &Layout) -> Result<(), ComponentError> {
    PORTS
        .into_iter()
        .try_for_each(|(port, name)| check_port(layout, port, name))
}

/// As [`check_ports`], for a node that is not always there.
///
/// # Errors
/// As there.
pub fn check_node(layout: &Layout, node: Node) -> Result<(), ComponentError> {
    check_port(layout, node.port, node.kubelet)
}

fn check_port(layout: &Layout, port: u16, name: &'static str) -> Result<(), ComponentError> {
    let ours = Daemon::known(layout, name).pid().is_some();
    match ours || TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], port))).is_ok() {
        true => Ok(()),
        false => Err(ComponentError::Port { port, name }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), ComponentError> {
    fs::write(path, text).map_err(|source| ComponentError::File {
        path: path.to_owned(),
        source,
    })
}

fn folder(path: &Path) -> Result<(), ComponentError> {
    fs::create_dir_all(path).map_err(|source| ComponentError::File {
        path: path.to_owned(),
        source,
    })
}

fn said(error: &CommandError) -> String {
    error.to_string()
}
