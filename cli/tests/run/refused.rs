//! What is wrong is said at once, with the place and what to do, and nothing is started or overwritten.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{example, fltorrent, run, stderr, stdout};

const QUICKSTART: &str = "quickstart.yaml";

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn all_errors_of_a_manifest_come_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sets = ["training.rounds=0", "exchange.uploadSlot=3", "topology.type=circle"];
    let output = run(QUICKSTART, folder.path(), &sets).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for start in [
        "error: training.rounds: ",
        "error: exchange.uploadSlot: ",
        "error: topology.type: ",
    ] {
        assert!(
            errors.lines().any(|line| line.starts_with(start)),
            "{start} is missing in\n{errors}"
        );
    }
    assert!(errors.contains("uploadSlots"), "{errors}");
    assert!(is_empty(folder.path()));
}

#[test]
fn validate_says_what_would_run_or_what_is_wrong() {
    let validate = |arguments: &[&str]| {
        fltorrent(&["validate"])
            .arg(example(QUICKSTART))
            .args(arguments)
            .output()
            .unwrap()
    };
    let good = validate(&[]);
    assert!(good.status.success());
    assert!(
        stdout(&good).contains("quickstart: 8 peers, ring, 10 rounds"),
        "{}",
        stdout(&good)
    );

    let json: Value = serde_json::from_slice(&validate(&["--output", "json"]).stdout).unwrap();
    assert_eq!(json["event"], "valid");
    assert_eq!(json["parameters"], 4810);

    let warned = validate(&["--set", "topology.type=star"]);
    assert!(warned.status.success());
    assert!(
        stderr(&warned).starts_with("warning: topology.star.hub: "),
        "{}",
        stderr(&warned)
    );

    let wrong = validate(&["--set", "training.round=3", "--output", "json"]);
    assert_eq!(wrong.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(json["event"], "failed");
    assert_eq!(json["exitCode"], 2);
    assert_eq!(json["fields"][0]["path"], "training.round");
    assert!(stderr(&wrong).starts_with("error: training.round: "));
}

#[test]
fn results_are_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("notes.txt");
    fs::write(&kept, "mine").unwrap();
    let output = run(QUICKSTART, folder.path(), &[]).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("is not empty") && errors.contains("--out"), "{errors}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(kept).unwrap(), "mine");
}

#[test]
fn results_folders_get_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("output.directory={}", folder.path().join("a/b").display());
    for _ in 0..2 {
        let output = fltorrent(&["run", "--quiet", "--set", &directory])
            .args(["--set", "groups[0].count=2", "--set", "training.rounds=1"])
            .arg(example(QUICKSTART))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let names: Vec<String> = fs::read_dir(folder.path().join("a/b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("quickstart-2")), "{names:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let out = file.path().join("results");
    let output = run(QUICKSTART, &out, &[]).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains(&out.display().to_string()) && errors.contains("--out"),
        "{errors}"
    );
}

#[test]
fn data_that_cannot_be_read_is_named_before_anything_starts() {
    let data = tempfile::tempdir().unwrap();
    let path = format!("data.idx.path={}", data.path().display());
    let labels = data.path().join("train-labels-idx1-ubyte");
    let refused = |message: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = run("fashion-mnist.yaml", folder.path(), &[&path]).output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains("train-labels-idx1-ubyte") && errors.contains(message),
            "{errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(is_empty(folder.path()), "something was started");
    };
    refused("found neither");
    // Even root cannot read a folder as a file.
    fs::create_dir(&labels).unwrap();
    refused("cannot be read");
    fs::remove_dir(&labels).unwrap();
    fs::write(&labels, b"\0\0\x08\x01\0\0\0\x09").unwrap();
    refused("expected");
}

#[test]
fn a_log_level_that_is_none_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (level, message) in [
        (
            "inof",
            "FLTORRENT_LOG: `inof` is no level; the levels are error, warn, info, debug and trace",
        ),
        ("info,=x", "FLTORRENT_LOG is no log filter"),
    ] {
        let out = folder.path().join("run");
        let mut command = run(QUICKSTART, &out, &[]);
        let output = command.env("FLTORRENT_LOG", level).output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.starts_with("error: ") && errors.contains(message), "{errors}");
        assert!(!out.exists());
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_backend_that_is_not_built_in_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = run(QUICKSTART, folder.path(), &[]);
    let output = command.args(["--backend", "cuda"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--features cuda"), "{}", stderr(&output));
    assert!(is_empty(folder.path()));
}

#[test]
fn wrong_command_lines_are_refused_and_help_has_the_exit_codes() {
    for arguments in [
        &["run"][..],
        &["run", "no/such.yaml"],
        &["run", "/dev/zero"],
        &["validate", "x.yaml", "--set", "rounds"],
        &["train"],
        &["keys", "init", "--peers", "0"],
    ] {
        let output = fltorrent(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
    let help = stdout(&fltorrent(&["run", "--help"]).output().unwrap());
    for code in ["0   complete", "2   the manifest", "130 interrupted"] {
        assert!(help.contains(code), "run --help has no {code}");
    }
    let help = stdout(&fltorrent(&["validate", "--help"]).output().unwrap());
    assert!(help.contains("0   the manifest is valid") && !help.contains("130"));
    let version = stdout(&fltorrent(&["--version"]).output().unwrap());
    assert_eq!(version.trim(), concat!("fltorrent ", env!("CARGO_PKG_VERSION")));
}
