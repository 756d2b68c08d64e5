//! `fltorrent-bench survival` in a reduced form: its tables, and what it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and have no users"
)]

use std::process::{Command, Output};

fn survival(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fltorrent-bench"))
        .arg("survival")
        .args(arguments)
        .output()
        .unwrap()
}

/// The median in the row that begins so.
fn median(text: &str, name: &str) -> f64 {
    let row = text
        .lines()
        .find(|line| line.starts_with(&format!("| {name}")))
        .unwrap_or_else(|| panic!("no row {name} in\n{text}"));
    row.split('|').nth(2).unwrap().trim().parse().unwrap()
}

#[test]
fn each_case_has_figures() {
    let output = survival(&[
        "--peers",
        "4",
        "--update",
        "400k",
        "--rounds",
        "400",
        "--repetitions",
        "1",
    ]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // The timeout has to pass before the others go on.
    assert!(
        median(&text, "kill to the first round that closes without it") > 0.5,
        "{text}"
    );
    assert!(median(&text, "its start to the end of the first round that has its update") > 0.0);
    assert!(median(&text, "bytes fetched to catch up") >= 0.0, "{text}");
    // Heartbeats go over a link that is silent otherwise.
    assert!(median(&text, "packets a second over a link") > 0.1, "{text}");
}

#[test]
fn wrong_settings_and_runs_that_are_too_short_are_refused() {
    let output = survival(&["--set", "liveness.heartbeatTimeout=1ms"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("liveness.heartbeatTimeout"), "{errors}");
    let output = survival(&["--case", "none"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let short = [
        "--case", "kill", "--peers", "4", "--update", "40k", "--rounds", "3", "--after", "5",
    ];
    let output = survival(&[&short[..], &["--repetitions", "1"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("the run ended before it could be measured"), "{errors}");
}
