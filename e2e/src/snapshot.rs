//! What a machine is like, as far as a cluster changes it: to put it back, and to tell whether it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use crate::{
    cgroup,
    command::{self, CommandError},
    task::Task,
};

/// Kernel settings that the kubelet, kube-proxy, the bridge or `up` itself change.
const SETTINGS: [&str; 11] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// Folders outside the cluster's own that kubelet, containerd and the CNI plugins make, whatever they are told.
const FOLDERS: [&str; 9] = [
    "/etc/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/runc",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
];

/// Programs whose processes belong to a cluster.
const PROGRAMS: [&str; 12] = [
    "containerd",
    "containerd-shim-",
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "pause",
    "probe",
    "runc",
];

/// Why a machine cannot be looked at or put back.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum SnapshotError {
    #[error("the network cannot be looked at")]
    Command(#[from] CommandError),
    #[error("{} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// A machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Mount points.
    mounts: BTreeSet<String>,
    /// Network links, their addresses, and routes.
    network: BTreeSet<String>,
    /// Tables of nftables, those of iptables among them, with their chains.
    tables: BTreeSet<String>,
    /// Processes of programs that a cluster consists of, by name and id.
    processes: BTreeSet<String>,
    /// Control groups of clusters.
    groups: BTreeSet<String>,
    /// Folders of [`FOLDERS`] that are there.
    folders: BTreeSet<String>,
    /// Kernel settings and their values.
    settings: BTreeMap<String, String>,
}

impl Snapshot {
    /// Looks at the machine.
    ///
    /// # Errors
    /// When a program or file that shows it fails.
    pub fn take(task: &mut Task) -> Result<Self, SnapshotError> {
        let mounts = read("/proc/self/mountinfo")?;
        let mounts = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .map(str::to_owned);
        let mut network = BTreeSet::new();
        for arguments in [&["-br", "link"][..], &["-br", "address"], &["route"], &["rule"]] {
            let text = command::run(Command::new("ip").args(arguments), task)?;
            let lines = text.lines().map(|line| {
                // A link's addresses of its own choice say nothing.
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                format!("{} {}", arguments.join(" "), words.join(" "))
            });
            network.extend(lines);
        }
        let tables = command::run(Command::new("nft").args(["list", "chains"]), task)?;
        Ok(Self {
            mounts: mounts.collect(),
            network,
            tables: chains(&tables),
            processes: processes(),
            groups: cgroup::ours()
                .into_iter()
                .map(|path| path.display().to_string())
                .collect(),
            folders: FOLDERS
                .into_iter()
                .filter(|folder| Path::new(folder).exists())
                .map(str::to_owned)
                .collect(),
            settings: settings(),
        })
    }

    /// The differences between two snapshots, one per line.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let sets = [
            ("mount", &self.mounts, &now.mounts),
            ("network", &self.network, &now.network),
            ("nftables", &self.tables, &now.tables),
            ("process", &self.processes, &now.processes),
            ("cgroup", &self.groups, &now.groups),
            ("folder", &self.folders, &now.folders),
        ];
        let mut changes = Vec::new();
        for (kind, before, after) in sets {
            let new = after.difference(before).map(|item| format!("{kind}: {item} is new"));
            let gone = before.difference(after).map(|item| format!("{kind}: {item} is gone"));
            changes.extend(new.chain(gone));
        }
        for (name, before) in &self.settings {
            let after = now.settings.get(name).map_or("gone", String::as_str);
            if before != after {
                changes.push(format!("setting: {name} was {before} and is {after}"));
            }
        }
        changes
    }

    /// Puts kernel settings back, and removes the folders that were not there.
    ///
    /// # Errors
    /// When the kernel refuses a value, or a folder cannot be removed.
    pub fn restore(&self) -> Result<(), SnapshotError> {
        let now = settings();
        for (name, value) in &self.settings {
            if now.get(name).is_some_and(|now| now != value) {
                set(name, value)?;
            }
        }
        for folder in FOLDERS.iter().filter(|name| !self.folders.contains(**name)) {
            remove(Path::new(folder))?;
        }
        Ok(())
    }
}

/// Sets a kernel setting; its name is as in `/proc/sys`.
///
/// # Errors
/// When the kernel has no such setting or refuses the value.
pub fn set(name: &str, value: &str) -> Result<(), SnapshotError> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value).map_err(|source| SnapshotError::File { path, source })
}

/// Removes a folder with all that is in it; that it is not there is as well.
///
/// # Errors
/// When it stays.
pub fn remove(folder: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SnapshotError::File {
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn read(path: &str) -> Result<String, SnapshotError> {
    fs::read_to_string(path).map_err(|source| SnapshotError::File {
        path: path.into(),
        source,
    })
}

/// Each chain with its table, from `nft list chains`.
fn chains(text: &str) -> BTreeSet<String> {
    let mut table = "";
    let mut found = BTreeSet::new();
    for line in text.lines().map(|line| line.trim().trim_end_matches(" {")) {
        if line.starts_with("table ") {
            table = line;
            found.insert(line.to_owned());
        } else if line.starts_with("chain ") {
            found.insert(format!("{table} {line}"));
        }
    }
    found
}

fn processes() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    // What ends while it is looked at is no longer there.
    let named = entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        // One that has ended has none, though its parent may still have to wait for it.
        if fs::read(entry.path().join("cmdline")).ok()?.is_empty() {
            return None;
        }
        let name = name.trim();
        // The kernel keeps 15 characters of a name.
        PROGRAMS
            .iter()
            .any(|program| {
                name == &program[..program.len().min(15)] || (program.ends_with('-') && name.starts_with(program))
            })
            .then(|| format!("{name} {pid}"))
    });
    named.collect()
}

fn settings() -> BTreeMap<String, String> {
    let read = |name: &str| fs::read_to_string(Path::new("/proc/sys").join(name));
    SETTINGS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), read(name).ok()?.trim().to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_told_with_their_tables() {
        let text = "table ip nat {\n\tchain a {\n\t\ttype nat hook output priority -100; policy accept;\n\t}\n\tchain b {\n\t}\n}\ntable inet x {\n}\n";
        let expected = [
            "table inet x",
            "table ip nat",
            "table ip nat chain a",
            "table ip nat chain b",
        ];
        assert_eq!(chains(text), expected.map(str::to_owned).into());
    }

    #[test]
    fn every_change_is_a_line() {
        let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let before = Snapshot {
            mounts: set(&["/", "/a"]),
            settings: [("vm/x".to_owned(), "0".to_owned())].into(),
            ..Snapshot::default()
        };
        let now = Snapshot {
            mounts: set(&["/", "/b"]),
            settings: [("vm/x".to_owned(), "1".to_owned())].into(),
            ..Snapshot::default()
        };
        assert_eq!(
            before.changes(&now),
            ["mount: /b is new", "mount: /a is gone", "setting: vm/x was 0 and is 1"]
        );
        assert!(before.changes(&before).is_empty());
    }
}
