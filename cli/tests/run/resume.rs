//! A run that was stopped goes on and ends with the model of one that never was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Endless, fltorrent, read_json, run, stderr, stdout, summary};

const PEERS: &str = "groups[0].count=3";
/// One peer's end is everybody's.
const ALL_OR_NONE: &str = "failurePolicy.onPeerLoss=fail";
const EVERY: &str = "checkpoint={type: periodic, periodic: {everyRounds: 2}}";

fn resume(folder: &Path, sets: &[&str]) -> Command {
    let mut command = fltorrent(&["run", "--resume"]);
    command.arg(folder);
    for set in sets {
        command.args(["--set", set]);
    }
    command
}

fn checkpoint(folder: &Path, peer: u32, rounds: u32) -> PathBuf {
    folder.join(format!("peers/peer-{peer}.rounds-{rounds}.checkpoint"))
}

/// A finished run of so many rounds with a checkpoint after every second one.
fn finished(rounds: u32) -> tempfile::TempDir {
    finished_with(rounds, &[])
}

fn finished_with(rounds: u32, sets: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rounds = format!("training.rounds={rounds}");
    let sets = [&[PEERS, EVERY, &rounds], sets].concat();
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

fn refused(output: &Output) -> String {
    let errors = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    errors
}

fn rounds(summary: &Value) -> Vec<u64> {
    let rounds = summary["rounds"].as_array().unwrap();
    rounds.iter().map(|round| round["round"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_model_of_one_that_was_not() {
    const ROUNDS: u64 = 200;
    let rounds_set = format!("training.rounds={ROUNDS}");
    let whole = summary("quickstart.yaml", &[PEERS, &rounds_set]);
    // Rounds that are waited for, and what then ends the run; of a peer as well as of the launcher.
    let ends = [
        (3, Signal::KILL, false),
        (5, Signal::KILL, true),
        (2, Signal::INT, false),
        (8, Signal::KILL, false),
        (4, Signal::TERM, false),
    ];
    let sets = [PEERS, EVERY, &rounds_set, ALL_OR_NONE];
    let mut folder = None;
    for (count, signal, of_peer) in ends {
        let mut part = match folder.take() {
            None => Endless::with(&sets),
            Some(folder) => Endless::resume(folder),
        };
        for _ in 0..count {
            part.wait_for("round");
        }
        let peers = part.peers();
        match of_peer {
            true => peers[1].signal(signal),
            false => part.signal(signal),
        }
        peers.iter().for_each(crate::support::Process::assert_gone);
        let (output, results) = part.end();
        if signal != Signal::KILL {
            let errors = stderr(&output);
            assert_eq!(output.status.code(), Some(130), "{errors}");
            let command = format!(
                "{} run --resume {}",
                env!("CARGO_BIN_EXE_fltorrent"),
                results.path().display()
            );
            assert!(errors.contains(&format!("\n  resume with: {command}")), "{errors}");
            let summary = read_json(&results.path().join("summary.json"));
            assert_eq!(summary["outcome"], "stopped");
            assert_eq!(summary["resume"], *command);
        }
        folder = Some(results);
    }
    let folder = folder.unwrap();
    let output = resume(folder.path(), &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let resumed = read_json(&folder.path().join("summary.json"));
    assert_eq!(resumed["outcome"], "completed");
    assert_eq!(resumed["modelHash"], whole["modelHash"]);
    assert_eq!(rounds(&resumed), (0..ROUNDS).collect::<Vec<_>>());
    let first = resumed["resumedAfter"].as_u64().unwrap();
    assert!(first >= 2 && first.is_multiple_of(2), "{first}");
    for (resumed, whole) in resumed["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .zip(whole["rounds"].as_array().unwrap())
    {
        assert_eq!(resumed["modelHash"], whole["modelHash"]);
        assert_eq!(resumed["accuracy"], whole["accuracy"]);
    }
}

#[test]
fn a_finished_run_goes_on_with_more_rounds() {
    let whole = summary("quickstart.yaml", &[PEERS, "training.rounds=7"]);
    let folder = finished(5);
    let errors = refused(&resume(folder.path(), &[]).output().unwrap());
    assert!(
        errors.contains("5 rounds are finished and training.rounds is 5"),
        "{errors}"
    );
    assert!(errors.contains("--set training.rounds=N"), "{errors}");
    let output = resume(folder.path(), &["training.rounds=7"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains(", resumed after round 5\n"), "{text}");
    assert!(!text.contains(" 5/7 ") && text.contains(" 6/7 "), "{text}");
    let resumed = read_json(&folder.path().join("summary.json"));
    assert_eq!(resumed["modelHash"], whole["modelHash"]);
    assert_eq!(rounds(&resumed), (0..7).collect::<Vec<_>>());
    // The newest two of each peer are there, and no temporary file.
    let names: Vec<String> = fs::read_dir(folder.path().join("peers"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for peer in 0..3 {
        for rounds in [6, 7] {
            assert!(checkpoint(folder.path(), peer, rounds).is_file(), "{names:?}");
        }
    }
    let checkpoints = names.iter().filter(|name| name.contains("checkpoint"));
    assert_eq!(checkpoints.count(), 6, "{names:?}");
    let is_draft = |name: &String| name.ends_with("tmp") || name.ends_with(".part");
    assert!(!names.iter().any(is_draft), "{names:?}");
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let whole = summary("quickstart.yaml", &[PEERS, "training.rounds=9"]);
    let folder = finished(8);
    let newest = checkpoint(folder.path(), 1, 8);
    let bytes = fs::read(&newest).unwrap();
    let mut changed = bytes.clone();
    changed[500] ^= 1;
    for (damage, word) in [(changed, "checksum"), (bytes[..700].to_vec(), "has 700 bytes")] {
        fs::write(&newest, damage).unwrap();
        let again = tempfile::tempdir().unwrap();
        copy(folder.path(), again.path());
        let output = resume(again.path(), &["training.rounds=9"]).output().unwrap();
        let errors = stderr(&output);
        assert!(output.status.success(), "{errors}");
        assert!(errors.starts_with("warning: "), "{errors}");
        for expected in ["peer-1.rounds-8.checkpoint", word, "the run resumes after round 6"] {
            assert!(errors.contains(expected), "{expected} is missing in\n{errors}");
        }
        let resumed = read_json(&again.path().join("summary.json"));
        assert_eq!(resumed["modelHash"], whole["modelHash"]);
        assert_eq!(rounds(&resumed), (0..9).collect::<Vec<_>>());
    }
    fs::remove_file(checkpoint(folder.path(), 1, 6)).unwrap();
    let errors = refused(&resume(folder.path(), &["training.rounds=9"]).output().unwrap());
    assert!(errors.contains("peer 1 has no checkpoint that can be used"), "{errors}");
    fs::write(&newest, bytes).unwrap();
    fs::remove_file(checkpoint(folder.path(), 2, 8)).unwrap();
    let errors = refused(&resume(folder.path(), &["training.rounds=9"]).output().unwrap());
    assert!(
        errors.contains("no checkpoint is there of all peers: peer 0 after 6 and 8, peer 1 after 8, peer 2 after 6"),
        "{errors}"
    );
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn another_manifest_is_refused_with_what_differs() {
    let folder = finished(2);
    let before = fs::read(folder.path().join("manifest.yaml")).unwrap();
    let sets = ["training.rounds=4", "training.batchSize=7", "seed=9"];
    let errors = refused(&resume(folder.path(), &sets).output().unwrap());
    for expected in [
        "\n  seed: ",
        "\n  training.batchSize: ",
        " 7 now",
        "only training.rounds",
    ] {
        assert!(errors.contains(expected), "{expected} is missing in\n{errors}");
    }
    assert!(!errors.contains("training.rounds: "), "{errors}");
    assert_eq!(fs::read(folder.path().join("manifest.yaml")).unwrap(), before);
}

#[test]
fn a_folder_without_a_run_or_without_checkpoints_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let errors = refused(&resume(folder.path(), &[]).output().unwrap());
    assert!(errors.contains("is not the results folder of a run"), "{errors}");
    let manifest = folder.path().join("manifest.yaml");
    fs::write(&manifest, "a: [1\nb: 2\n").unwrap();
    let errors = refused(&resume(folder.path(), &[]).output().unwrap());
    assert!(
        errors.contains("manifest.yaml: this version cannot use the run's manifest")
            && errors.contains("manifest.yaml:2:")
            && !errors.contains("is not the results folder"),
        "{errors}"
    );
    fs::remove_file(&manifest).unwrap();
    let output = run("quickstart.yaml", folder.path(), &[PEERS, "training.rounds=2"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let errors = refused(&resume(folder.path(), &["training.rounds=3"]).output().unwrap());
    assert!(
        errors.contains("peer 0 has no checkpoint") && errors.contains("checkpoint.type periodic"),
        "{errors}"
    );
}

#[test]
fn gone_metrics_are_told_of_before_and_after() {
    let whole = summary("quickstart.yaml", &[PEERS, "training.rounds=5"]);
    let before = finished(3);
    let metrics = fs::read_to_string(before.path().join("peers/peer-1.jsonl")).unwrap();
    // The first round is there, and half of the line after it.
    let first = metrics.find("\"event\":\"round\"").unwrap();
    let end = first + metrics[first..].find('\n').unwrap() + 10;
    for (left, warning, lost) in [
        (None, "peer-1.jsonl is missing: restore it", 3),
        (
            Some(&metrics[..end]),
            "peer-1.jsonl lacks 2 of the 3 finished rounds: restore",
            2,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        copy(before.path(), folder.path());
        let path = folder.path().join("peers/peer-1.jsonl");
        match left {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        let lost = format!("but of peer 1 the figures of {lost} rounds are lost");
        let ends = |set: &[&str], first: &str| {
            let output = resume(folder.path(), set).output().unwrap();
            let errors = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{errors}");
            assert!(errors.starts_with("warning: ") && errors.contains(first), "{errors}");
            for part in ["error: the run is complete and its model is in ", &lost] {
                assert!(errors.contains(part), "{part} is not in\n{errors}");
            }
            assert!(!errors.contains("rounds were finished; "), "{errors}");
            let summary = read_json(&folder.path().join("summary.json"));
            assert_eq!(summary["modelHash"], whole["modelHash"]);
            assert!(summary["accuracy"].is_null(), "{summary}");
        };
        ends(&["training.rounds=5"], warning);
        // What is lost stays lost.
        ends(&[], "peer-1.jsonl lacks ");
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run_with_its_place() {
    let folder = finished_with(2, &[ALL_OR_NONE]);
    // The name that a checkpoint of peer 1 has while it is written.
    fs::create_dir(folder.path().join("peers/.peer-1.checkpoint")).unwrap();
    let output = resume(folder.path(), &["training.rounds=8"]).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for expected in [
        "peer 1 failed",
        "peer-1.rounds-4.checkpoint: the checkpoint cannot be written: make room there",
        "--set checkpoint.type=none",
        "\n  resume with: ",
    ] {
        assert!(errors.contains(expected), "{expected} is missing in\n{errors}");
    }
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["outcome"], "failed");
    assert_eq!(summary["resumedAfter"], 2);
    // With room it ends as it would have.
    fs::remove_dir(folder.path().join("peers/.peer-1.checkpoint")).unwrap();
    let output = resume(folder.path(), &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let whole = crate::support::summary("quickstart.yaml", &[PEERS, "training.rounds=8"]);
    let resumed = read_json(&folder.path().join("summary.json"));
    assert_eq!(resumed["modelHash"], whole["modelHash"]);
}

#[test]
fn a_run_that_is_still_there_is_not_resumed() {
    let mut part = Endless::with(&[PEERS, EVERY, crate::support::ENDLESS]);
    for _ in 0..3 {
        part.wait_for("round");
    }
    let errors = refused(&resume(part.results(), &[]).output().unwrap());
    assert!(
        errors.contains("another fltorrent is running in this folder"),
        "{errors}"
    );
    part.signal(Signal::INT);
    part.end();
}

#[test]
fn a_run_ends_early_at_its_target_and_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        PEERS,
        EVERY,
        "training.rounds=50",
        "training.earlyStop={targetAccuracy: 0.85}",
    ];
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = read_json(&folder.path().join("summary.json"));
    assert_eq!(summary["outcome"], "converged");
    let rounds = summary["rounds"].as_array().unwrap();
    let accuracy = |round: usize| rounds[round]["accuracy"].as_f64().unwrap();
    // The round whose model met the target is the last but one, and the first that did.
    let met = rounds.len() - 2;
    assert!(accuracy(met) >= 0.85);
    assert!((0..met).all(|round| accuracy(round) < 0.85));
    let reason = summary["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        format!(
            "the target was met: accuracy {:.4} after round {}",
            accuracy(met),
            met + 1
        )
    );
    assert!(stdout(&output).contains(&format!("ended     early, {reason}")));
    let errors = refused(&resume(folder.path(), &["training.rounds=60"]).output().unwrap());
    assert!(
        errors.contains("had converged") && errors.contains("model.initFrom"),
        "{errors}"
    );
}

#[test]
fn a_run_that_was_stopped_before_its_plateau_finds_it_at_the_same_round() {
    // A gain that hardly any round has: the plateau comes soon.
    let stop = "training.earlyStop={patience: 4, minDelta: 0.3}";
    let sets = [PEERS, EVERY, "training.rounds=50", stop];
    let folder = tempfile::tempdir().unwrap();
    let output = run("quickstart.yaml", folder.path(), &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let whole = read_json(&folder.path().join("summary.json"));
    assert_eq!(whole["outcome"], "converged");
    assert!(whole["reason"].as_str().unwrap().starts_with("a plateau"), "{whole}");
    let count = whole["rounds"].as_array().unwrap().len() as u32;

    // The same run, but its peers went no further than the checkpoint in the middle of the wait.
    let rounds = count - 1 - count % 2;
    let short = tempfile::tempdir().unwrap();
    let fewer = format!("training.rounds={rounds}");
    let output = run("quickstart.yaml", short.path(), &[PEERS, EVERY, stop, &fewer])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = resume(short.path(), &["training.rounds=50"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let resumed = read_json(&short.path().join("summary.json"));
    for field in ["outcome", "reason", "modelHash"] {
        assert_eq!(resumed[field], whole[field], "{field}");
    }
    assert_eq!(resumed["rounds"].as_array().unwrap().len() as u32, count);
}

#[test]
fn a_run_starts_from_the_model_of_another() {
    let first = finished(3);
    let model = first.path().join("model.safetensors");
    let init = format!("model.initFrom.path={}", model.display());
    let sets = [PEERS, "training.rounds=1", &init];
    let started = summary("quickstart.yaml", &sets);
    let anew = summary("quickstart.yaml", &[PEERS, "training.rounds=1"]);
    assert!(started["accuracy"].as_f64().unwrap() > anew["accuracy"].as_f64().unwrap());

    let folder = tempfile::tempdir().unwrap();
    let refused = |sets: &[&str]| {
        let output = run("quickstart.yaml", &folder.path().join("run"), sets)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(!folder.path().join("run").exists(), "something was started");
        stderr(&output)
    };
    let errors = refused(&[&init, "model.mlp.hidden=[9]"]);
    assert!(errors.contains("model.initFrom.path: "), "{errors}");
    assert!(
        errors.contains("fc1.weight F32 [64, 64]; expected fc1.weight F32 [9, 64]"),
        "{errors}"
    );
    let hash = format!("model.initFrom.sha256={}", "a".repeat(64));
    let errors = refused(&[&init, &hash]);
    assert!(errors.contains("model.initFrom.sha256: "), "{errors}");
    let errors = refused(&["model.initFrom.path=no/such.safetensors"]);
    assert!(errors.contains("no/such.safetensors cannot be read"), "{errors}");
}

/// A run that goes on to its end, without anything more to say of it.
fn completed(folder: &Path) -> Value {
    let output = resume(folder, &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    read_json(&folder.join("summary.json"))
}

#[test]
fn a_run_whose_last_step_failed_is_completed_by_the_command_that_it_prints() {
    let sets = [PEERS, EVERY, "training.rounds=40", "output.peerModels=true"];
    let whole = summary("quickstart.yaml", &sets[..3]);
    let mut part = Endless::with(&sets);
    part.wait_for("started");
    let model = part.results().join("model.safetensors");
    fs::create_dir_all(model.join("in-the-way")).unwrap();
    let (output, folder) = part.end();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let command = format!("run --resume {}", folder.path().display());
    assert!(errors.contains(&command), "{errors}");
    let failed = read_json(&folder.path().join("summary.json"));
    assert_eq!(failed["outcome"], "failed");
    fs::remove_dir_all(&model).unwrap();
    let summary = completed(folder.path());
    assert_eq!(summary["outcome"], "completed");
    assert_eq!(summary["modelHash"], whole["modelHash"]);
    assert_eq!(summary["resumedAfter"], 40);
    let bytes = fs::read(&model).unwrap();
    for peer in 0..3 {
        let own = folder.path().join(format!("peers/peer-{peer}.safetensors"));
        assert_eq!(fs::read(own).unwrap(), bytes);
    }
    let errors = refused(&resume(folder.path(), &[]).output().unwrap());
    assert!(errors.contains("nothing is left to do"), "{errors}");
}

#[test]
fn what_a_killed_launcher_has_not_written_is_written_and_an_earlier_model_is_replaced() {
    let (folder, earlier) = (finished(3), finished(2));
    let place = |name: &str| folder.path().join(name);
    let model = fs::read(place("model.safetensors")).unwrap();
    let whole = read_json(&place("summary.json"));
    let names = ["model.safetensors", "summary.json", "report.html"];
    let mut before = whole.clone();
    for missing in [&names[2..], &names[..1], &names[..], &names[..1], &names[1..2]] {
        for name in missing {
            fs::remove_file(place(name)).unwrap();
        }
        let summary = completed(folder.path());
        for field in ["outcome", "modelHash", "accuracy"] {
            assert_eq!(summary[field], whole[field], "{field}");
        }
        // The times are those of the run, not of the command that completes it.
        if missing.contains(&"summary.json") {
            let rounds = summary["rounds"].as_array().unwrap().iter();
            let sum: f64 = rounds.map(|round| round["wallSeconds"].as_f64().unwrap()).sum();
            assert_eq!(summary["wallSeconds"].as_f64(), Some(sum));
            assert!(summary["startupSeconds"].is_null());
        } else {
            for field in ["started", "wallSeconds", "startupSeconds"] {
                assert_eq!(summary[field], before[field], "{field}");
            }
        }
        before = summary;
        assert_eq!(fs::read(place("model.safetensors")).unwrap(), model);
        assert!(place("report.html").is_file());
    }
    fs::copy(earlier.path().join("model.safetensors"), place("model.safetensors")).unwrap();
    completed(folder.path());
    assert_eq!(fs::read(place("model.safetensors")).unwrap(), model);
}

#[test]
fn a_run_does_not_go_on_with_other_test_data_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let table = |rows: u32| -> String {
        let rows = (0..rows).map(|row| format!("{},{},{}\n", row % 2, row, 40 - row % 40));
        std::iter::once("label,a,b\n".to_owned()).chain(rows).collect()
    };
    let test = place.path().join("test.csv");
    fs::write(place.path().join("t.csv"), table(40)).unwrap();
    fs::write(&test, table(30)).unwrap();
    let data = "data={type: csv, csv: {train: t.csv, test: test.csv, labelColumn: label, classes: 2, inputShape: [2]}}";
    let sets = [PEERS, EVERY, "training.rounds=2", data];
    let output = run("quickstart.yaml", Path::new("run"), &sets)
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    fs::write(&test, table(33)).unwrap();
    let folder = place.path().join("run");
    let output = resume(&folder, &["training.rounds=4"]).output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let words = "was judged on 10 test samples of this peer, and it has 11 now: the data is not what it was";
    assert!(errors.contains(words), "{errors}");
}

#[test]
fn a_run_goes_on_from_any_working_folder_with_the_data_of_its_first() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let table: String = (0..40)
        .map(|row| format!("{},{},{}\n", row % 2, row, 40 - row))
        .collect();
    fs::write(here.path().join("t.csv"), format!("label,a,b\n{table}")).unwrap();
    let data = "data={type: csv, csv: {train: t.csv, test: t.csv, labelColumn: label, classes: 2, inputShape: [2]}}";
    let sets = [PEERS, EVERY, "training.rounds=2", data];
    let output = run("quickstart.yaml", Path::new("my results"), &sets)
        .current_dir(here.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let folder = here.path().join("my results");
    let output = resume(&folder, &["training.rounds=4"])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let manifest = fs::read_to_string(folder.join("manifest.yaml")).unwrap();
    let absolute = here.path().join("t.csv").display().to_string();
    assert!(manifest.contains(&absolute), "{manifest}");
    let errors = refused(&resume(Path::new("no/such"), &[]).output().unwrap());
    assert!(errors.contains("no/such: no such folder"), "{errors}");
}

#[test]
fn the_command_to_go_on_is_quoted_for_a_shell_and_works_everywhere() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["here", "$proj"] {
        let place = parent.path().join(name);
        fs::create_dir(&place).unwrap();
        assert_command_works(&place);
    }
}

/// Ends a run in this working folder, whose data it names from there, and goes on with it from another one.
fn assert_command_works(place: &Path) {
    let table: String = (0..40)
        .map(|row| format!("{},{},{}\n", row % 2, row, 40 - row))
        .collect();
    fs::write(place.join("t.csv"), format!("label,a,b\n{table}")).unwrap();
    let sets = [
        PEERS,
        "checkpoint={type: periodic}",
        crate::support::ENDLESS,
        "data={type: csv, csv: {train: t.csv, test: ./t.csv, labelColumn: label, classes: 2, inputShape: [2]}}",
    ];
    let mut launcher = run("quickstart.yaml", Path::new("it's mine"), &sets)
        .args(["--output", "json"])
        .current_dir(place)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(launcher.stdout.take().unwrap());
    let rounds = std::io::BufRead::lines(lines)
        .map(Result::unwrap)
        .filter(|line| line.contains("\"event\":\"round\""));
    assert_eq!(rounds.take(2).count(), 2);
    let pid = rustix::process::Pid::from_raw(launcher.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let output = launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let summary = read_json(&place.join("it's mine/summary.json"));
    let command = summary["resume"].as_str().unwrap();
    let rounds = summary["rounds"].as_array().unwrap().len();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{command} --set training.rounds={}", rounds + 1))
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
}
