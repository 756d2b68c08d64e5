//! Runs that end before their end: nothing is left running, and what was measured is kept.

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{ENDLESS, Endless, Process, example, fltorrent, read_json, run, stderr, stdout};

const PEERS: &str = "groups[0].count=3";
/// One peer's end is everybody's.
const ALL_OR_NONE: &str = "failurePolicy.onPeerLoss=fail";

/// Asserts the files of a run that trained for a round, even of one whose launcher was killed.
fn assert_kept(results: &Path, peers: u32) {
    for name in ["manifest.yaml", "plan.json"] {
        assert!(results.join(name).is_file(), "{name} is missing");
    }
    for peer in 0..peers {
        let metrics = fs::read_to_string(results.join(format!("peers/peer-{peer}.jsonl"))).unwrap();
        let rounds = metrics
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        assert!(
            rounds.into_iter().any(|line| line["event"] == "round"),
            "peer {peer} has no round in\n{metrics}"
        );
        assert!(results.join(format!("peers/peer-{peer}.log")).is_file());
    }
}

fn assert_gone(peers: &[Process]) {
    peers.iter().for_each(Process::assert_gone);
}

#[test]
fn where_no_peer_may_be_lost_a_killed_one_ends_the_run_with_its_name_and_last_log_lines() {
    let mut run = Endless::with(&[ENDLESS, "groups[0].count=4", ALL_OR_NONE]);
    run.wait_for("round");
    let peers = run.peers();
    assert_eq!(peers.len(), 4);
    peers[2].signal(Signal::KILL);
    let (output, folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: peer 2 was killed by signal 9"), "{errors}");
    assert!(errors.contains("\n  | "), "no log lines in\n{errors}");
    assert!(errors.contains("peer-2.log"), "{errors}");
    assert_gone(&peers);
    assert_kept(folder.path(), 4);
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["outcome"], "failed");
    // The model of an earlier round does not pass for the result.
    assert!(summary["modelHash"].is_null(), "{summary}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("the run failed"), "{page}");
    let none = "<dt>Model hash</dt><dd><code>–</code></dd>";
    assert!(page.contains(none), "{page}");
}

#[test]
fn signals_end_a_run_in_order() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut run = Endless::with_hang_ups(3);
        run.wait_for("round");
        let peers = run.peers();
        assert_eq!(peers.len(), 3);
        run.signal(signal);
        let (output, folder) = run.end();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{errors}");
        assert!(errors.starts_with("error: interrupted by SIG"), "{errors}");
        assert_gone(&peers);
        assert_kept(folder.path(), 3);
        assert!(folder.path().join("report.html").is_file());
        let summary = read_json(&folder.path().join("summary.json"));
        assert_eq!(summary["outcome"], "stopped");
        let exits = summary["peers"].as_array().unwrap();
        // They were not killed: each noticed that its launcher let go.
        assert!(exits.iter().all(|peer| peer["exit"] == "exit status: 3"), "{exits:?}");
    }
}

/// Files that peers' processes leave for the next ones.
fn left_behind(results: &Path) -> Vec<String> {
    let names = fs::read_dir(results.join("peers"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".kept")).collect()
}

#[test]
fn chunks_in_files_go_with_the_run_however_it_ends() {
    for signal in [Signal::INT, Signal::KILL] {
        let mut run = Endless::with(&[ENDLESS, PEERS, "exchange.memoryBudget=0"]);
        run.wait_for("round");
        while !left_behind(run.results())
            .iter()
            .any(|name| name.starts_with("peer-1."))
        {
            std::thread::yield_now();
        }
        // One that is killed leaves its own for the next process, whose arguments may not show yet when the line is printed.
        run.peers()[1].signal(Signal::KILL);
        run.wait_for("restarted");
        let peers = run.peers();
        run.signal(signal);
        let (_, folder) = run.end();
        assert_gone(&peers);
        assert_eq!(left_behind(folder.path()), [""; 0], "{signal:?}");
    }
}

#[test]
fn a_hang_up_that_is_ignored_ends_nothing() {
    let mut run = Endless::of_script("trap '' HUP; exec \"$@\"", &[ENDLESS, PEERS]);
    run.wait_for("round");
    run.signal(Signal::HUP);
    for _ in 0..3 {
        run.wait_for("round");
    }
    run.signal(Signal::TERM);
    let (output, _folder) = run.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(errors.contains("interrupted by SIGTERM"), "{errors}");
}

#[test]
fn a_soft_limit_of_open_files_is_raised_and_a_hard_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |kind: &str, name: &str| {
        let set = run("quickstart.yaml", &folder.path().join(name), &["training.rounds=1"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {kind}n 40; exec \"$@\""), "sh"]);
        command.arg(set.get_program()).args(set.get_args());
        command.output().unwrap()
    };
    let output = limited("-S", "soft");
    assert!(output.status.success(), "{}", stderr(&output));
    let output = limited("-", "hard");
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("8 peers need 112 open files at once, and this process may have 40: raise"),
        "{errors}"
    );
    // The corrected command finds its folder free.
    assert!(!errors.contains("results so far are in"), "{errors}");
    assert!(!folder.path().join("hard").exists());
}

