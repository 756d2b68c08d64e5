//! `fltorrent-bench exchange` in a reduced form: its namespaces, its contenders, its table, and that nothing is left. Needs root and
//! iproute2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "../src/exchange/namespaces.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod namespaces;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fltorrent-bench"))
}

/// Namespaces of a benchmark by its process.
fn left_by(process: u32) -> Vec<String> {
    let prefix = format!("bench-fltorrent-{process}-");
    let entries = fs::read_dir(namespaces::FOLDER).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// The cells of a contender's row.
fn row(table: &str, contender: &str) -> Vec<String> {
    let row = table
        .lines()
        .find(|line| line.contains(&format!("| {contender} |")))
        .unwrap_or_else(|| panic!("no row of {contender} in\n{table}"));
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn a_reduced_exchange_has_a_row_for_each_contender_and_leaves_nothing() {
    let child = bench()
        .args(["exchange", "--case", "ring", "--rounds", "2"])
        .args(["--update", "100k", "--contender", "fltorrent"])
        .args(["--contender", "direct", "--contender", "server"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    for contender in ["fltorrent", "direct", "server"] {
        let cells = row(&table, contender);
        // 7 · 100 kB through 10 Mbit/s; the server gets and gives one update a peer.
        let (seconds, ratio): (f64, f64) = (cells[3].parse().unwrap(), cells[4].parse().unwrap());
        assert!((seconds / 0.56 - ratio).abs() < 0.02 * ratio, "{table}");
        assert!(ratio > 1.0, "nothing is faster than its links:\n{table}");
    }
    let ours = row(&table, "fltorrent");
    let wire: f64 = ours[6].parse().unwrap();
    assert!(wire > 1.05, "headers have their weight:\n{table}");
    assert!(ours[7].ends_with(" %") && ours[8].ends_with(" %"), "{table}");
    assert!(ours[11].starts_with("peer "), "{table}");
    assert_eq!(left_by(process), Vec::<String>::new());
}

#[test]
fn a_case_grows_with_the_number_of_peers() {
    let output = bench()
        .args(["exchange", "--case", "regular", "--rounds", "1"])
        .args(["--peers", "4", "--peers", "6", "--update", "100k"])
        .args(["--contender", "fltorrent"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    for peers in [4.0, 6.0] {
        let name = format!("regular, 0.1 MB, {peers} × 10/10 Mbit/s | fltorrent");
        let cells = row(&table, &name);
        let (seconds, ratio): (f64, f64) = (cells[3].parse().unwrap(), cells[4].parse().unwrap());
        let bound = (peers - 1.0) * 0.08;
        assert!((seconds / bound - ratio).abs() < 0.05 * ratio, "{table}");
        assert_eq!(cells[5], "", "no target for other sizes");
    }
}

#[test]
fn a_tcp_flow_of_somebody_elses_shares_the_first_uplink() {
    let output = bench()
        .args(["exchange", "--case", "ring", "--rounds", "1"])
        .args(["--update", "500k", "--foreign", "--contender", "fltorrent"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let cells = row(&table, "fltorrent");
    assert_eq!(
        (&*cells[5], &*cells[6]),
        ("", "–"),
        "neither a target nor the flow's bytes:\n{table}"
    );
    let share = table.lines().find(|line| line.contains("that a TCP flow had")).unwrap();
    let share: f64 = share.split('|').nth(2).unwrap().trim().parse().unwrap();
    assert!(share > 0.05 && share < 1.0, "{table}");
}

#[test]
fn an_interrupted_exchange_leaves_nothing() {
    let mut child = bench()
        .args(["exchange", "--case", "ring"])
        .args(["--contender", "fltorrent"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = errors.next().unwrap().unwrap();
    assert_eq!(first, "now: ring: fltorrent");
    kill_process(Pid::from_raw(process as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rest: Vec<String> = errors.map(Result::unwrap).collect();
    assert!(rest.concat().contains("interrupted by SIGINT"), "{rest:?}");
    assert_eq!(left_by(process), Vec::<String>::new());
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_made() {
    for (arguments, expected) in [
        (["--case", "cube"], "possible values: mesh, ring"),
        (["--update", "many"], "not a quantity of bytes"),
        (["--rounds", "0"], "expected a whole number from 1 to 1000"),
        (["--contender", "flower"], "possible values: fltorrent"),
        (["--peers", "2"], "expected a whole number from 3 to 100"),
        (["--queue", "0"], "expected a whole number from 1 to 10000"),
        (["--queue", "50ms"], "expected a whole number from 1 to 10000"),
        (["--random", "-1"], "unexpected argument"),
        (
            ["--random", "one"],
            "expected a whole number from 0 to 9007199254740991",
        ),
    ] {
        let output = bench().arg("exchange").args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    for (arguments, expected) in [
        (vec!["--update", "1001"], "multiple of 4"),
        (vec!["--random", "1", "--peers", "8"], "cannot be used with"),
        (
            vec!["--case", "petersen", "--peers", "8"],
            "case petersen is wired by hand and has one size",
        ),
        (vec!["--case", "ring-far", "--queue", "1"], "less than one packet"),
    ] {
        let output = bench().arg("exchange").args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && errors.contains(expected), "{errors}");
        assert!(
            output.stdout.iter().filter(|byte| **byte == b'|').count() == 0,
            "no table is begun"
        );
    }
}
