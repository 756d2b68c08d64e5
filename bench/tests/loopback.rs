//! `fltorrent-bench loopback` in a reduced form: its table, its figures, and what it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and have no users"
)]

use std::process::{Command, Output};

fn loopback(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fltorrent-bench"))
        .arg("loopback")
        .args(arguments)
        .output()
        .unwrap()
}

/// The median in the row that begins so.
fn median(table: &str, name: &str) -> f64 {
    let row = table
        .lines()
        .find(|line| line.starts_with(&format!("| {name}")))
        .unwrap_or_else(|| panic!("no row {name} in\n{table}"));
    row.split('|').nth(2).unwrap().trim().parse().unwrap()
}

#[test]
fn each_case_has_figures_of_both_sides() {
    let output = loopback(&[
        "--update",
        "400k",
        "--rounds",
        "2",
        "--repetitions",
        "1",
        "--case",
        "pair",
        "--case",
        "spill",
        "--set",
        "exchange.memoryBudget=1Mi",
    ]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let tables: Vec<&str> = text.split("updates of 0.4 MB").skip(1).collect();
    assert_eq!(tables.len(), 2, "{text}");
    for table in tables {
        for (what, unit) in [
            ("for each CPU second", "MB for each CPU second"),
            ("for each second", "MB/s"),
        ] {
            let ours = median(table, &format!("FLTorrent, {unit}"));
            let bare = median(table, &format!("bare QUIC, {unit}"));
            let ratio = median(table, &format!("{what}: FLTorrent ÷ bare QUIC"));
            assert!(ours > 0.0 && bare > 0.0, "{table}");
            assert!((ours / bare / ratio - 1.0).abs() < 0.02, "{table}");
        }
        let exchange = median(table, "FLTorrent, CPU seconds for each GB: the exchange");
        let whole = median(table, "the same: whole processes");
        assert!(exchange < whole, "training costs something:\n{table}");
        assert!(!table.contains("met"), "no target for other sizes:\n{table}");
    }
}

#[test]
fn a_peer_has_three_updates_in_memory_beside_its_budget_at_most() {
    // What both have at the end is 384 MB, what is allowed 305.
    let output = loopback(&[
        "--case",
        "pair",
        "--update",
        "96M",
        "--rounds",
        "2",
        "--repetitions",
        "1",
        "--set",
        "exchange.memoryBudget=16Mi",
    ]);
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let peak = median(&table, "peak resident set of a peer, MiB") * 1024.0 * 1024.0;
    let ratio = median(&table, "peak resident set ÷ (memory budget + 3 updates)");
    let allowed = 16.0 * 1024.0 * 1024.0 + 3.0 * 96e6;
    assert!((peak / allowed - ratio).abs() < 0.01, "{table}");
    assert!(ratio <= 1.0, "{table}");
}

#[test]
fn wrong_arguments_are_refused() {
    for (arguments, expected) in [
        (["--case", "ring"], "possible values: mesh, spill, pair, memory"),
        (["--update", "many"], "not a quantity of bytes"),
        (["--update", "1001"], "multiple of 4"),
        (["--rounds", "1"], "expected a whole number from 2 to 1000"),
        (["--repetitions", "0"], "expected a whole number from 1 to 1000"),
        (["--set", "exchange.numChunks=0"], "exchange.numChunks"),
    ] {
        let output = loopback(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
}