#[test]
fn too_few_open_files_to_do_anything_are_named_at_once() {
    let quickstart = example("quickstart.yaml");
    for command in [&["run"][..], &["simulate"], &["peer", "--index=0"]] {
        for limit in [8, 12] {
            let output = Command::new("sh")
                .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
                .arg(env!("CARGO_BIN_EXE_fltorrent"))
                .args(command)
                .arg(&quickstart)
                .output()
                .unwrap();
            let errors = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {errors}");
            let expected = format!("error: this process may have {limit} open files, and it needs");
            assert!(errors.starts_with(&expected), "{command:?}: {errors}");
        }
    }
}

/// A complete run for whose report there is no room fails, and goes on with the report alone.
#[test]
fn a_report_without_room_is_no_success_and_is_made_by_the_command_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("run");
    let sets = ["groups[0].count=2", "training.rounds=1", "checkpoint={type: periodic}"];
    let run = run("quickstart.yaml", &results, &sets);
    // No file may have more than 24 KiB: models and metrics have less.
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 48; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args())
        .output()
        .unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for expected in [
        "error: the run is complete, but the disk is too full for its report",
        "report.html: the page cannot be written",
        "\n  resume with: ",
    ] {
        assert!(errors.contains(expected), "{expected} is not in\n{errors}");
    }
    let names = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name());
    let drafts = names.filter(|name| name.to_string_lossy().ends_with(".part"));
    assert_eq!(drafts.count(), 0);
    let output = fltorrent(&["run", "--resume"]).arg(&results).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(results.join("report.html").is_file());
}

#[test]
fn a_summary_that_cannot_be_written_is_told_of_however_the_run_ends() {
    let checkpoints = "checkpoint={type: periodic}";
    for (rounds, fails) in [("training.rounds=3", false), (ENDLESS, true)] {
        let mut run = Endless::with(&[PEERS, checkpoints, rounds, ALL_OR_NONE]);
        run.wait_for("started");
        fs::create_dir(run.results().join("summary.json")).unwrap();
        if fails {
            // A peer has its checkpoint of a round once it is in the next one.
            (0..2).for_each(|_| drop(run.wait_for("round")));
            run.peers()[1].signal(Signal::KILL);
        }
        let (output, _folder) = run.end();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let expected = match fails {
            true => "warning: the summary could not be written: ",
            false => "error: ",
        };
        let told = |line: &str| line.starts_with(expected) && line.contains("summary.json: cannot");
        assert!(errors.lines().any(told), "{errors}");
        assert!(errors.contains("\n  resume with: "), "{errors}");
    }
}

#[test]
fn a_run_can_be_interrupted_while_it_starts() {
    let mut run = Endless::start(3);
    run.wait_for("started");
    let peers = run.peers();
    run.signal(Signal::INT);
    let (output, folder) = run.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_gone(&peers);
    assert_eq!(read_json(&folder.path().join("summary.json"))["outcome"], "stopped");
}

#[test]
fn a_peer_that_hangs_is_killed() {
    let mut run = Endless::start(3);
    run.wait_for("round");
    let peers = run.peers();
    peers[1].stop();
    run.signal(Signal::INT);
    let (output, folder) = run.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_gone(&peers);
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["peers"][1]["exit"], "signal: 9 (SIGKILL)");
}

#[test]
fn a_killed_launcher_leaves_no_peer() {
    let mut run = Endless::start(4);
    run.wait_for("round");
    let peers = run.peers();
    assert_eq!(peers.len(), 4);
    run.signal(Signal::KILL);
    assert_gone(&peers);
    let (_, folder) = run.end();
    assert_kept(folder.path(), 4);
}

#[test]
fn a_full_disk_ends_the_run_with_its_reason() {
    // A small disk of its own, in a mount namespace that goes with the process.
    let script = "mount -t tmpfs -o size=256k tmpfs \"$1\" && \"$2\" run \"$3\" --out \"$1/run\" --set \"$4\" --set \"$5\" --quiet; \
                  code=$?; ls \"$1/run\" \"$1/run/peers\"; exit $code";
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_fltorrent"))
        .arg(example("quickstart.yaml"))
        .arg(ENDLESS)
        .arg(ALL_OR_NONE)
        .output()
        .unwrap();
    let errors = stderr(&output);
    // Before it stands that there is no room for the report either.
    let Some(first) = errors.lines().find(|line| line.starts_with("error: peer ")) else {
        panic!(
            "expected a peer's error; this test needs util-linux, and to be root or to have user namespaces:\n{errors}"
        );
    };
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(first.contains("cannot be written: make room there"), "{errors}");
    assert!(first.contains("No space left on device"), "{errors}");
    let files = stdout(&output);
    for kept in ["manifest.yaml", "plan.json", "peer-0.jsonl"] {
        assert!(files.contains(kept), "{kept} is missing in\n{files}");
    }
}
