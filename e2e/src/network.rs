//! The pods' network: a bridge with the node's address, and the CNI plugins' configuration for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    command::{self, CommandError},
    layout::{BRIDGE, Layout, NODE_ADDRESS, POD_NETWORK},
    snapshot::{self, SnapshotError},
    task::Task,
};

/// Tables of nftables that kube-proxy makes.
const PROXY_TABLES: [[&str; 2]; 2] = [["ip", "kube-proxy"], ["ip6", "kube-proxy"]];

/// Whether packets between pods on the bridge pass through kube-proxy's rules: else the answer of a Service comes from the
/// wrong address.
const BRIDGED: &str = "net/bridge/bridge-nf-call-iptables";

/// Why pods have no network.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum NetworkError {
    #[error("the bridge {BRIDGE} cannot be set up or removed")]
    Command(#[from] CommandError),
    #[error("the kernel cannot be told to forward packets")]
    Setting(#[source] SnapshotError),
    #[error("the kernel lacks br_netfilter; load it (`modprobe br_netfilter`) or use a kernel that has it")]
    Bridged,
    #[error("{} cannot be written", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Makes the bridge and the CNI plugins' configuration, unless they are there.
///
/// # Errors
/// When the kernel or the file system refuses.
pub fn ensure(layout: &Layout, task: &mut Task) -> Result<(), NetworkError> {
    if !Path::new("/sys/class/net").join(BRIDGE).exists() {
        // An address of its own, since a bridge without one takes that of its newest port, and pods would keep the old one.
        ip(
            &["link", "add", BRIDGE, "address", "0a:58:0a:f4:00:01", "type", "bridge"],
            task,
        )?;
        let (_, bits) = POD_NETWORK.split_once('/').unwrap_or_default();
        let address = format!("{NODE_ADDRESS}/{bits}");
        ip(&["address", "add", &address, "dev", BRIDGE], task)?;
        ip(&["link", "set", BRIDGE, "up"], task)?;
    }
    if !Path::new("/proc/sys").join(BRIDGED).exists() {
        command::run(Command::new("modprobe").arg("br_netfilter"), task).map_err(|_| NetworkError::Bridged)?;
    }
    for setting in ["net/ipv4/ip_forward", BRIDGED] {
        snapshot::set(setting, "1").map_err(NetworkError::Setting)?;
    }
    let folder = configuration(layout);
    let path = folder.join("10-fltorrent-e2e.conflist");
    let text = json!({
        "cniVersion": "0.4.0",
        "name": "fltorrent-e2e",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_NETWORK, "gateway": NODE_ADDRESS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": layout.state().join("cni/addresses"),
            },
        }],
    });
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, text.to_string()))
        .map_err(|source| NetworkError::File { path, source })
}

/// The folder of the CNI plugins' configuration.
#[must_use]
pub fn configuration(layout: &Layout) -> PathBuf {
    layout.state().join("cni/net.d")
}

/// Removes the bridge, the links on it, and kube-proxy's tables.
///
/// # Errors
/// When the kernel keeps one.
pub fn remove(task: &mut Task) -> Result<(), NetworkError> {
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        for link in ports() {
            // It goes with its pod's namespace, maybe at this moment.
            let _ = ip(&["link", "delete", &link], task);
        }
        ip(&["link", "delete", BRIDGE], task)?;
    }
    let tables = command::run(Command::new("nft").args(["list", "tables"]), task)?;
    for [family, name] in PROXY_TABLES {
        if tables.lines().any(|line| line == format!("table {family} {name}")) {
            command::run(Command::new("nft").args(["delete", "table", family, name]), task)?;
        }
    }
    Ok(())
}

/// Whether kube-proxy's rules stand: those of this cluster, or of another one.
///
/// # Errors
/// When nft fails.
pub fn has_rules(task: &mut Task) -> Result<bool, CommandError> {
    let tables = command::run(Command::new("nft").args(["list", "tables"]), task)?;
    let [family, name] = PROXY_TABLES[0];
    Ok(tables.lines().any(|line| line == format!("table {family} {name}")))
}

fn ports() -> Vec<String> {
    let folder = Path::new("/sys/class/net").join(BRIDGE).join("brif");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn ip(arguments: &[&str], task: &mut Task) -> Result<(), CommandError> {
    command::run(Command::new("ip").args(arguments), task).map(drop)
}
