//! The end of a cluster: the machine is as it was before.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::{Pid, Signal, kill_process},
};

use crate::{
    cgroup::{self, CgroupError},
    components::NAMES,
    layout::{Layout, NODES, SECOND},
    network::{self, NetworkError},
    process::{Daemon, ProcessError},
    snapshot::{self, Snapshot, SnapshotError},
    task::{Interrupt, Interrupted, Task},
};

/// Longest time that what was killed may take to be gone.
const GONE: Duration = Duration::from_secs(30);
/// Polling interval.
const LOOK: Duration = Duration::from_millis(50);

/// What could not be taken away.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TeardownError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("{found} processes of pods live on in the control group {}", cgroup::ours().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Pods { found: usize },
    #[error("{} cannot be unmounted", path.display())]
    Mount { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Takes the cluster away, whatever is left of it. Nothing interrupts it.
///
/// # Errors
/// When something stays; a second try goes on where this one stopped.
pub fn remove(layout: &Layout) -> Result<(), TeardownError> {
    let mut task = Task::begin("removing the cluster", &Interrupt::never());
    let before: Option<Snapshot> = fs::read(layout.before())
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    // First those that would start pods again; containerd goes once nothing is in pods any more.
    let last = NODES.map(|node| node.containerd);
    let first = [SECOND.kubelet].into_iter().chain(NAMES.into_iter().rev());
    for name in first.filter(|name| !last.contains(name)) {
        Daemon::known(layout, name).kill(&mut task)?;
    }
    end_pods(layout, &mut task)?;
    for name in last {
        Daemon::known(layout, name).kill(&mut task)?;
    }
    end_shims(layout, &mut task)?;
    for folder in [layout.state(), layout.run()] {
        unmount_below(folder)?;
    }
    network::remove(&mut task)?;
    cgroup::remove()?;
    if let Some(before) = before {
        before.restore()?;
    }
    for folder in [layout.run(), layout.state()] {
        snapshot::remove(folder)?;
    }
    task.end();
    Ok(())
}

/// Kills what runs in pods, until nothing does: a container that just starts may come after the first look.
fn end_pods(layout: &Layout, task: &mut Task) -> Result<(), TeardownError> {
    let begun = task.elapsed();
    loop {
        end_shims(layout, task)?;
        let found = cgroup::kill();
        if found == 0 {
            return Ok(());
        }
        if task.elapsed().saturating_sub(begun) > GONE {
            return Err(TeardownError::Pods { found });
        }
        task.pause(LOOK)?;
    }
}

/// Kills containerd's helpers, one a pod, which outlive it.
fn end_shims(layout: &Layout, task: &mut Task) -> Result<(), TeardownError> {
    let begun = task.elapsed();
    loop {
        let living = shims(layout);
        for pid in living.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // One that has just ended is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        if living.is_empty() {
            return Ok(());
        }
        if task.elapsed().saturating_sub(begun) > GONE {
            return Err(TeardownError::Process(ProcessError::Lives {
                name: "containerd-shim",
                pid: living[0],
            }));
        }
        task.pause(LOOK)?;
    }
}

/// Processes that were told the socket of a containerd of ours.
fn shims(layout: &Layout) -> Vec<i32> {
    let sockets = NODES.map(|node| layout.containerd_socket(node).into_os_string().into_encoded_bytes());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let mut words = command.split(|byte| *byte == 0);
            let program = Path::new(str::from_utf8(words.next()?).ok()?).file_name()?;
            let shim = program.to_str()?.starts_with("containerd-shim");
            (shim && words.any(|word| sockets.iter().any(|socket| word == socket))).then_some(pid)
        })
        .collect()
}

/// Unmounts all in and under `folder`, the newest first.
fn unmount_below(folder: &Path) -> Result<(), TeardownError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    for place in places
        .map(unescaped)
        .filter(|place| place.starts_with(folder))
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        match unmount(place, UnmountFlags::DETACH) {
            // A mount under another one may have gone with it.
            Err(error) if error != rustix::io::Errno::INVAL && error != rustix::io::Errno::NOENT => {
                return Err(TeardownError::Mount {
                    path: place.clone(),
                    source: error.into(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A path as mountinfo writes it, where a blank is `\040`.
fn unescaped(path: &str) -> PathBuf {
    path.replace(r"\040", " ").into()
}
