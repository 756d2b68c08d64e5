//! containerd, apart from one that the machine may have for other things.

use std::{path::PathBuf, process::Command};

use super::{ComponentError, Context, folder, said, write};
use crate::{command, layout::Node, network, packages, task::Task};

/// Name of the program.
pub const NAME: &str = "containerd";

/// The image that holds a pod's namespaces.
pub const PAUSE: &str = "fltorrent.io/e2e/pause:v0";

/// Starts it and waits until it answers.
///
/// # Errors
/// When it does not get ready.
pub fn start(context: Context<'_>, node: Node) -> Result<(), ComponentError> {
    let state = context.layout.state().join(node.containerd);
    folder(&state)?;
    let file = state.join("config.toml");
    write(&file, &configuration(context, node))?;
    let program = packages::program(NAME).unwrap_or_else(|| PathBuf::from(NAME));
    let arguments = vec![format!("--config={}", file.display())];
    let daemon = context.daemon(node.containerd, program, arguments);
    context.start(node.containerd, &daemon, || {
        let mut task = Task::part(context.interrupt);
        // The part that the kubelet talks to is the last to be there.
        let plugins = command::run(ctr(context, node).args(["plugins", "list"]), &mut task);
        let plugins = plugins.map_err(|error| said(&error))?;
        let ready = |line: &str| line.contains("io.containerd.grpc.v1") && line.contains(" cri ");
        match plugins.lines().find(|line| ready(line)) {
            Some(line) if line.trim_end().ends_with("ok") => Ok(()),
            Some(line) => Err(format!("its plugin for the kubelet says {line}")),
            None => Err("it has no plugin for the kubelet".to_owned()),
        }
    })
}

/// A command of containerd's own client for a node, in the namespace that the kubelet uses.
#[must_use]
pub fn ctr(context: Context<'_>, node: Node) -> Command {
    let mut ctr = Command::new(packages::program("ctr").unwrap_or_else(|| PathBuf::from("ctr")));
    ctr.arg("--address")
        .arg(context.layout.containerd_socket(node))
        .arg("--namespace=k8s.io");
    ctr
}

fn configuration(context: Context<'_>, node: Node) -> String {
    let layout = context.layout;
    let state = layout.state().join(node.containerd);
    let plugins = packages::plugins().unwrap_or_else(|| "/opt/cni/bin".as_ref());
    format!(
        r#"version = 2
root = {root:?}
state = {state:?}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing"]

[grpc]
address = {socket:?}

[ttrpc]
address = {ttrpc:?}

[plugins."io.containerd.internal.v1.opt"]
path = {opt:?}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {PAUSE:?}
# Without CAP_SYS_RESOURCE the kernel refuses a better score than one's own, and runc dies of it.
restrict_oom_score_adj = true
# Namespaces under our own folder: they go with the cluster.
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {plugins:?}
conf_dir = {network:?}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"#,
        root = state.join("root"),
        state = layout.run().join(node.containerd),
        socket = layout.containerd_socket(node),
        ttrpc = layout.run().join(format!("{}.ttrpc", node.containerd)),
        opt = state.join("opt"),
        network = network::configuration(layout),
    )
}
