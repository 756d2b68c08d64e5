//! The scripts that lay FLTorrent beside other frameworks, with those of them that a package manager has.

use std::{path::Path, process::Command};

use crate::support::stdout;

/// What a script prints of FLTorrent and of PyTorch.
fn table(script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../bench/side_by_side")
        .join(script);
    let output = Command::new("python3")
        .arg(script)
        .args([
            "--fltorrent",
            env!("CARGO_BIN_EXE_fltorrent"),
            "--python",
            "/usr/bin/python3",
        ])
        .args(["--contender", "plain PyTorch", "--contender", "FLTorrent"])
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    stdout(&output)
}

/// The figures of a row, as numbers where they are some.
fn row(table: &str, name: &str) -> Vec<Option<f64>> {
    let start = format!("| {name} |");
    let row = table
        .lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no row of {name} in\n{table}"));
    let cells = row.trim_end_matches('|').split('|');
    cells.map(|cell| cell.trim().parse().ok()).collect()
}

#[test]
fn the_script_measures_fltorrent_beside_pytorch() {
    let table = table("side_by_side.py", &["--workload", "small"]);
    // Eight peers get the updates of seven others, 407 kB each. Other tests use loopback meanwhile, so there is no upper bound.
    for (name, megabytes) in [("plain PyTorch", 0.0), ("FLTorrent", 8.0 * 7.0 * 0.407)] {
        let figures = row(&table, name);
        let [_, wall, cpu, all, bytes, memory, accuracy] = figures[..] else {
            panic!("{name} has other figures in\n{table}");
        };
        for positive in [wall, cpu, all, memory] {
            assert!(positive.is_some_and(|figure| figure > 0.0), "{table}");
        }
        assert!(bytes.is_some_and(|bytes| bytes >= megabytes), "{table}");
        assert!(accuracy.is_some_and(|share| share > 0.65), "{table}");
    }
}

#[test]
fn the_script_measures_what_churn_costs() {
    let table = table("churn.py", &["--event", "wedge", "--rounds", "6", "--samples", "100"]);
    let mut drawn = Vec::new();
    for (name, is_churn) in [
        ("plain PyTorch | none", false),
        ("plain PyTorch | left out", true),
        ("FLTorrent | none", false),
        ("FLTorrent | wedge", true),
    ] {
        let figures = row(&table, name);
        let [away, missing, degraded, settled, _, last, wall, cpu] = figures[..] else {
            panic!("{name} has other figures in\n{table}");
        };
        for positive in [settled, last, wall, cpu] {
            assert!(positive.is_some_and(|figure| figure > 0.0), "{table}");
        }
        assert!(settled.is_some_and(|percent| percent > 20.0), "{table}");
        if is_churn {
            drawn.push(away);
            for lost in [away, missing, degraded] {
                assert!(lost.is_some_and(|share| share > 0.0), "{table}");
            }
        }
    }
    // Both lose whom the plan says.
    assert!(drawn.len() == 2 && drawn[0] == drawn[1], "{table}");
}
