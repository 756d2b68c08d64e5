//! The whole: made, mended, found, taken away.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::geteuid;

use crate::{
    binaries::{Binaries, BinariesError},
    certs::{self, CertsError},
    cgroup::{self, CgroupError},
    command::CommandError,
    components::{
        self, ComponentError, Context, NAMES, apiserver, containerd, controller, etcd, kubelet, proxy, scheduler,
    },
    dns::{self, DnsError},
    images::{self, ImageError},
    layout::{FIRST, Layout, Node, SECOND},
    network::{self, NetworkError},
    packages::{self, PackagesError},
    process::Daemon,
    snapshot::{Snapshot, SnapshotError},
    task::{Interrupt, Interrupted, Task},
    teardown::{self, TeardownError},
    volumes::{self, VolumesError},
};

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ClusterError {
    #[error("a cluster needs root: it mounts, makes links and control groups; run it as root, or with sudo -E")]
    NotRoot,
    #[error(
        "there are rules of another kube-proxy (`nft list table ip kube-proxy`); stop that cluster first, or delete its table"
    )]
    Foreign,
    #[error("{} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Packages(#[from] PackagesError),
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Certs(#[from] CertsError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Dns(#[from] DnsError),
    #[error(transparent)]
    Volumes(#[from] VolumesError),
    #[error(transparent)]
    Teardown(#[from] TeardownError),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ClusterError {
    /// True if Ctrl-C was the reason.
    fn interrupted(&self, interrupt: &Interrupt) -> bool {
        matches!(self, Self::Interrupted(_)) || interrupt.check().is_err()
    }
}

/// A cluster that runs.
#[derive(Clone, Debug)]
pub struct Cluster {
    layout: Layout,
    binaries: Binaries,
    interrupt: Interrupt,
}

impl Cluster {
    /// Makes a cluster, or mends the one that is there: what runs goes on, what died starts again. At Ctrl-C a cluster that
    /// was not there before is taken away. After another failure what there is stays, to be looked at.
    ///
    /// # Errors
    /// With what to do next, when something is missing or does not start.
    pub fn up(layout: Layout, interrupt: Interrupt) -> Result<Self, ClusterError> {
        if !geteuid().is_root() {
            return Err(ClusterError::NotRoot);
        }
        packages::ensure(&interrupt)?;
        let binaries = Binaries::ensure(&layout, &interrupt)?;
        let cluster = Self {
            layout,
            binaries,
            interrupt,
        };
        let lock = lock(&cluster.layout, &cluster.interrupt)?;
        let fresh = !cluster.layout.before().is_file();
        let result = cluster.make(fresh);
        match result {
            Err(error) if fresh && (error.interrupted(&cluster.interrupt) || !cluster.layout.before().is_file()) => {
                take_away(&cluster.layout)?;
                drop(lock);
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(cluster),
        }
    }

    /// Takes the cluster away, whatever is left of it.
    ///
    /// # Errors
    /// When something stays.
    pub fn down(layout: &Layout) -> Result<(), ClusterError> {
        if !geteuid().is_root() {
            return Err(ClusterError::NotRoot);
        }
        let lock = lock(layout, &Interrupt::never())?;
        take_away(layout)?;
        drop(lock);
        Ok(())
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig()
    }

    /// A folder with kubectl and helm.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.binaries.for_people()
    }

    /// kubectl as the administrator.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        self.context().kubectl()
    }

    /// helm as the administrator.
    #[must_use]
    pub fn helm(&self) -> Command {
        let mut helm = Command::new(self.binaries.program("helm"));
        helm.env("KUBECONFIG", self.kubeconfig());
        helm
    }

    /// Gives containerd the images of an OCI or Docker archive, under the names that it says; pods take them with the pull
    /// policies `Never` and `IfNotPresent`.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, archive: &Path) -> Result<(), ImageError> {
        images::import(self.context(), FIRST, archive)
    }

    /// Starts the second node, or what of it does not run. It has the images of tests, and goes with the cluster.
    ///
    /// # Errors
    /// When something does not start.
    pub fn second(&self) -> Result<(), ClusterError> {
        let lock = lock(&self.layout, &self.interrupt)?;
        components::check_node(&self.layout, SECOND)?;
        self.node(SECOND)?;
        drop(lock);
        Ok(())
    }

    fn context(&self) -> Context<'_> {
        Context {
            layout: &self.layout,
            binaries: &self.binaries,
            interrupt: &self.interrupt,
        }
    }

    fn make(&self, fresh: bool) -> Result<(), ClusterError> {
        let layout = &self.layout;
        let mut task = Task::begin("preparing the machine", &self.interrupt);
        components::check_ports(layout)?;
        if fresh {
            if network::has_rules(&mut task)? {
                return Err(ClusterError::Foreign);
            }
            let before = Snapshot::take(&mut task)?;
            let text = serde_json::to_vec(&before).map_err(io::Error::from);
            folder(layout.state())?;
            let path = layout.before();
            usable(&path, text.and_then(|text| fs::write(&path, text)))?;
        }
        for path in [layout.run().to_owned(), layout.logs()] {
            folder(&path)?;
        }
        certs::ensure(layout)?;
        network::ensure(layout, &mut task)?;
        task.end();

        let context = self.context();
        etcd::start(context)?;
        apiserver::start(context)?;
        controller::start(context)?;
        scheduler::start(context)?;
        volumes::ensure(context)?;
        self.node(FIRST)?;
        proxy::start(context)?;
        dns::ensure(context)?;
        Ok(())
    }

    fn node(&self, node: Node) -> Result<(), ClusterError> {
        let context = self.context();
        cgroup::ensure(node)?;
        containerd::start(context, node)?;
        images::ensure(context, node)?;
        kubelet::start(context, node)?;
        Ok(())
    }
}

/// Whether there is a cluster, or what is left of one; and its processes, each with its id while it runs.
#[must_use]
pub fn status(layout: &Layout) -> (bool, Vec<(&'static str, Option<i32>)>) {
    let processes = NAMES.map(|name| (name, Daemon::known(layout, name).pid()));
    (layout.before().is_file(), processes.to_vec())
}

fn take_away(layout: &Layout) -> Result<(), ClusterError> {
    teardown::remove(layout)?;
    let path = layout.lock();
    usable(path, fs::remove_file(path))
}

/// Waits for whoever makes or removes the cluster at the moment.
fn lock(layout: &Layout, interrupt: &Interrupt) -> Result<File, ClusterError> {
    let path = layout.lock();
    let mut task = Task::begin("waiting for another run of e2e", interrupt);
    loop {
        let file = usable(path, File::options().create(true).append(true).open(path))?;
        while let Err(error) = file.try_lock() {
            match error {
                fs::TryLockError::WouldBlock => task.pause(Duration::from_millis(100))?,
                fs::TryLockError::Error(source) => {
                    return usable(path, Err(source));
                }
            }
        }
        // The one who had it may have removed the file.
        let held = usable(path, file.metadata())?.ino();
        if fs::metadata(path).is_ok_and(|there| there.ino() == held) {
            return Ok(file);
        }
    }
}

fn folder(path: &Path) -> Result<(), ClusterError> {
    usable(path, fs::create_dir_all(path))
}

fn usable<T>(path: &Path, result: io::Result<T>) -> Result<T, ClusterError> {
    result.map_err(|source| ClusterError::File {
        path: path.to_owned(),
        source,
    })
}
