//! Machines as network namespaces on a switch, and peers on them. Needs root and iproute2.
//!
//! Machine i has the addresses 10.77.0.1i and fd77::1i. The switch is a namespace too, so nothing appears on the host but
//! the names of the namespaces.

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::namespaces;

const PREFIX: &str = "fltorrent-";

pub(crate) fn fltorrent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fltorrent"))
}

pub(crate) fn quickstart() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("examples/quickstart.yaml")
}

fn ip(arguments: &str) {
    ip_with(&arguments.split(' ').collect::<Vec<_>>());
}

fn ip_with(arguments: &[&str]) {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("ip cannot be run: {error}; install iproute2"));
    assert!(
        output.status.success(),
        "ip {}: {}these tests need root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and network namespaces",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Machines that go when the test ends, however it ends.
pub(crate) struct Network {
    name: String,
    machines: u32,
    folder: tempfile::TempDir,
    /// Settings of the quickstart.
    sets: Vec<String>,
    /// Variables of the environment of a machine's peer.
    environment: Vec<(u32, &'static str, PathBuf)>,
}

impl Network {
    /// As many machines as peers, with a nodes file that has their IPv4 addresses, with keys, and with the quickstart
    /// changed by `sets` and wired as a mesh.
    pub(crate) fn new(machines: u32, sets: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // What tests left behind that were killed.
        namespaces::sweep(PREFIX);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = [
            format!("groups[0].count={machines}"),
            "topology={type: mesh}".to_owned(),
        ];
        let network = Self {
            name: format!("{PREFIX}{}-{count}", std::process::id()),
            machines,
            folder: tempfile::tempdir().unwrap(),
            sets: own.into_iter().chain(sets.iter().map(ToString::to_string)).collect(),
            environment: Vec::new(),
        };
        let switch = network.switch();
        ip(&format!("netns add {switch}"));
        ip(&format!("-n {switch} link add switch type bridge"));
        ip(&format!("-n {switch} link set switch up"));
        for i in 0..machines {
            network.add(&network.machine(i));
            network.plug(
                &network.machine(i),
                "eth0",
                &[format!("10.77.0.1{i}/24"), format!("fd77::1{i}/64")],
            );
        }
        let hosts: Vec<String> = (0..machines).map(|i| format!("10.77.0.1{i}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        network.write_nodes(&hosts);
        network.make_keys("keys");
        network
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    /// A machine's namespace.
    pub(crate) fn machine(&self, index: u32) -> String {
        format!("{}-{index}", self.name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&self, namespace: &str) {
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
    }

    /// A cable from a machine to the switch.
    fn plug(&self, machine: &str, port: &str, addresses: &[String]) {
        let switch = self.switch();
        let end = &machine[self.name.len() + 1..];
        ip(&format!(
            "-n {switch} link add port-{end} type veth peer name {port} netns {machine}"
        ));
        ip(&format!("-n {switch} link set port-{end} master switch up"));
        configure(machine, port, addresses);
    }

    /// Puts a router between the switch and one machine, which has 10.78.0.2 behind it; the router's address outside is
    /// 10.77.0.1. Gives the router's namespace.
    pub(crate) fn put_behind_router(&self, index: u32) -> String {
        let (machine, router) = (self.machine(index), format!("{}-router", self.name));
        self.add(&router);
        self.plug(&router, "outside", &["10.77.0.1/24".to_owned()]);
        ip(&format!("-n {machine} link del eth0"));
        ip(&format!(
            "-n {router} link add inside type veth peer name eth0 netns {machine}"
        ));
        configure(&router, "inside", &["10.78.0.1/24".to_owned()]);
        configure(&machine, "eth0", &["10.78.0.2/24".to_owned()]);
        ip(&format!("-n {machine} route add default via 10.78.0.1"));
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        ip_with(&["netns", "exec", &router, "sh", "-c", forward]);
        self.nft(
            &router,
            "add table ip nat
             add chain ip nat out { type nat hook postrouting priority srcnat; }
             add chain ip nat in { type nat hook prerouting priority dstnat; }
             add rule ip nat out oifname outside masquerade",
        );
        router
    }

    /// Loads rules of nftables on a machine.
    pub(crate) fn nft(&self, machine: &str, rules: &str) {
        let path = self.path("rules.nft");
        fs::write(&path, rules).unwrap();
        ip(&format!("netns exec {machine} nft -f {}", path.display()));
    }

    /// Replaces the rules for incoming and outgoing packets of a machine.
    pub(crate) fn filter(&self, machine: &str, hook: &str, rule: &str) {
        self.nft(
            machine,
            &format!(
                "add table inet filter
                 delete table inet filter
                 add table inet filter
                 add chain inet filter {hook} {{ type filter hook {hook} priority filter; }}
                 add rule inet filter {hook} {rule}"
            ),
        );
    }

    /// Lets everything through again.
    pub(crate) fn unfilter(&self, machine: &str) {
        self.nft(machine, "delete table inet filter");
    }

    pub(crate) fn set_link(&self, index: u32, what: &str) {
        ip(&format!("-n {} link set eth0 {what}", self.machine(index)));
    }

    /// Gives a machine another IPv4 address; the processes on it stay.
    pub(crate) fn move_to(&self, index: u32, from: &str, to: &str) {
        let machine = self.machine(index);
        ip(&format!("-n {machine} addr del {from}/24 dev eth0"));
        ip(&format!("-n {machine} addr add {to}/24 dev eth0"));
    }

    /// The peer of a machine gets a variable when it is started.
    pub(crate) fn set_variable(&mut self, index: u32, name: &'static str, value: PathBuf) {
        self.environment.push((index, name, value));
    }

    /// The file `/etc/hosts` of a machine; the same file is changed when it is there.
    pub(crate) fn write_hosts(&self, index: u32, text: &str) {
        let folder = Path::new(namespaces::ETC).join(self.machine(index));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("hosts"), text).unwrap();
    }

    /// The nodes file of all machines: where each is, port 8888.
    pub(crate) fn write_nodes(&self, hosts: &[&str]) {
        let nodes: Vec<String> = (hosts.iter().enumerate())
            .map(|(i, host)| format!("  - {{id: {i}, host: '{host}', port: 8888, type: honest}}\n"))
            .collect();
        fs::write(self.path("nodes.yaml"), format!("nodes:\n{}", nodes.concat())).unwrap();
    }

    pub(crate) fn make_keys(&self, name: &str) {
        let made = fltorrent()
            .args(["keys", "init", "--out"])
            .arg(self.path(name))
            .args(["--peers", &self.machines.to_string()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// Settings as arguments.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().flat_map(|set| ["--set", set])
    }

    pub(crate) fn start(&self, index: u32, more: &[&str]) -> Peer {
        self.start_at(index, index, more)
    }

    /// Starts a peer on any machine. What `more` says of keys, results and time to wait goes before what is usual.
    pub(crate) fn start_at(&self, machine: u32, index: u32, more: &[&str]) -> Peer {
        let sets: Vec<&str> = self.sets().collect();
        let mut command = self.command(machine, index, &[&sets, more].concat());
        Peer::start(command.arg(quickstart()))
    }

    pub(crate) fn start_without_manifest(&self, index: u32, more: &[&str]) -> Peer {
        Peer::start(&mut self.command(index, index, more))
    }

    fn command(&self, machine: u32, index: u32, more: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.machine(machine)])
            .envs(
                self.environment
                    .iter()
                    .filter(|it| it.0 == index)
                    .map(|(_, name, value)| (name, value)),
            )
            .arg(env!("CARGO_BIN_EXE_fltorrent"))
            .args(["peer", "--index", &index.to_string(), "--bindings"])
            .arg(self.path("nodes.yaml"))
            .args(more);
        for (option, usual) in [
            ("--keys", self.path(&format!("keys/peer-{index}"))),
            ("--out", self.results(index)),
            ("--wait", "2m".into()),
        ] {
            if !more.contains(&option) {
                command.arg(option).arg(usual);
            }
        }
        command
    }

    /// The results folder of a peer.
    pub(crate) fn results(&self, index: u32) -> PathBuf {
        self.path(&format!("results-{index}"))
    }
}

fn configure(machine: &str, port: &str, addresses: &[String]) {
    for address in addresses {
        // Detecting duplicate IPv6 addresses takes a second in which they cannot be used; there are none.
        let nodad = if address.contains(':') { " nodad" } else { "" };
        ip(&format!("-n {machine} addr add {address} dev {port}{nodad}"));
    }
    ip(&format!("-n {machine} link set {port} up"));
}

impl Drop for Network {
    fn drop(&mut self) {
        namespaces::remove(&format!("{}-", self.name));
    }
}

/// A peer that is killed when the test ends before it.
pub(crate) struct Peer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

/// How a peer ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads until a line contains the text.
    pub(crate) fn until(&mut self, text: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        panic!("no line contains “{text}”:\n{}\n{errors}", self.seen.join("\n"));
    }

    pub(crate) fn is_there(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        !stat.rsplit(") ").next().unwrap().starts_with('Z')
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }

    /// Runs a shell's script among its mounts, which nobody else sees.
    pub(crate) fn change_mounts(&self, script: &str) {
        let output = Command::new("nsenter")
            .args(["--target", &self.child.id().to_string(), "--mount", "sh", "-ec", script])
            .output()
            .unwrap_or_else(|error| panic!("nsenter cannot be run: {error}; install util-linux"));
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn interrupt(&self) {
        kill_process(self.pid(), Signal::INT).unwrap();
    }

    pub(crate) fn end(mut self) -> Ended {
        let rest: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        self.seen.extend(rest);
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        Ended {
            code: self.child.wait().unwrap().code(),
            output: self.seen.join("\n"),
            errors,
        }
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn succeed(self) {
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.output, ended.errors);
    }

    /// Waits for its end, which must have this code and name this cause.
    pub(crate) fn fail(self, code: i32, cause: &str) {
        let ended = self.end();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.errors.contains(cause), "“{cause}” is not in: {}", ended.errors);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as well.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
