//! One peer's process, as a launcher sees it.

use std::{
    io::{BufRead, BufReader, Write},
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
        assert!(
            errors.lines().last().unwrap().starts_with("error: "),
            "{errors}"
        );
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
