//! What keeps a peer or keys from being: said at once, with the file or field and what to do next.

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use fltorrent_cli::keys::{self, KeyOptions};
use tempfile::TempDir;

use crate::network::{fltorrent, quickstart};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NODES: &str = "nodes: [{id: 0, host: 127.0.0.1, port: 8888}, {id: 1, host: 127.0.0.2, port: 8888}]";
const TWO: [&str; 2] = ["--set", "groups=[{name: peers, count: 2}]"];

/// A folder with keys, made some time ago, and a nodes file for two peers.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self::with_keys_of(SystemTime::now())
    }

    fn with_keys_of(time: SystemTime) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let wanted = KeyOptions {
            peers: 2,
            attempts: 2,
            days: 3,
        };
        keys::init(&place.path("keys"), wanted, time).unwrap();
        place.write("nodes.yaml", NODES);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Peer 1 of two, in this folder.
    fn peer(&self, more: &[&str]) -> Command {
        let mut command = fltorrent();
        command
            .current_dir(self.0.path())
            .args(["peer", "--bindings", "nodes.yaml"])
            .args(TWO)
            .args(more);
        if !more.contains(&"--index") {
            command.args(["--index", "1"]);
        }
        command
    }

    fn refuses(&self, more: &[&str], code: i32, message: &str) {
        let output = self.peer(more).arg(quickstart()).output().unwrap();
        assert_refused(&output, code, message);
    }
}

fn assert_refused(output: &Output, code: i32, message: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(message), "“{message}” is not in: {errors}");
    assert!(errors.starts_with("error: "), "{errors}");
}

#[test]
fn command_lines_and_nodes_files_that_do_not_fit() {
    let place = Place::new();
    place.write(
        "three.yaml",
        &NODES.replace("nodes: [", "nodes: [{id: 2, host: node2, port: 8888}, "),
    );
    place.write("training.yaml", &format!("{NODES}\ntraining: {{rounds: 7}}\n"));
    place.write("byzantine.json", &NODES.replace("8888}]", "8888, type: byzantine}]"));
    place.write(
        "attempt.yaml",
        "attempt: 1\npeers: [{index: 0, address: 'a:1'}, {index: 1, address: 'b:1'}]",
    );
    place.write(
        "authority.yaml",
        "authority: other\npeers: [{index: 0, address: 'a:1'}, {index: 1, address: 'b:1'}]",
    );
    place.write("long.yaml", &" ".repeat(2 << 20));
    for (more, code, message) in [
        (
            ["--bindings", "three.yaml"].as_slice(),
            2,
            "three.yaml: the file has 3 peers, the manifest has 2; give every peer of the manifest one entry",
        ),
        (
            &["--bindings", "training.yaml"],
            2,
            "training.yaml: training.rounds: 7 here, but the manifest's training.rounds is 10",
        ),
        (
            &["--bindings", "byzantine.json"],
            2,
            "byzantine.json: nodes[1].type: `byzantine` is not supported yet",
        ),
        (
            &["--bindings", "none.yaml"],
            2,
            "none.yaml: cannot be read; name the nodes file",
        ),
        (&["--bindings", "long.yaml"], 2, "long.yaml: the text has 1048577 bytes"),
        (
            &["--bindings", "attempt.yaml", "--attempt", "0"],
            2,
            "--attempt is 0, but attempt in attempt.yaml is 1",
        ),
        (
            &["--bindings", "authority.yaml"],
            2,
            "authority in authority.yaml is not the one of keys",
        ),
        (
            &["--set", "churn=[{event: restart, peers: [1], round: 2}]"],
            2,
            "churn: a restart needs a launcher, which peers that are started by hand do not have",
        ),
        (
            &["--index", "2"],
            2,
            "there is no peer 2: the plan has peers 0 to 1; correct --index",
        ),
        (
            &["--data", "/srv/mnist"],
            2,
            "--data does not fit: the manifest's data is digits, which has no path",
        ),
        (&["--set", "trainig.rounds=2"], 2, "did you mean"),
        (&["--wait", "soon"], 2, "--wait"),
        (&["--metrics", "here"], 2, "--metrics"),
        (&["--index", "-1"], 2, "--index"),
        (&["--launched"], 2, "--launched"),
    ] {
        let more: Vec<&str> = more.to_vec();
        let mut command = fltorrent();
        command.current_dir(place.path("")).arg("peer").args(TWO);
        for (option, usual) in [("--bindings", "nodes.yaml"), ("--index", "1")] {
            if !more.contains(&option) {
                command.args([option, usual]);
            }
        }
        let output = command.args(&more).arg(quickstart()).output().unwrap();
        assert_refused(&output, code, message);
    }
}

