//! The script that lays FLTorrent beside other frameworks, with those of them that a package manager has.

use std::process::Command;

use crate::support::stdout;

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
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/side_by_side/side_by_side.py");
    let output = Command::new("python3")
        .args([script, "--fltorrent", env!("CARGO_BIN_EXE_fltorrent")])
        .args(["--python", "/usr/bin/python3", "--workload", "small"])
        .args(["--contender", "plain PyTorch", "--contender", "FLTorrent"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = stdout(&output);
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
