//! Four machines that share nothing but files, as network namespaces on a bridge; needs root and iproute2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const SETS: [&str; 4] = ["--set", "groups[0].count=4", "--set", "training.rounds=3"];
/// Two machines are named by IPv4 and two by IPv6 addresses.
const NODES: &str = "nodes:
  - {id: 0, host: 10.77.0.10, port: 8888, type: honest}
  - {id: 1, host: 'fd77::11', port: 8888}
  - {id: 2, host: 10.77.0.12, port: 8888}
  - {id: 3, host: 'fd77::13', port: 8888}
";

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect_ip();
    assert!(
        output.status.success(),
        "ip {arguments}: {}; this test needs root (CAP_NET_ADMIN) and network namespaces",
        String::from_utf8_lossy(&output.stderr)
    );
}

trait ExpectIp<T> {
    fn expect_ip(self) -> T;
}

impl<T> ExpectIp<T> for std::io::Result<T> {
    fn expect_ip(self) -> T {
        self.unwrap_or_else(|error| panic!("ip cannot be run: {error}; install iproute2"))
    }
}

/// Namespaces that go when the test ends, however it ends.
struct Machines {
    tag: String,
    folder: tempfile::TempDir,
}

impl Machines {
    fn new() -> Self {
        let machines = Self {
            // Names of links have at most 15 characters.
            tag: format!("f{}", std::process::id()),
            folder: tempfile::tempdir().unwrap(),
        };
        let tag = &machines.tag;
        ip(&format!("link add {tag} type bridge"));
        ip(&format!("link set {tag} up"));
        for i in 0..4 {
            let name = machines.name(i);
            ip(&format!("netns add {name}"));
            ip(&format!(
                "link add {name} type veth peer name eth0 netns {name}"
            ));
            ip(&format!("link set {name} master {tag} up"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} addr add 10.77.0.1{i}/24 dev eth0"));
            ip(&format!("-n {name} addr add fd77::1{i}/64 dev eth0 nodad"));
        }
        fs::write(machines.path("nodes.yaml"), NODES).unwrap();
        let made = fltorrent()
            .args(["keys", "init", "--peers", "4", "--out"])
            .arg(machines.path("keys"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        machines
    }

    fn name(&self, index: u32) -> String {
        format!("{}n{index}", self.tag)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, index: u32, more: &[&str]) -> Child {
        Command::new("ip")
            .args(["netns", "exec", &self.name(index)])
            .arg(env!("CARGO_BIN_EXE_fltorrent"))
            .args(["peer", "--index", &index.to_string(), "--bindings"])
            .arg(self.path("nodes.yaml"))
            .arg("--keys")
            .arg(self.path(&format!("keys/peer-{index}")))
            .arg("--out")
            .arg(self.path(&format!("results-{index}")))
            .args(SETS)
            .args(more)
            .arg(quickstart())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect_ip()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let links = (0..4).map(|i| vec!["netns".to_owned(), "del".to_owned(), self.name(i)]);
        let bridge = ["link", "del", self.tag.as_str()]
            .map(str::to_owned)
            .to_vec();
        for arguments in links.chain([bridge]) {
            // What was not made need not go.
            Command::new("ip").args(arguments).output().ok();
        }
    }
}

fn fltorrent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fltorrent"))
}

fn quickstart() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("examples/quickstart.yaml")
}

fn summary(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("summary.json")).unwrap()).unwrap()
}

/// Reads until a line begins so; gives it.
fn line(child: &mut Child, begin: &str) -> String {
    let reader = BufReader::new(child.stdout.as_mut().unwrap());
    let mut lines = reader.lines().map(Result::unwrap);
    lines
        .find(|line| line.starts_with(begin))
        .unwrap_or_else(|| panic!("no line begins with {begin}"))
}

#[test]
fn machines_that_share_only_files_end_with_the_model_of_one_machine() {
    let machines = Machines::new();
    let mut early: Vec<Child> = [2, 0, 1].map(|i| machines.start(i, &[])).into();
    // Peer 2 dials peer 3, which comes only after it was missed.
    let missed = line(&mut early[0], "waiting for peer 3");
    assert!(missed.contains("[fd77::13]:8888: "), "{missed}");
    early.push(machines.start(3, &[]));
    for child in early {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let alone = machines.path("alone");
    let output = fltorrent()
        .arg("run")
        .args(SETS)
        .arg("--out")
        .arg(&alone)
        .arg(quickstart())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let model = fs::read(alone.join("model.safetensors")).unwrap();
    for i in 0..4 {
        let results = machines.path(&format!("results-{i}"));
        assert_eq!(summary(&results)["modelHash"], summary(&alone)["modelHash"]);
        assert!(fs::read(results.join("model.safetensors")).unwrap() == model);
    }
}

#[test]
fn a_peer_of_another_plan_ends_the_run_with_both_hashes() {
    let machines = Machines::new();
    let children: Vec<Child> = (0..4)
        .map(|i| machines.start(i, if i == 3 { &["--set", "seed=7"] } else { &[] }))
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains("its plan's hash is"), "{errors}");
    }
}