#[test]
fn keys_that_cannot_be_used() {
    let place = Place::new();
    place.refuses(
        &["--keys", "keys/peer-0"],
        1,
        "these are the keys of peer 0, attempt 1, not of peer 1; name the folder peer-1 with --keys, or give the right --index",
    );
    place.refuses(
        &["--keys", "nowhere"],
        1,
        "nowhere/key.pem: does not exist; copy the folder peer-1 of `fltorrent keys init` to this machine and name it with --keys",
    );
    place.refuses(
        &["--attempt", "2"],
        1,
        "there is no certificate for attempt 2, only for attempts 0 to 1",
    );

    let key = place.path("keys/peer-1/key.pem");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    place.refuses(
        &[],
        1,
        "key.pem: this private key is readable by others (mode 640); `chmod 600` it",
    );
    mode(0o600);

    // Somebody copied single files of other peers, or half of them.
    for (file, text, message) in [
        ("key.pem", "no key".to_owned(), "key.pem: is corrupt; copy it again"),
        (
            "key.pem",
            fs::read_to_string(place.path("keys/peer-0/key.pem")).unwrap(),
            "the certificate and the private key cannot be used together",
        ),
        (
            "certificates.pem",
            "no certificates".to_owned(),
            "certificates.pem: is corrupt; copy it again",
        ),
        (
            "certificates.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            "certificates.pem: is corrupt; copy it again",
        ),
        (
            "authority.pem",
            fs::read_to_string(Place::new().path("keys/peer-1/authority.pem")).unwrap(),
            "authority",
        ),
        ("authority.pem", "no certificate".to_owned(), "authority"),
    ] {
        let path = place.path("keys/peer-1").join(file);
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, text).unwrap();
        place.refuses(&[], 1, message);
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn clocks_that_differ() {
    let now = SystemTime::now();
    Place::with_keys_of(now - 4 * DAY).refuses(
        &[],
        1,
        "this machine's certificate has expired; create new keys, or check this machine's clock (date -u)",
    );
    Place::with_keys_of(now + DAY).refuses(
        &[],
        1,
        "this machine's certificate is not valid yet; compare its clock (date -u) with that of the machine that created the keys",
    );
}

#[test]
fn addresses_that_cannot_be_listened_at() {
    let place = Place::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let nodes = format!(
        "nodes: [{{id: 0, host: node0, port: 8888}}, {{id: 1, host: node1, port: {port}, bind_host: 127.0.0.1}}]"
    );
    place.write("nodes.yaml", &nodes);
    place.refuses(
        &["--out", "taken"],
        1,
        &format!("UDP 127.0.0.1:{port} cannot be bound: is another process using that port?"),
    );
    assert!(!place.path("taken").exists());
    place.write(
        "nodes.yaml",
        "nodes: [{id: 0, host: node0, port: 8888}, {id: 1, host: node1, port: 8888, bind_host: 192.0.2.1}]",
    );
    place.refuses(
        &["--out", "foreign"],
        1,
        "UDP 192.0.2.1:8888 cannot be bound: that is no address of this machine; correct it in the nodes file, or remove it there to listen at all addresses",
    );
    assert!(!place.path("foreign").exists());
    drop(taken);
    place.write("nodes.yaml", &nodes);
    place.refuses(
        &["--out", "metrics", "--metrics", "192.0.2.1:9400"],
        1,
        "192.0.2.1:9400",
    );
    assert!(!place.path("metrics").exists());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_private_fresh_and_never_overwritten() {
    let place = Place(tempfile::tempdir().unwrap());
    let init = |more: &[&str]| {
        let mut command = fltorrent();
        command.current_dir(place.path("")).args(["keys", "init"]);
        command.args(more).output().unwrap()
    };
    let manifest = quickstart();
    let manifest = manifest.to_str().unwrap();
    let output = init(&[manifest, "--set", "groups[0].count=3", "--days", "7", "--attempts", "2"]);
    assert!(output.status.success(), "{output:?}");
    let first = String::from_utf8(output.stdout).unwrap();
    assert!(
        first.contains("keys of 3 peers in keys, valid for 7 days and 2 attempts"),
        "{first}"
    );
    assert_eq!(mode(&place.path("keys")), 0o700);
    assert_eq!(fs::read_dir(place.path("keys")).unwrap().count(), 3);
    for i in 0..3 {
        let own = place.path(&format!("keys/peer-{i}"));
        assert_eq!(mode(&own), 0o700);
        let mut files: Vec<String> = fs::read_dir(&own)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, ["authority.pem", "certificates.pem", "key.pem"]);
        for file in files {
            assert_eq!(mode(&own.join(file)), 0o600);
        }
        let certificates = fs::read_to_string(own.join("certificates.pem")).unwrap();
        assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!certificates.contains("PRIVATE"));
    }

    let before = fs::read(place.path("keys/peer-1/key.pem")).unwrap();
    assert_refused(
        &init(&["--peers", "3"]),
        1,
        "keys: is not empty, and keys are never overwritten; name another folder with --out, or remove this one",
    );
    assert_eq!(fs::read(place.path("keys/peer-1/key.pem")).unwrap(), before);
    let second = init(&["--peers", "3", "--out", "deep/er"]);
    assert!(second.status.success(), "{second:?}");
    let run = |text: &str| text.split(' ').nth(1).unwrap().to_owned();
    assert_ne!(run(&first), run(&String::from_utf8(second.stdout).unwrap()));

    for wrong in [
        &[][..],
        &["--peers", "0"],
        &["--peers", "10001"],
        &["--peers", "3", manifest],
        &["--peers", "3", "--set", "seed=1"],
        &["--peers", "3", "--days", "0"],
        &["--peers", "3", "--days", "367"],
        &["--peers", "3", "--attempts", "0"],
        &["--peers", "3", "--attempts", "1001"],
        &["none.yaml"],
        &[manifest, "--set", "groups[0].count=0"],
    ] {
        let output = init(&[wrong, &["--out", "wrong"]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(!place.path("wrong").exists(), "{wrong:?}");
    }
    place.write("file", "");
    for out in ["file", "file/below"] {
        assert_refused(&init(&["--peers", "1", "--out", out]), 1, "file");
    }
    // Nothing half made stays behind.
    let left: Vec<_> = fs::read_dir(place.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with(".keys"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
