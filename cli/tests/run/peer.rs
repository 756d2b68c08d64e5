//! One peer's process, as a launcher sees it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::UdpSocket,
    process::{Child, Stdio},
};

use fltorrent_crds::Announcement;
use tempfile::TempDir;

use crate::support::{example, fltorrent, stderr};

fn announced_peer() -> (Child, Announcement, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = fltorrent(&["peer", "--index=1", "--launched", "--results"])
        .arg(folder.path())
        .arg(example("quickstart.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (child, serde_json::from_str(&line).unwrap(), folder)
}

#[test]
fn a_peer_announces_itself_and_goes_with_its_launcher() {
    let (mut child, announcement, _folder) = announced_peer();
    assert_eq!(announcement.index, 1);
    assert!(announcement.address.ip().is_loopback());
    assert_ne!(announcement.address.port(), 0);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn bindings_that_are_none_are_refused() {
    for line in ["{}\n", "not JSON\n", "{\"run\": 1}\n"] {
        let (mut child, _, _folder) = announced_peer();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.lines().last().unwrap().starts_with("error: "), "{errors}");
        drop(stdin);
    }
}

#[test]
fn a_peer_without_a_place_in_the_plan_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Held open, since its end would be the peer's end.
    let mut child = fltorrent(&["peer", "--index=8", "--launched", "--results"])
        .arg(folder.path())
        .arg(example("quickstart.yaml"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    assert!(errors.contains("there is no peer 8"), "{errors}");
}

#[test]
fn a_peer_with_neither_launcher_nor_nodes_file_says_what_is_missing() {
    let output = fltorrent(&["peer", "--index=1"])
        .arg(example("quickstart.yaml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = stderr(&output);
    assert!(errors.contains("--bindings is missing"), "{errors}");
}

#[test]
fn a_peer_by_hand_warns_as_a_run_does() {
    let folder = tempfile::tempdir().unwrap();
    let table: String = (0..40)
        .map(|row| format!("{},{},{row}\n", row % 2, 1_700_000_000 + row))
        .collect();
    fs::write(folder.path().join("t.csv"), format!("label,time,a\n{table}")).unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    fs::write(
        folder.path().join("nodes.yaml"),
        format!("peers: [{{index: 0, address: \"{address}\", bind: \"{address}\"}}]"),
    )
    .unwrap();
    drop(port);
    let data = "data={type: csv, csv: {train: t.csv, test: t.csv, labelColumn: label, classes: 2, inputShape: [2]}}";
    let sets = ["groups[0].count=1", "training.rounds=1", data];
    let of = |arguments: &[&str]| {
        let output = fltorrent(arguments)
            .args(sets.iter().flat_map(|set| ["--set", set]))
            .arg(example("quickstart.yaml"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let made = fltorrent(&["keys", "init", "--peers", "1", "--out", "keys"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let peer = ["peer", "--index", "0", "--bindings", "nodes.yaml"];
    let warnings = of(&peer);
    assert!(
        warnings.contains("column `time` from 1700000000 to 1700000000: values so large drown"),
        "{warnings}"
    );
    let warned = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("warning: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warned(&warnings), warned(&of(&["run"])));
    assert_eq!(of(&[&peer[..], &["--quiet"]].concat()), "");
}
