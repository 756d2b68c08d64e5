//! The control groups under which all containers run, one a node: whatever is in them at the end is the cluster's.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::layout::{NODES, Node};

/// Settings that a new group of the hierarchy `cpuset` must have before a process can be in it.
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Why control groups cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum CgroupError {
    #[error("no control groups are mounted; mount cgroup2 at /sys/fs/cgroup")]
    None,
    #[error("the control group {} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Makes the group of a node in every hierarchy, unless it is there.
///
/// # Errors
/// When there is no hierarchy or the kernel refuses.
pub fn ensure(node: Node) -> Result<(), CgroupError> {
    let roots = hierarchies();
    if roots.is_empty() {
        return Err(CgroupError::None);
    }
    for root in roots {
        let group = root.join(node.cgroup);
        if group.is_dir() {
            continue;
        }
        usable(&group, fs::create_dir(&group))?;
        for name in CPUSET {
            let (from, to) = (root.join(name), group.join(name));
            if from.is_file() && to.is_file() {
                let value = usable(&from, fs::read_to_string(&from))?;
                usable(&to, fs::write(&to, value.trim()))?;
            }
        }
    }
    Ok(())
}

/// The groups in all hierarchies where they are.
#[must_use]
pub fn ours() -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .flat_map(|root| NODES.map(|node| root.join(node.cgroup)))
        .filter(|group| group.is_dir())
        .collect()
}

/// Kills every process in the groups and under them, and says how many there were.
#[must_use]
pub fn kill() -> usize {
    let mut found = 0;
    for group in ours().iter().flat_map(|group| below(group)) {
        let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            found += 1;
            if let Some(pid) = Pid::from_raw(pid) {
                // One that has just ended is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
    found
}

/// Removes the groups from every hierarchy. No process may be in them.
///
/// # Errors
/// When the kernel keeps one.
pub fn remove() -> Result<(), CgroupError> {
    for group in ours().iter().flat_map(|group| below(group)) {
        match fs::remove_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return usable(&group, Err(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A group and all under it, the innermost first.
fn below(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .flat_map(|entry| below(&entry.path()))
        .collect();
    found.push(group.to_owned());
    found
}

fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut roots: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut words = mount.split(' ').skip(3);
            let whole = words.next() == Some("/");
            let place = words.next()?;
            (whole && kind.starts_with("cgroup")).then(|| place.into())
        })
        .collect();
    roots.sort();
    roots.dedup();
    roots
}

fn usable<T>(path: &Path, result: io::Result<T>) -> Result<T, CgroupError> {
    result.map_err(|source| CgroupError::File {
        path: path.to_owned(),
        source,
    })
}
